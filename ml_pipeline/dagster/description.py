"""What a materialization shows of an artifact: what matters first.

Dagster's UI keeps the order of metadata. It shows Markdown and JSON of less than 1,000 characters
as they are, and longer ones behind a click.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.columns import SCHEMA, columns_shown
from ml_pipeline.dagster.limits import fitting
from ml_pipeline.dagster.metadata import picture, preview
from ml_pipeline.dagster.pages import OPEN, page_links
from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.params.history import present, told_names
from ml_pipeline.runs.column import NOTHING_SAID, Columns
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.served import MARK, run_of
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline.text import for_terminal, shortened

LOOKED_AT: Final = frozenset({"preview", SCHEMA})
"""Names of what is to be looked at; where a function of others shows it itself, that stands."""

SAID: Final = frozenset(
    {
        *("run_id", "revision", "environment", "path", "reused", "reused_from", "reason"),
        *("not_default", "picture", "pictures", "origins", "bytes", "digest", "duration_s"),
        *("made_at", "made_by", "left_out", "dagster/row_count", OPEN),
    }
)
"""Names of what is said anew of whatever is kept, besides its parameters and metrics."""

_ALWAYS: Final = ("run_id", "revision", "path", "pictures", "reused", "reused_from", "reason", OPEN)
_LARGEST_PICTURE: Final = 60_000
_IS_ANOTHER_DATE: Final = re.compile(r"computed: as_of \S+ -> [^\s,]+ since run [0-9a-f]+")


@dataclass(frozen=True)
class Links:
    """Where a materialization leads.

    Attributes:
        upstream: what was read, each with a link to its own page, in Markdown.
        repeat: the command line that makes it again.
        launchpad: address of a launchpad with its parameters; None where nobody knows the way.
        card: where the card of a model is, if it is one.
    """

    upstream: str
    repeat: str
    launchpad: str | None
    card: dg.MetadataValue[Any] | None


def describe(
    outcome: Outcome,
    store: ArtifactStore,
    origins: Mapping[str, str],
    links: Links | None = None,
    columns: Columns = NOTHING_SAID,
    is_brief: bool = False,
) -> dict[str, Any]:
    """Return the metadata of a materialization: which parameters made what, and where it is.

    Of what is reused, or one of many, there is only what was asked for, which artifact it is and
    how good: every event stays in Dagster's database for good, and the record tells the rest.
    One of many tells no reason where it is merely another date.

    Args:
        outcome: the artifact.
        store: where it is.
        origins: where the values came from that this run asks for, by dotted name; whoever
            computed a reused artifact may have had them from elsewhere.
        links: where else to look, if that is known.
        columns: what is said of the columns of a table, made from those of Dagster's keys.
        is_brief: whether it is one of many that a run makes.
    """
    record = outcome.record
    values = present(outcome.slot.model, record.params)
    groups = {name.partition(".")[0] for name in values}
    asked = {name: origin for name, origin in origins.items() if name.partition(".")[0] in groups}
    directory = outcome.slot.revision(record.revision)
    names = told_names(outcome.slot.model, values)
    changed = {names[dotted]: values[dotted] for dotted in values if dotted in asked}
    metrics = dict(_most_important_first(record))
    is_one_of_many, is_brief = is_brief, is_brief or outcome.reused
    is_told = changed or (values and not is_brief)
    entries: dict[str, Any] = {"not_default": _line(changed)} if is_told else {}
    entries |= metrics
    if not is_brief:
        entries |= _looked_at(outcome, store, directory)
        entries |= {} if links is None or links.card is None else {"model card": links.card}
    linked: Mapping[str, Any] = {}
    if record.pictures is not None:
        page = f"{directory}/{record.pictures.file}"
        linked = page_links(store.directory, all_pictures=page)
        entries |= linked
    identified = _identified(outcome, store, directory, is_one_of_many)
    if linked and is_one_of_many:
        del identified["pictures"]
    entries |= identified
    if is_brief:
        entries |= {name: _shown(values[name]) for name in asked if name in values}
    else:
        entries |= _led_to(links) if links is not None else {}
        entries |= {name: _shown(value) for name, value in values.items() if name not in metrics}
        entries |= {
            "bytes": record.content.bytes,
            "digest": record.content.digest,
            "duration_s": record.duration_s,
            "made_at": dg.MetadataValue.timestamp(record.started_at),
        }
        types = outcome.sample.columns if outcome.sample is not None else {}
        entries |= columns_shown(types, columns)
    entries |= {"origins": dg.MetadataValue.json(asked)} if asked else {}
    # What a stage has measured stands, whatever it is called.
    return fitting(entries | metrics, store.address(f"{directory}/record.json"), _ALWAYS)


def _line(changed: Mapping[str, Any]) -> str:
    """Return what was not default in one line."""
    if not changed:
        return "nothing, all parameters are defaults"
    return for_terminal(", ".join(f"{name}={shortened(one)}" for name, one in changed.items()))


def _most_important_first(record: Record) -> Iterator[tuple[str, float]]:
    objective = record.objective
    first = [objective.metric, objective.baseline] if objective is not None else []
    for name in dict.fromkeys([*first, *record.metrics]):
        if name is not None and name in record.metrics:
            yield name, record.metrics[name]


def _looked_at(outcome: Outcome, store: ArtifactStore, directory: str) -> dict[str, Any]:
    """Return what is to be looked at: the first picture, and the first rows of a table."""
    found: dict[str, Any] = {}
    with contextlib.suppress(ArtifactDamaged):
        pictures = store.pictures(directory, outcome.record)
        svg = next(iter(pictures.values()), "")
        if 0 < len(svg.encode()) <= _LARGEST_PICTURE:
            found["picture"] = picture(svg)
    if outcome.sample is not None and outcome.sample.rows:
        found["preview"] = dg.MetadataValue.md(preview(outcome.sample))
    return found


def _identified(
    outcome: Outcome, store: ArtifactStore, directory: str, is_one_of_many: bool
) -> dict[str, Any]:
    """Return which artifact it is, where it is, and why."""
    record = outcome.record
    found: dict[str, Any] = {
        "run_id": record.run_id,
        "revision": record.revision,
        **({"environment": store.environment} if store.environment is not None else {}),
        "path": place(store, f"{directory}/{record.content.file}"),
        "reused": outcome.reused,
        **({"reused_from": outcome.reused_from} if outcome.reused_from is not None else {}),
        **_why(outcome, is_one_of_many),
        **_served(record),
    }
    if record.pictures is not None:
        found["pictures"] = place(store, f"{directory}/{record.pictures.file}")
    # One of many that a run makes has the link to it already.
    if record.provenance.dagster_run_id is not None and (outcome.reused or not is_one_of_many):
        found["made_by"] = dg.MetadataValue.dagster_run(record.provenance.dagster_run_id)
    if "rows" in record.content.shape:
        found["dagster/row_count"] = record.content.shape["rows"]
    return found


def _why(outcome: Outcome, is_one_of_many: bool) -> dict[str, str]:
    """Return the reason; of one of many, if it is more than what made it, or that it is new."""
    record, made_by = outcome.record, outcome.record.provenance.dagster_run_id
    if outcome.reused:
        is_told = made_by is not None and outcome.reason.endswith(f" by {made_by}")
    else:
        told = outcome.reason.removeprefix(f"{record.asset}: ")
        is_told = _IS_ANOTHER_DATE.fullmatch(told) is not None
    return {} if is_one_of_many and is_told else {"reason": outcome.reason}


def place(store: ArtifactStore, path: str) -> dg.MetadataValue[Any]:
    """Return where something in a store is: a path, or an address that leads there."""
    address = store.address(path)
    local = store.directory is not None
    return dg.MetadataValue.path(address) if local else dg.MetadataValue.url(address)


def _served(record: Record) -> dict[str, Any]:
    """Return which promoted runs scored."""
    found: dict[str, Any] = {}
    for key, run in record.others.items():
        if key.startswith(MARK):
            alias = key.removeprefix(MARK)
            found[alias] = run_of(run)
            if run.partition is not None:
                found[f"{alias}_as_of"] = run.partition
            found |= {f"{alias}_{name}": value for name, value in run.about.items()}
    return found


def _led_to(links: Links) -> dict[str, Any]:
    """Return the ways to what it was made from, and to making it again."""
    found: dict[str, Any] = {"repeat": links.repeat}
    if links.launchpad is not None:
        link = f"[launchpad with these parameters]({links.launchpad})"
        found["launchpad"] = dg.MetadataValue.md(link)
    if links.upstream:
        found["upstream"] = dg.MetadataValue.md(links.upstream)
    return found


def _shown(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else dg.MetadataValue.json(value)
