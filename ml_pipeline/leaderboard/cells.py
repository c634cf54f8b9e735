"""Cells: one parameter set judged at one date, whoever computed it.

The store has one for each published result of the stage that judges; a sweep has its own, failed
ones included. A leaderboard compares cells and does not ask where they came from.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import QueryError
from ml_pipeline.index.comparison import batches
from ml_pipeline.index.opened import ask
from ml_pipeline.invocation import typed
from ml_pipeline.params.as_of import AsOf, as_of_from_key
from ml_pipeline.params.history import completed, present, told
from ml_pipeline.params.identity import digest_of, run_id
from ml_pipeline.params.model import ParamModel, ParamSet, nested
from ml_pipeline.runs.listing import matching
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.lineage import upstream
from ml_pipeline.store.record import Input, Objective, Record
from ml_pipeline.store.slots import as_of_on

if TYPE_CHECKING:
    from ml_pipeline.index.stored import Index

MOST_CELLS: Final = 30_000
"""So many can be compared at once: with what is made of them, they take some 100 MB."""

_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Outside:
    """What a stage read from outside.

    Attributes:
        asked: digest of what was asked for: parameters and date.
        found: digest of what was found.
        made: digest of what the stage made of it.
    """

    asked: str
    found: str
    made: str

    def is_another_than(self, other: "Outside") -> bool:
        """Whether other data was found where the same was asked for, and made a difference."""
        return self.asked == other.asked and self.found != other.found and self.made != other.made


@dataclass(frozen=True)
class Cell:
    """What one parameter set came to at one date.

    Attributes:
        asset: the stage that judged.
        params: values that take part in identity, ``{group: {field: value}}``.
        dataset: the labels that stand before the date in paths: they say which data it is about.
        as_of: the date, or None for a pipeline without dates.
        objective: what it is compared by, as the stage declares.
        codes: code fingerprint of the stage and of all upstream of it, by name.
        metrics: what it came to.
        seconds: what computing it took, with all that it was made from.
        run_id: identity of the result; empty where it failed.
        error: why it failed, or None.
        outside: what it was made from that came from outside, by the stage that read it.
        model: tells what parameters are called.
    """

    asset: str
    params: Mapping[str, Mapping[str, Any]]
    dataset: Mapping[str, Any]
    as_of: AsOf | None
    objective: Objective | None
    codes: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    run_id: str = ""
    error: str | None = None
    outside: Mapping[str, Outside] = field(default_factory=dict, repr=False)
    model: ParamModel | None = field(default=None, repr=False, compare=False)

    @cached_property
    def flat(self) -> dict[str, Any]:
        """The parameters by the names that people see."""
        return told(self.model, self.params)

    @cached_property
    def key(self) -> str:
        """Identity of the parameter set, apart from any date."""
        return digest_of(self.params)


def judged_cell(pipeline: Pipeline, records: Sequence[Record]) -> Cell:
    """Return the cell of a result.

    Args:
        pipeline: the stages.
        records: the record of what judged, then those of all that it was made from.
    """
    judged, called = records[0], pipeline.present_name
    asset = called(judged.asset)
    params = recorded_params(pipeline, judged)
    return Cell(
        asset=asset,
        params=params,
        dataset=_dataset(pipeline.stage(asset), pipeline, params),
        as_of=judged.as_of,
        objective=judged.objective,
        codes={called(record.asset): record.code for record in records},
        metrics=judged.metrics,
        seconds=math.fsum(record.duration_s for record in records),
        run_id=judged.run_id,
        outside={
            # Declared files count among what comes from outside, but are the pipeline's own.
            called(record.asset): Outside(
                digest_of([record.run_id, record.files]), record.external, record.content.digest
            )
            for record in records
            if record.external is not None
        },
        model=pipeline.params,
    )


def recorded_params(pipeline: Pipeline, record: Record) -> dict[str, dict[str, Any]]:
    """Return the parameters that identify a result, with what it had in effect for later ones."""
    return completed(pipeline.params, record.identity.get("params") or {})


def judged_params(pipeline: Pipeline, params: ParamSet) -> dict[str, dict[str, Any]]:
    """Return those parameters that identify a result of the stage that judges."""
    find, scope = pipeline.params.find, pipeline.judge.scope
    known = {n: v for n, v in params.flat(scope).items() if find(n).is_identity}
    empty: dict[str, dict[str, Any]] = {group: {} for group in scope}
    return empty | nested(known)


def failed_cell(pipeline: Pipeline, params: ParamSet, as_of: AsOf | None, error: str) -> Cell:
    """Return the cell of a computation that failed.

    Args:
        pipeline: the stages as they are now.
        params: values of all parameters.
        as_of: the date.
        error: why.
    """
    stage = pipeline.judge
    values = judged_params(pipeline, params)
    return Cell(
        asset=stage.name,
        params=values,
        dataset=_dataset(stage, pipeline, values),
        as_of=as_of,
        objective=stage.objective(params),
        codes={made.name: made.code for made in pipeline.upstream_of(stage.name)},
        error=error,
        model=pipeline.params,
    )


def cells_of(
    store: ArtifactStore,
    pipeline: Pipeline,
    where: str | None = None,
    first: AsOf | None = None,
    last: AsOf | None = None,
    missed: Callable[[str], object] = lambda _path: None,
    identity: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Cell]:
    """Return the newest result of every parameter set and date in the store.

    Args:
        store: where results are.
        pipeline: the stages.
        where: conditions such as ``learning_rate<0.1 and dataset=sales``.
        first: the first date wanted; all earlier ones too if omitted.
        last: the last date wanted; all later ones too if omitted.
        missed: called with the path of each result whose record cannot be read.
        identity: the parameters of the only set that is wanted, as run ids are made of them.

    Raises:
        QueryError: if a condition cannot be read or names nothing, or too many results are chosen.
    """
    cells, lost = ask(store, lambda index: cells_in(index, pipeline, where, first, last, identity))
    for path in lost:
        missed(path)
    return cells


def cells_in(
    index: "Index",
    pipeline: Pipeline,
    where: str | None = None,
    first: AsOf | None = None,
    last: AsOf | None = None,
    identity: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[list[Cell], list[str]]:
    """Return what `cells_of` does, from an index, and where records are that cannot be read."""

    def is_between(as_of: AsOf | None) -> bool:
        if as_of is None:
            return first is None and last is None
        return pipeline.keys.is_between(as_of, first, last)

    def is_wanted(path: str) -> bool:
        # What a long key is, only the record tells.
        told = [label for label in path.split("/") if label.startswith("as_of=")]
        as_of = as_of_on(told[0]) if told else None
        if told and as_of is None:
            return True
        if not is_between(as_of):
            return False
        return identity is None or f"/run={run_id(identity, as_of)}/" in path

    judges = pipeline.kept_names([pipeline.judge.name])
    index.read(judges, is_wanted)
    within = _within(index.dates(judges), is_between, identity)
    newest = index.newest(judges, pipeline.present_name, within)
    columns = index.columns(judges, pipeline.params)
    ids = matching(newest, columns, pipeline.params, where, MOST_CELLS + 1)
    if len(ids) > MOST_CELLS:
        problem = (
            f"at most {MOST_CELLS} results can be compared at once, since all of them are held in"
            f" memory, but there are more{' that fulfil that' if where else ''}: choose fewer by a"
            " condition on parameters, metrics or labels, or by the first and last date. To list"
            f" the best of any number, `{typed('runs list')} --sort METRIC`"
        )
        raise QueryError([problem])
    lost = [path for path in index.unreadable(judges) if is_wanted(path)]
    return list(_cells(index, pipeline, ids, lost.append)), lost


def _within(
    dates: Iterable[str | None],
    is_between: Callable[[AsOf | None], bool],
    identity: Mapping[str, Mapping[str, Any]] | None,
) -> dict[str, list[str | None]] | None:
    """Return which dates, or runs, are wanted of those there are; None for all."""
    days = [None if date is None else as_of_from_key(date) for date in dates]
    wanted = [day for day in days if is_between(day)]
    if identity is not None:
        return {"run_id": [run_id(identity, day) for day in wanted]}
    if len(wanted) == len(days):
        return None
    return {"as_of": [None if day is None else str(day) for day in wanted]}


def _cells(
    index: "Index", pipeline: Pipeline, ids: Sequence[int], missed: Callable[[str], object]
) -> Iterator[Cell]:
    """Yield the cells of results, some of whose records are held at a time."""
    for some in batches(ids, _AT_ONCE):
        found = []
        for path, record in index.summaries(some):
            if _is_told(record):
                found.append(record)
            else:
                missed(path)
        upstream = _Upstream(index, found)
        yield from (judged_cell(pipeline, upstream.lineage(record)) for record in found)


def _is_told(record: Record) -> bool:
    """Whether a record, old or written by hand, says what parameters it was made with."""
    params = record.identity.get("params", {})
    return isinstance(params, dict) and all(isinstance(of, dict) for of in params.values())


class _Upstream:
    """What results were made from.

    A stage whose code has changed may give the same bytes as before. What was made from them is
    then up to date, though it names the revision that the old code made. So an input counts as the
    newest revision with the same parameters and the same bytes.
    """

    def __init__(self, index: "Index", found: Iterable[Record]) -> None:
        self._index = index
        self._newest: dict[tuple[str, str], Record] = {}
        waiting: Sequence[Record] = list(found)
        while waiting:
            waiting = self._read(waiting)

    def lineage(self, judged: Record) -> list[Record]:
        """Return a record, then those of all that it was made from."""
        known = {judged.asset: judged}
        for name, _, record in upstream([judged], lambda made: self._newest.get(_bytes_of(made))):
            if record is not None:
                known.setdefault(name, record)
        return list(known.values())

    def _read(self, records: Sequence[Record]) -> list[Record]:
        """Read the inputs of some records that are not known yet, many at once."""
        wanted: dict[str, dict[tuple[str, str], str]] = {}
        for record in records:
            for name, read in record.inputs.items():
                if _bytes_of(read) not in self._newest:
                    wanted.setdefault(name, {})[_bytes_of(read)] = read.run_id
        for name, runs in wanted.items():
            slots = {slot for slot, _ in runs}
            for path, record in self._index.of_runs([name], set(runs.values())):
                key = _slot_of(path), record.content.digest
                known = self._newest.get(key)
                if key[0] in slots and (known is None or known.started_at < record.started_at):
                    self._newest[key] = record
        return [
            self._newest[key] for runs in wanted.values() for key in runs if key in self._newest
        ]


def _bytes_of(read: Input) -> tuple[str, str]:
    return _slot_of(read.path), read.digest


def _slot_of(path: str) -> str:
    return path.rpartition("/")[0]


def _dataset(
    stage: Stage, pipeline: Pipeline, params: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the labels of the first group: those that stand before the date in paths."""
    first = next(iter(stage.scope), "")
    model = pipeline.params
    values = present(model, {first: params.get(first, {})})
    return {
        p.told: values[p.dotted]
        for p in model.parameters(first)
        if p.is_label and p.dotted in values
    }
