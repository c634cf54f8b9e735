"""Run something again from its record alone, and say whether the result agrees."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ml_pipeline.errors import ArtifactMissing, ParamsError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.group import OPTIONS
from ml_pipeline.params.history import completed, present
from ml_pipeline.params.model import ParamModel, ParamSet, nested
from ml_pipeline.runs.catalog import Entry, lineage_by_asset
from ml_pipeline.runs.changes import changes_of_others
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.provenance import PYTHON, version_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Provenance, Record


@dataclass(frozen=True)
class Comparison:
    """One asset made again.

    Attributes:
        asset: its name.
        agrees: whether the bytes are the same; None where the original is gone.
        changed: what is not as it was: code, source data, Python, packages.
    """

    asset: str
    agrees: bool | None
    changed: tuple[str, ...]


def recorded_params(model: ParamModel, record: Record) -> ParamSet:
    """Return the parameters that a record holds, in the environment that it was made in.

    Raises:
        ParamsError: if they are no longer valid for the pipeline as it is now.
    """
    try:
        values = _values(model, record)
        if record.provenance.environment in settings().environments.configured:
            values[OPTIONS] = {"environment": record.provenance.environment}
        origins = present(model, nested(record.origins))
        return model.part(values).validate(values, origins=origins)
    except ParamsError as error:
        raise ParamsError(
            [
                f"run {record.run_id} was made with parameters that are not valid any more",
                *error.problems,
            ]
        ) from error


def _values(model: ParamModel, record: Record) -> dict[str, Any]:
    """Return what identified a run, and what it had for the rest, by the names of now."""
    identity = completed(model, record.identity.get("params") or record.params)
    rest = {p.dotted for p in model.parameters() if not p.is_identity}
    others = {n: value for n, value in present(model, record.params).items() if n in rest}
    return {group: {} for group in identity} | nested({**present(model, identity), **others})


def reproduce(
    pipeline: Pipeline,
    store: ArtifactStore,
    entry: Entry,
    clean: ArtifactStore,
    host: Host | None = None,
) -> Iterator[Comparison]:
    """Make an artifact and all that it comes from again, in a store of its own.

    Args:
        pipeline: the pipeline as it is now.
        store: where the original is.
        entry: the original.
        clean: an empty store.
        host: what provides what stages take besides; plain Python if omitted.

    Yields:
        A comparison for each asset, in order of dependence.

    Raises:
        ArtifactMissing: if the asset is no stage of the pipeline any more.
        ParamsError: if its parameters are no longer valid.
        PipelineError: if stages take what is not there.
    """
    record = entry.record
    asset = pipeline.present_name(record.asset)
    if asset not in pipeline.stages:
        raise ArtifactMissing(
            f"'{record.asset}' must be an asset of the pipeline to be made again, but is not any"
            f" more. Check out commit {record.provenance.git_commit or 'of that time'} first."
        )
    params = recorded_params(pipeline.params, record)
    found = lineage_by_asset(store, entry)
    originals = {pipeline.present_name(name): original for name, original in found.items()}
    around = _changed_around(record.provenance)
    as_of: AsOf | None = record.as_of
    wanted = [stage.name for stage in pipeline.upstream_of(asset)]
    maker = Materializer(pipeline, clean, host=host, asked="none")
    for outcome in maker.run(params, as_of, wanted):
        original = originals.get(outcome.record.asset)
        if original is None:
            yield Comparison(outcome.record.asset, None, ())
            continue
        changed = []
        if original.record.code != outcome.record.code:
            changed.append("code")
        if original.record.external != outcome.record.external:
            changed.append("source data")
        changed += changes_of_others(original.record, outcome.record.others)
        agrees = original.record.content.digest == outcome.record.content.digest
        yield Comparison(outcome.record.asset, agrees, (*changed, *around))


def _changed_around(recorded: Provenance) -> tuple[str, ...]:
    """Return the versions of Python and packages that are not what they were."""
    versions = [(name, then, version_of(name)) for name, then in recorded.packages.items()]
    # A record made outside Dagster may not say which Python it was.
    if recorded.python:
        versions.insert(0, ("python", recorded.python, PYTHON))
    return tuple(f"{name} {then} -> {now or 'gone'}" for name, then, now in versions if now != then)
