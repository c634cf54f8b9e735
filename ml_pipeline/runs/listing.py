"""Lists of runs: the newest revision of each, chosen by conditions and put in order.

An index is asked. What its database would not answer to the letter as it is answered for records
one by one, such as conditions on what has values of several kinds, is answered from the records in
the index, a page at a time.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ml_pipeline.index.columns import Columns, Source
from ml_pipeline.index.opened import ask
from ml_pipeline.index.rows import unpacked
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.query import fulfilling, is_empty, order
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from ml_pipeline.index.newest import Newest, Where
    from ml_pipeline.index.stored import Index

_MOST_COUNTED: Final = 10_000
_IN_ORDER_OF_VALUES: Final = ("number", "truth", "text")


@dataclass(frozen=True)
class Listing:
    """The first of some runs.

    Attributes:
        entries: those runs; their records are summaries, as an index has them.
        more: how many others there are.
        is_counted: whether all of those were counted; else there are more still.
        is_any: whether there is any run, chosen or not.
        missed: directories of records that cannot be read.
    """

    entries: list[Entry]
    more: int
    is_counted: bool
    is_any: bool
    missed: list[str]


def listed(
    store: ArtifactStore,
    pipeline: Pipeline,
    assets: Sequence[str],
    where: str | None = None,
    sort: str | None = None,
    most: int = 50,
) -> Listing:
    """Return the first runs, those made last first or in the order of a column.

    Args:
        store: where they are.
        pipeline: the stages.
        assets: names that runs have in the store.
        where: conditions such as ``learning_rate<0.1 and dataset=sales``.
        sort: name of a column; a leading minus turns the order round.
        most: how many.

    Raises:
        QueryError: if a condition cannot be read or names nothing, or there is no such column.
        StoreUnreachable: if the store cannot be read.
    """
    is_empty(where)

    return ask(store, lambda index: first_runs(index, pipeline, assets, where, sort, most))


def first_runs(
    index: "Index",
    pipeline: Pipeline,
    assets: Sequence[str],
    where: str | None,
    sort: str | None,
    most: int,
) -> Listing:
    """Return what `listed` does, from an index."""
    index.read(assets)
    newest = index.newest(assets, pipeline.present_name)
    columns = index.columns(assets, pipeline.params)
    ids, count = _first(newest, columns, pipeline.params, where, sort, most)
    found = [Entry(*one) for one in index.summaries(ids)]
    is_any = bool(ids) or newest.count(None, 1) > 0
    more = count - len(ids)
    return Listing(found, more, count < _MOST_COUNTED, is_any, index.unreadable(assets))


def matching(
    newest: "Newest", columns: Columns, model: ParamModel, where: str | None, most: int
) -> list[int]:
    """Return the numbers of the rows of runs that fulfil conditions, those made last first.

    Args:
        newest: the runs.
        columns: what names stand for in the database.
        model: the parameters as they are now.
        where: the conditions.
        most: how many at most.

    Raises:
        QueryError: if a condition cannot be read, names nothing, or compares what cannot be.
    """
    if is_empty(where):
        return newest.ids(most=most)
    asked = _translated(newest, columns, where)
    if asked is not None:
        return newest.ids(asked, most=most)
    return _exactly(newest, model, where, None)[:most]


def _first(
    newest: "Newest",
    columns: Columns,
    model: ParamModel,
    where: str | None,
    sort: str | None,
    most: int,
) -> tuple[list[int], int]:
    """Return the numbers of the first rows, and how many there are, up to a bound."""
    asked = None if is_empty(where) else _translated(newest, columns, where)
    by = _sorted_by(columns, model, sort) if sort else None
    if (asked is not None or is_empty(where)) and (by is not None or not sort):
        count = newest.count(asked, _MOST_COUNTED)
        is_common = count == _MOST_COUNTED
        ids = newest.ids(asked, by, (sort or "").startswith("-"), most, is_common)
        # Whether anything has the column, its first value tells.
        if by is None or not ids or newest.has(by, asked):
            return ids, max(count, len(ids))
    ids = _exactly(newest, model, where, sort)
    return ids[:most], len(ids)


def _translated(newest: "Newest", columns: Columns, where: str | None) -> "Where | None":
    from ml_pipeline.index.newest import translated

    asked = translated(where or "", columns)
    # What a name stands for, only a run that has it tells.
    return asked if asked and all(newest.has(source) for source in asked.sources) else None


def _sorted_by(columns: Columns, model: ParamModel, sort: str) -> Source | None:
    name = sort.removeprefix("-")
    source = columns.source(name) or columns.source(model.shown(name))
    is_in_order = source and (source.field or source.kind in _IN_ORDER_OF_VALUES)
    return source if is_in_order else None


def _exactly(newest: "Newest", model: ParamModel, where: str | None, sort: str | None) -> list[int]:
    """Choose and sort by what each record says."""
    from ml_pipeline.index.newest import Changed

    ids = newest.ids()
    try:
        chosen = fulfilling(_entries(newest, ids), where, model)
        kept = list(itertools.compress(ids, chosen))
        return [kept[place] for place in order(_entries(newest, kept), sort, model)]
    except Changed:
        return _exactly(newest, model, where, sort)


def _entries(newest: "Newest", ids: Sequence[int]) -> Callable[[], Iterator[Entry]]:
    def entries() -> Iterator[Entry]:
        for path, document in newest.documents(ids):
            yield Entry(path, unpacked(document))

    return entries
