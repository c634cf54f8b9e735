"""Everything that is known of a run, as one card: whatever is gone is said to be.

A card beside a model holds what was known when it was made. This one is put together when it is
asked for, from all that the stores hold: results at other dates, promotions, and what it was made
from.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ml_pipeline import svg
from ml_pipeline.errors import ArtifactDamaged, MlPipelineError, QueryError, StoreError
from ml_pipeline.index.promotions import history
from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.leaderboard.sides import side_of
from ml_pipeline.params.as_of import AsOf, noun_of, span
from ml_pipeline.runs import card_sections as sections
from ml_pipeline.runs.card_file import is_of_a_model
from ml_pipeline.runs.card_sections import Section
from ml_pipeline.runs.catalog import Entry, lineage_by_asset
from ml_pipeline.runs.reproduce import recorded_params
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record


@dataclass(frozen=True)
class ModelCard:
    """A card.

    Attributes:
        title: its heading.
        sections: what stands in it, what matters first.
    """

    title: str
    sections: tuple[Section, ...]


def model_card(
    pipeline: Pipeline,
    store: ArtifactStore,
    entry: Entry,
    ledgers: Mapping[str, ArtifactStore] | None = None,
) -> ModelCard:
    """Return the card of a run.

    Args:
        pipeline: the stages as they are now.
        store: where the run is.
        entry: the run.
        ledgers: the stores of all environments, by name; the run's own if omitted.

    Raises:
        StoreUnreachable: if its store cannot be read.
    """
    known = lineage_by_asset(store, entry)
    records = {name: made.record for name, made in known.items() if made is not None}
    missing = [_gone(name, records.values()) for name, made in known.items() if made is None]
    subject = _subject(pipeline, store, entry, known)
    record = subject.record
    stage = pipeline.stages.get(pipeline.present_name(record.asset))
    judged = _judged(pipeline, store, entry.record, missing)
    own = _own_metrics(pipeline, entry.record, records, judged)
    if judged and not own:
        is_of_another = entry.record.as_of in judged
        why = "the newest result was made from another revision" if is_of_another else "none"
        missing.append(f"Metrics{_at(entry.record)}: {why}.")
    window = _window(pipeline, stage, record, missing)
    promotions = _promotions({entry.path, subject.path}, ledgers or {"": store}, missing)
    pictures = (*_over_dates(judged), *_drawn(store, known, missing))
    missing += _unrecorded(record)
    behind = lineage_by_asset(store, subject) if subject != entry else known
    made_from = {name: records.get(name) for name in behind if name != record.asset}
    found = [
        sections.about(record, stage.description if stage is not None else None),
        Section("Missing", tuple(missing)),
        *sections.stated(stage.card if stage is not None else None),
        _metrics(entry.record, judged, own),
        _other_metrics(pipeline, entry.record, records, judged),
        Section("Plots", pictures=pictures),
        sections.parameters(record, pipeline.params),
        sections.data(window, record, made_from),
        promotions,
        _by_date(judged),
        sections.code(records),
    ]
    return ModelCard(sections.title_of(record), tuple(one for one in found if not one.is_empty()))


def _subject(
    pipeline: Pipeline, store: ArtifactStore, entry: Entry, known: Mapping[str, Entry | None]
) -> Entry:
    """Return what the card is of: the run itself, or the nearest model that it was made from."""
    for made in known.values():
        if made is not None:
            stage = pipeline.stages.get(pipeline.present_name(made.record.asset))
            if is_of_a_model(store, stage, made.record):
                return made
    return entry


def _judged(
    pipeline: Pipeline, store: ArtifactStore, record: Record, missing: list[str]
) -> Mapping[AsOf | None, Cell]:
    """Return what the run's parameter set came to, at all dates that the store has."""
    if not pipeline.stages or not pipeline.judge.scope:
        return {}
    try:
        side = side_of("this card", pipeline, record, [store])
    except QueryError as error:
        missing += [f"Results at other dates: {problem}." for problem in error.problems]
        return {}
    if side.missed:
        missing.append(f"{side.missed} results cannot be read: `verify` says why.")
    return side.cells


