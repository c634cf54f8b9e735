"""Which ids of a store a pipeline would not give any more, and why.

Each run is asked for again as the pipeline is now: with its own parameters, by the names that they
have now, and with defaults for what was added. Where that is another id, what was published is not
found any more, though it stays and can be listed, shown and promoted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.history import completed, present
from ml_pipeline.params.model import ParamModel, nested
from ml_pipeline.runs import catalog
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.differences import differing
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.slots import asset_directory, slot_for


@dataclass(frozen=True)
class IdChange:
    """An id that a run would not have any more.

    Attributes:
        asset: the asset, by the name that it has now.
        run_id: the id that there is.
        as_of: its date or partition.
        becomes: the id that a run with the same parameters has now; None where none can have them.
        why: the reasons, as phrases.
    """

    asset: str
    run_id: str
    as_of: AsOf | None
    becomes: str | None
    why: tuple[str, ...]


@dataclass
class Checked:
    """What was looked at.

    Attributes:
        count: how many runs.
        unreadable: directories whose record cannot be read.
        unknown: directories of what are no assets of the pipeline.
    """

    count: int = 0
    unreadable: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def id_changes(pipeline: Pipeline, store: ArtifactStore, checked: Checked) -> Iterator[IdChange]:
    """Yield every id of a store that would change, and why.

    Args:
        pipeline: the stages and parameters as they are now.
        store: where runs are.
        checked: what is looked at is told here.
    """
    known = {asset_directory(name) for name in pipeline.kept_names(pipeline.stages)}
    tops = {name.partition("/")[0] for name in known}
    checked.unknown += [n for n in store.children("") if n not in tops and not n.startswith(".")]
    models: dict[str, ParamModel] = {}
    for stage in pipeline.stages.values():
        models[stage.name] = pipeline.params.part(stage.scope)
        for name in pipeline.kept_names([stage.name]):
            seen: set[str] = set()
            for entry in catalog.entries(store, [name], missed=checked.unreadable.append):
                if entry.record.run_id in seen:
                    continue
                seen.add(entry.record.run_id)
                checked.count += 1
                change = _change(pipeline.params, models[stage.name], stage, entry)
                if change is not None:
                    yield change


def _change(whole: ParamModel, part: ParamModel, stage: Stage, entry: Entry) -> IdChange | None:
    record = entry.record

    def changed(becomes: str | None, *why: str) -> IdChange:
        return IdChange(stage.name, record.run_id, record.as_of, becomes, why)

    identity = record.identity.get("params") or {}
    values = present(whole, completed(whole, identity))
    known = {p.dotted for p in part.parameters()}
    try:
        params = part.validate(nested({n: v for n, v in values.items() if n in known}))
    except ParamsError as error:
        return changed(None, *error.problems)
    slot = slot_for(stage.name, params, stage.scope, record.as_of)
    if slot.run_id != record.run_id:
        told = [one.told for one in differing(whole, record.identity, slot.identity)]
        return changed(slot.run_id, *(told or ["it is written in another way"]))
    place = entry.path.rpartition("/")[0]
    if record.asset == stage.name and place != slot.path:
        return changed(slot.run_id, f"its path was {place} and would be {slot.path}")
    return None
