"""Which runs, and in which order: filtered by conditions and sorted by any column."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import QueryError, nearest
from ml_pipeline.params.history import present, told, told_names
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.conditions import Column, Conditions, Kind, read_time
from ml_pipeline.text import written

if TYPE_CHECKING:
    import polars as pl

_LONGEST: Final = 10_000
_MOST_BITS: Final = 63


def matching(found: Sequence[Entry], where: str | None, model: ParamModel) -> list[Entry]:
    """Keep the entries that fulfil conditions such as ``learning_rate<0.1 and dataset=sales``.

    Args:
        found: runs.
        where: the conditions.
        model: the parameters as they are now.

    Raises:
        QueryError: if a condition cannot be read, names nothing, or compares what cannot be.
    """
    if not where or not where.strip():
        return list(found)
    if len(where) > _LONGEST:
        problem = f"conditions may have {_LONGEST} characters, but these have {len(where)}"
        raise QueryError([problem])
    if not found:
        return []
    rows = [entry.row(model) for entry in found]
    values = {name: [row.get(name) for row in rows] for name in _names(rows)}
    plain = {name: Column(f"c{place}", _kind(values[name])) for place, name in enumerate(values)}
    dotted = {
        name: plain[shown]
        for entry in found
        for name, shown in told_names(model, present(model, entry.record.params)).items()
    }
    columns = {**plain, **{name: one for name, one in dotted.items() if name not in plain}}
    conditions = Conditions(where, columns, model.why_no_parameter, _example(model))
    sql = conditions.sql()
    if conditions.problems:
        raise QueryError(conditions.problems)
    import polars as pl

    used = {columns[name].sql for name in conditions.used}
    frame = pl.DataFrame(
        {
            column.sql: _series(values[name], column.kind)
            for name, column in plain.items()
            if column.sql in used
        }
    )
    try:
        chosen = frame.select(pl.sql_expr(sql)).to_series()
    except pl.exceptions.SQLInterfaceError as error:
        raise QueryError([f"conditions must be readable, but got {where!r}"]) from error
    return [entry for entry, is_wanted in zip(found, chosen, strict=True) if is_wanted]


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
    if not name:
        return list(found)
    column = name.removeprefix("-")
    rows = [entry.row(model) for entry in found]
    known = _names(rows)
    shown = column if column in known else model.shown(column)
    if found and shown not in known:
        reason = model.why_no_parameter(column)
        hint = f"is nothing that runs have.{nearest(column, known)}"
        raise QueryError([reason or f"'{column}' {hint}"])
    pairs = list(zip(found, (row.get(shown) for row in rows), strict=True))
    having = [pair for pair in pairs if pair[1] is not None]
    having.sort(key=lambda pair: _ordered(pair[1]), reverse=name.startswith("-"))
    return [entry for entry, _ in having] + [entry for entry, value in pairs if value is None]


def _example(model: ParamModel) -> str:
    """Return a condition on a parameter that there is."""
    numbers = [p for p in model.parameters() if p.kind.number or p.kind.whole]
    numbers = [p for p in numbers if isinstance(p.default, int | float) and p.is_identity]
    numbers.sort(key=lambda p: not p.kind.number)
    return f"{numbers[0].told}<{written(numbers[0].default)}" if numbers else "run_id=1234"


def _ordered(value: Any) -> tuple[int, Any]:
    """Return a key by which numbers come before text, whatever an old run had."""
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _kind(values: Iterable[Any]) -> Kind:
    """Return what values are; text where they are of several kinds, or of none that is ordered."""
    known = [value for value in values if value is not None]
    types = {type(value) for value in known}
    if types == {bool}:
        return "truth"
    if types and types <= {int, float}:
        is_exact = all(value.bit_length() <= _MOST_BITS for value in known if type(value) is int)
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