def _window(
    pipeline: Pipeline, stage: Stage | None, record: Record, missing: list[str]
) -> str | None:
    """Return in words which data the model has seen."""
    if stage is None or stage.card is None or stage.card.data is None:
        return None
    try:
        params = recorded_params(pipeline.params, record)
        return stage.data_seen(params, record.as_of)
    except (MlPipelineError, KeyError) as error:
        missing.append(f"Which data it has seen cannot be told any more: {error}")
        return None


def _own_metrics(
    pipeline: Pipeline,
    record: Record,
    records: Mapping[str, Record],
    judged: Mapping[AsOf | None, Cell],
) -> Mapping[str, float]:
    """Return what a run came to; nothing where only other dates or revisions were judged."""
    if not judged:
        return record.metrics
    called = {pipeline.present_name(name): one for name, one in records.items()}
    if pipeline.judge.name in called:
        return called[pipeline.judge.name].metrics
    cell = judged.get(record.as_of)
    if cell is None or not all(_is_behind(cell, *one) for one in called.items()):
        return {}
    return cell.metrics


def _is_behind(cell: Cell, name: str, record: Record) -> bool:
    """Whether a result was made by the code of a stage, and of the data that it has read."""
    outside = cell.outside.get(name)
    found = (outside.found, outside.made) if outside is not None else (None, None)
    read = (record.external, record.content.digest) if record.external is not None else (None, None)
    return cell.codes.get(name) == record.code and found == read


def _at(record: Record) -> str:
    return f" of {record.as_of}" if record.as_of is not None else ""


def _metrics(
    record: Record, judged: Mapping[AsOf | None, Cell], own: Mapping[str, float]
) -> Section:
    """Compare the run with all dates of its parameters, what it is judged by first."""
    if not judged:
        return sections.metrics(record)
    newest = list(judged.values())[-1]
    here = judged.get(record.as_of, newest)
    first = [n for n in _judging(here) if n in here.metrics]
    names = dict.fromkeys([*first, *(n for cell in judged.values() for n in cell.metrics)])
    rows = []
    for name in names:
        values = [cell.metrics[name] for cell in judged.values() if name in cell.metrics]
        what = _role(here, name)
        rows.append(
            (name, what, own.get(name), fmean(values), min(values), max(values), len(values))
        )
    noun = f"{noun_of(judged)}s" if None not in judged else "results"
    at = str(record.as_of) if record.as_of is not None else "this run"
    words = f"Over {span(list(judged))}: all that the store has of these parameters."
    said = () if list(judged) == [None] else (words,)
    columns = ("metric", "role", at, "mean", "lowest", "highest", noun)
    return Section("Metrics", said, columns, tuple(rows))


def _other_metrics(
    pipeline: Pipeline,
    record: Record,
    records: Mapping[str, Record],
    judged: Mapping[AsOf | None, Cell],
) -> Section:
    """List what the stages measured that do not judge the run, as the fit of the model itself."""
    shown = pipeline.judge.name if judged else pipeline.present_name(record.asset)
    rows = tuple(
        (asset, name, value)
        for asset, one in records.items()
        if pipeline.present_name(asset) != shown
        for name, value in one.metrics.items()
    )
    return Section("Metrics of other stages", (), ("stage", "metric", "value"), rows)


def _judging(cell: Cell) -> list[str]:
    objective = cell.objective
    if objective is None:
        return []
    return [objective.metric, *([objective.baseline] if objective.baseline else [])]


def _role(cell: Cell, name: str) -> str:
    objective = cell.objective
    if objective is None or name not in _judging(cell):
        return ""
    return f"judged by: {objective.direction}" if name == objective.metric else "baseline"


