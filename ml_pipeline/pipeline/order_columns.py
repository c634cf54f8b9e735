"""What the columns of orders must hold, and how each type that occurs is read.

One definition of a usable order serves reading, digests and error messages alike.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from ml_pipeline.errors import SourceError, nearest

if TYPE_CHECKING:
    import polars as pl

NEEDED: Final = ("customer_id", "ordered_at", "amount")
IN_ORDER: Final = ("ordered_at", "customer_id", "amount")
RULES: Final[Mapping[str, str]] = {
    "customer_id": "a text or number that is not empty",
    "ordered_at": "a date, an ISO 8601 date and time, or a number yyyymmdd, in the years 1 to 9999",
    "amount": "a finite number",
}

_FORMATS: Final = ("%Y-%m-%d", "%Y%m%d", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_ZONED_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%.f%#z"
# Nanoseconds in 64 bits reach no further than this.
_FIRST_NANOSECOND: Final = date(1678, 1, 1)
_LAST_NANOSECOND: Final = date(2262, 1, 1)


def needed_columns(schema: "pl.Schema", name: str) -> dict[str, str]:
    """Find the columns that every source must have.

    A name counts whatever its case, but the exact one wins.

    Args:
        schema: the columns of a file and their types.
        name: what to call the file in an error.

    Returns:
        Each of `NEEDED`, and what the file calls it.

    Raises:
        SourceError: if columns are missing, ambiguous, or of a type that cannot be read.
    """
    picked: dict[str, str] = {}
    problems: list[str] = []
    for column in NEEDED:
        alike = [found for found in schema if found.lower() == column]
        if column in alike or len(alike) == 1:
            picked[column] = column if column in alike else alike[0]
        elif alike:
            problems.append(f"'{column}' could be any of {', '.join(alike)}.")
        else:
            problems.append(f"There is no '{column}'.{nearest(column, schema)}")
    if problems:
        raise SourceError(
            f"A source must have the columns {', '.join(NEEDED)}, but {name} has"
            f" {', '.join(schema) or 'none at all'}. {' '.join(problems)}"
            " Rename the columns of the file."
        )
    _refuse_types({column: schema[found] for column, found in picked.items()}, name)
    return picked


def parsed(ordered_at: "pl.DataType") -> list["pl.Expr"]:
    """Read the needed columns as the types that all sources share.

    A value that cannot be read becomes null.

    Args:
        ordered_at: the type that this column has in the file.

    Returns:
        Expressions for customer_id (String), ordered_at (Datetime in microseconds, UTC without a
        zone) and amount (Float64).
    """
    import polars as pl

    return [
        pl.col("customer_id").cast(pl.String, strict=False),
        _instant(pl.col("ordered_at"), ordered_at).alias("ordered_at"),
        pl.col("amount").cast(pl.Float64, strict=False),
    ]


def usable() -> dict[str, "pl.Expr"]:
    """Tell for each parsed column whether the row's value can be used; never null."""
    import polars as pl

    # Polars counts further years than Python can name.
    nameable = pl.col("ordered_at").is_between(datetime.min, datetime.max)
    return {
        "customer_id": (pl.col("customer_id") != "").fill_null(value=False),
        "ordered_at": nameable.fill_null(value=False),
        "amount": pl.col("amount").is_finite().fill_null(value=False),
    }


def coarse_window(dtype: "pl.DataType", start: date, end: date) -> "pl.Expr":
    """Keep some days and a little around them, in terms that a scan can check against statistics.

    Only the type's own values are compared, without a cast: that is what lets whole row groups
    of a Parquet file be skipped. Nulls stay, to be reported.

    Args:
        dtype: type of `ordered_at` in the file.
        start: first day, inclusive.
        end: last day, inclusive.

    Returns:
        A predicate that keeps at least the days asked for.
    """
    import polars as pl

    column = pl.col("ordered_at")
    bounds = []
    if isinstance(dtype, (pl.Date, pl.Datetime)):
        # A zone shifts an instant by less than a day.
        if start > _FIRST_NANOSECOND:
            bounds.append(column >= _literal(start - timedelta(days=1), dtype))
        if end < _LAST_NANOSECOND:
            bounds.append(column <= _literal(end + timedelta(days=2), dtype))
    return pl.all_horizontal(bounds) | column.is_null() if bounds else pl.lit(value=True)


def _literal(day: date, dtype: "pl.Date | pl.Datetime") -> "pl.Expr":
    import polars as pl

    if isinstance(dtype, pl.Date):
        return pl.lit(day)
    zone = UTC if dtype.time_zone else None
    midnight = pl.lit(
        datetime.combine(day, time.min, zone),
        dtype=pl.Datetime(dtype.time_unit, "UTC" if zone else None),
    )
    return midnight.dt.convert_time_zone(dtype.time_zone) if dtype.time_zone else midnight


def _instant(column: "pl.Expr", dtype: "pl.DataType") -> "pl.Expr":
    import polars as pl

    if isinstance(dtype, pl.String):
        return _instant_of_text(column)
    if dtype.is_integer():
        return _instant_of_text(column.cast(pl.String))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(pl.Datetime("us"))


def _instant_of_text(column: "pl.Expr") -> "pl.Expr":
    import polars as pl

    iso = column.str.replace(" ", "T", literal=True)
    naive = [iso.str.to_datetime(form, strict=False, time_unit="us") for form in _FORMATS]
    zoned = iso.str.to_datetime(_ZONED_FORMAT, strict=False, time_unit="us", time_zone="UTC")
    return pl.coalesce(*naive, zoned.dt.replace_time_zone(None))


def _refuse_types(types: Mapping[str, "pl.DataType"], name: str) -> None:
    import polars as pl

    customer, ordered, amount = (types[column] for column in NEEDED)
    readable = {
        "customer_id": not customer.is_nested() and not isinstance(customer, pl.Object),
        "ordered_at": ordered.is_integer()
        or isinstance(ordered, (pl.Date, pl.Datetime, pl.String, pl.Null)),
        "amount": amount.is_numeric() or isinstance(amount, (pl.String, pl.Null)),
    }
    problems = [
        f"'{column}' is of type {types[column]}, but each must be {RULES[column]}."
        for column, fine in readable.items()
        if not fine
    ]
    if problems:
        raise SourceError(
            f"The columns of a source must have types that can be read, but in {name}"
            f" {' '.join(problems)} Convert it."
        )
