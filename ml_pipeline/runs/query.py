"""Which runs, and in which order: filtered by conditions and sorted by any column."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import QueryError, nearest
from ml_pipeline.index.conditions import Column, Conditions
from ml_pipeline.index.kinds import MOST_BITS, Kind, read_time
from ml_pipeline.params.history import present, told, told_names
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.text import written

if TYPE_CHECKING:
    import polars as pl

_LONGEST: Final = 10_000


def matching(found: Sequence[Entry], where: str | None, model: ParamModel) -> list[Entry]:
    """Keep the entries that fulfil conditions such as ``learning_rate<0.1 and dataset=sales``.

    Args:
        found: runs.
        where: the conditions.
        model: the parameters as they are now.

    Raises:
        QueryError: if a condition cannot be read, names nothing, or compares what cannot be.
    """
    return list(itertools.compress(found, fulfilling(lambda: found, where, model)))


def fulfilling(
    found: Callable[[], Iterable[Entry]], where: str | None, model: ParamModel
) -> Sequence[bool]:
    """Tell of each entry whether it fulfils conditions; they are never all held at a time.

    Args:
        found: returns the runs, the same each time.
        where: the conditions.
        model: the parameters as they are now.

    Raises:
        QueryError: if a condition cannot be read, names nothing, or compares what cannot be.
    """
    if is_empty(where):
        return [True for _ in found()]
    names: dict[str, None] = {}
    dotted: dict[str, str] = {}
    for entry in found():
        names |= dict.fromkeys(entry.row(model))
        dotted |= told_names(model, present(model, entry.record.params))
    if not names:
        return []
    # Which columns a text names does not depend on what is in them.
    unknown = dict.fromkeys(names, Column("", "text"))
    named = Conditions(where or "", _columns(unknown, dotted))
    named.sql()
    used = {dotted.get(name, name) if name not in names else name for name in named.used}
    values: dict[str, list[Any]] = {name: [] for name in names if name in used}
    for entry in found():
        row = entry.row(model)
        for name, kept in values.items():
            kept.append(row.get(name))
    plain = {
        name: Column(f"c{place}", _kind(values[name]) if name in values else "text")
        for place, name in enumerate(names)
    }
    columns = _columns(plain, dotted)
    conditions = Conditions(where or "", columns, model.why_no_parameter, _example(model))
    sql = conditions.sql()
    if conditions.problems:
        raise QueryError(conditions.problems)
    import polars as pl

    frame = pl.DataFrame(
        {plain[name].sql: _series(kept, plain[name].kind) for name, kept in values.items()}
    )
    try:
        chosen = frame.select(pl.sql_expr(sql)).to_series()
    except pl.exceptions.SQLInterfaceError as error:
        raise QueryError([f"conditions must be readable, but got {where!r}"]) from error
    return chosen.to_list()


def is_empty(where: str | None) -> bool:
    """Whether there are no conditions.

    Raises:
        QueryError: if they are too long to be read.
    """
    if not where or not where.strip():
        return True
    if len(where) > _LONGEST:
        problem = f"conditions may have {_LONGEST} characters, but these have {len(where)}"
        raise QueryError([problem])
    return False


def _columns(plain: Mapping[str, Column], dotted: Mapping[str, str]) -> dict[str, Column]:
    """Return columns by all their names: parameters have one with their group as well."""
    told = {name: plain[shown] for name, shown in dotted.items() if name not in plain}
    return {**plain, **told}


def both(conditions: Iterable[str]) -> str | None:
    """Return what demands all of several conditions; None where there are none."""
    return " and ".join(f"({one})" for one in conditions) or None


def equal(name: str, value: str) -> str:
    """Return the condition that a column has a value, whatever that looks like."""
    quoted = value.replace("'", "''")
    return f"{name} = '{quoted}'"


def params(found: Iterable[Entry], model: ParamModel) -> list[str]:
    """Return the names that people see of all parameters, those that only some runs had, too."""
    gone = (name for entry in found for name in told(model, entry.record.params))
    return list(dict.fromkeys([*(p.told for p in model.parameters()), *gone]))


def by(found: Sequence[Entry], name: str | None, model: ParamModel) -> list[Entry]:
    """Sort entries by a column; a leading minus turns the order round.

    Args:
        found: runs.
        name: of the column; the entries are returned as they are without one.
        model: the parameters as they are now.

    Raises:
        QueryError: if no entry has the column.
    """
    return [found[place] for place in order(lambda: found, name, model)]


def order(
    found: Callable[[], Iterable[Entry]], name: str | None, model: ParamModel
) -> Sequence[int]:
    """Return the places of entries in the order of a column; they are never all held at a time.

    Args:
        found: returns the runs, the same each time.
        name: of the column, with a minus to turn the order round; the order is kept without one.
        model: the parameters as they are now.

    Raises:
        QueryError: if no entry has the column.
    """
    if not name:
        return range(sum(1 for _ in found()))
    column = name.removeprefix("-")
    known: dict[str, None] = {}
    for entry in found():
        known |= dict.fromkeys(entry.row(model))
    shown = column if column in known else model.shown(column)
    if known and shown not in known:
        reason = model.why_no_parameter(column)
        hint = f"is nothing that runs have.{nearest(column, known)}"
        raise QueryError([reason or f"'{column}' {hint}"])
    values = [entry.row(model).get(shown) for entry in found()]
    having = [place for place, value in enumerate(values) if value is not None]
    having.sort(key=lambda place: _ordered(values[place]), reverse=name.startswith("-"))
    return having + [place for place, value in enumerate(values) if value is None]


def _example(model: ParamModel) -> str:
    """Return a condition on a parameter that there is."""
    numbers = [p for p in model.parameters() if p.kind.number or p.kind.whole]
    numbers = [p for p in numbers if isinstance(p.default, int | float) and p.is_identity]
    numbers.sort(key=lambda p: not p.kind.number)
    return f"{numbers[0].told}<{written(numbers[0].default)}" if numbers else "run_id=1234"


def _ordered(value: Any) -> tuple[int, Any]:
    """Return a key by which numbers come before text, whatever an old run had."""
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def _kind(values: Iterable[Any]) -> Kind:
    """Return what values are; text where they are of several kinds, or of none that is ordered."""
    known = [value for value in values if value is not None]
    types = {type(value) for value in known}
    if types == {bool}:
        return "truth"
    if types and types <= {int, float}:
        is_exact = all(value.bit_length() <= MOST_BITS for value in known if type(value) is int)
        return "number" if is_exact else "text"
    if types == {str}:
        kinds = {type(read_time(value)) for value in known}
        if len(kinds) == 1 and kinds <= {date, datetime}:
            return "date" if kinds == {date} else "time"
    return "text"


def _series(values: Iterable[Any], kind: Kind) -> "pl.Series":
    import polars as pl

    if kind == "text":
        return pl.Series([_text(value) for value in values], dtype=pl.String)
    if kind == "date":
        return pl.Series([value and read_time(value) for value in values], dtype=pl.Date)
    if kind == "time":
        return pl.Series([value and read_time(value) for value in values], dtype=pl.Datetime("us"))
    if kind == "truth":
        return pl.Series(values, dtype=pl.Boolean)
    is_whole = all(value is None or isinstance(value, int) for value in values)
    return pl.Series(values, dtype=pl.Int64 if is_whole else pl.Float64)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else written(value)