def _by_date(judged: Mapping[AsOf | None, Cell]) -> Section:
    """List what the parameters came to at each date, beside the baseline."""
    cells = {day: cell for day, cell in judged.items() if cell.objective is not None}
    if len(cells) < 2:
        return Section("")
    newest = list(cells.values())[-1]
    names = [n for n in _judging(newest) if any(n in cell.metrics for cell in cells.values())]
    rows = []
    for day, cell in cells.items():
        values = [cell.metrics.get(name) for name in names]
        both = [value for value in values if value is not None]
        difference = [both[0] - both[1]] if len(names) == len(both) == 2 else [None]
        apart = difference if len(names) == 2 else []
        rows.append((str(day), *values, *apart, cell.run_id))
    columns = ("as_of", *names, *(["difference"] if len(names) == 2 else []), "run id")
    return Section("Metrics by date", (), columns, tuple(rows))


def _over_dates(judged: Mapping[AsOf | None, Cell]) -> Iterator[str]:
    """Yield the metric and its baseline over the dates, if there are several."""
    cells = {day: cell for day, cell in judged.items() if day is not None and cell.objective}
    if len(cells) > 1:
        names = _judging(list(cells.values())[-1])
        looks = ((svg.BLUE, ""), (svg.AMBER, "5 4"))
        lines = [
            svg.Line(name, [cell.metrics.get(name) for cell in cells.values()], color, dash=dash)
            for name, (color, dash) in zip(names, looks, strict=False)
        ]
        drawn = svg.over_days(f"{names[0]} over the dates", list(cells), lines)
        if drawn is not None:
            yield drawn


def _drawn(
    store: ArtifactStore, known: Mapping[str, Entry | None], missing: list[str]
) -> Iterator[str]:
    """Yield what the stages drew, those of the run itself first."""
    for name, made in known.items():
        if made is None:
            continue
        try:
            yield from store.pictures(made.path, made.record).values()
        except ArtifactDamaged as error:
            missing.append(f"Pictures of {name}: {error}")


def _promotions(
    paths: Collection[str], ledgers: Mapping[str, ArtifactStore], missing: list[str]
) -> Section:
    """List where the run was promoted to, the newest first."""
    rows: list[tuple[Any, ...]] = []
    seen: set[str] = set()
    for name, store in ledgers.items():
        if store.uri in seen:
            continue
        seen.add(store.uri)
        try:
            entries = history(store)
        except StoreError as error:
            missing.append(f"Promotions{f' of {name}' if name else ''}: {error}")
            continue
        now = ledger.last_of(entries)
        rows += [
            (one.at, one.line, "now" if now[one.line] == one else "earlier", *_told(one))
            for one in entries
            if not {one.path, *one.artifacts}.isdisjoint(paths)
        ]
    rows.sort(key=lambda row: row[0], reverse=True)
    dated = tuple((f"{row[0]:%Y-%m-%d %H:%M:%S} UTC", *row[1:]) for row in rows)
    columns = ("promoted at", "environment", "state", "from", "gate", "by", "note")
    return Section("Promotions", () if dated else ("None.",), columns, dated)


def _told(one: ledger.Promotion) -> tuple[str, str, str, str]:
    origin = f"back to {one.restores}" if one.restores is not None else one.source or ""
    gate = "forced" if one.forced else "passed" if one.gate is not None else ""
    return origin, gate, one.by, one.note


def _gone(name: str, records: Any) -> str:
    """Say of what has been removed what it was."""
    read = next(record.inputs[name] for record in records if name in record.inputs)
    return (
        f"{name}: run {read.run_id}, revision {read.revision}, is gone from the store, or its"
        " record cannot be read: what it was made from cannot be told."
    )


def _unrecorded(record: Record) -> Sequence[str]:
    """Say what the record does not tell, because it is old or was made elsewhere."""
    around = record.provenance
    found = []
    if not around.python and not around.packages:
        found.append("Code and packages: nothing was recorded of Python and its packages.")
    if around.git_commit is None:
        found.append("Code: no commit was recorded, as where there is no checkout.")
    return found
