"""What the columns of orders must hold, and how each type that occurs is read.

One definition of a usable order serves reading, digests and error messages alike.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from ml_pipeline.pipeline.instants import instants

if TYPE_CHECKING:
    import polars as pl

NEEDED: Final = ("customer_id", "ordered_at", "amount")
IN_ORDER: Final = ("ordered_at", "customer_id", "amount")
RULES: Final[Mapping[str, str]] = {
    "customer_id": "a text or whole number, or nothing for a guest (NaN is no customer)",
    "ordered_at": "a date, an ISO 8601 date and time, or a number yyyymmdd, in the years 1 to 9999",
    "amount": "a finite number",
}
# How programs write that there is nothing, compared in upper case.
_NOTHING: Final = ("", "NULL", "NONE", "<NA>", "NA", "N/A", "#N/A", "NIL", "NAT", "\\N")
_NAN: Final = "nan"
_WHOLE: Final = r"^(-?[1-9][0-9]*|0)\.0+$"
_ROUNDED: Final = r"^-?[0-9]\.?[0-9]*[eE]\+[0-9]+$"
# Above these, neighbouring whole numbers are one and the same float.
_EXACT: Final = {"Float64": 2.0**53, "Float32": 2.0**24, "Float16": 2.0**11}
# Nanoseconds in 64 bits reach no further than this.
_FIRST_NANOSECOND: Final = date(1678, 1, 1)
_LAST_NANOSECOND: Final = date(2262, 1, 1)


def parsed(types: "Mapping[str, pl.DataType]") -> dict[str, "pl.Expr"]:
    """Read the needed columns as the types that all sources share.

    A value that cannot be read becomes null, but for customers: these are null for guests, and
    ``nan`` where they cannot be read.

    Args:
        types: the type that each column has in the file.

    Returns:
        Expressions for customer_id (String), ordered_at (Datetime in microseconds, UTC without a
        zone) and amount (Float64).
    """
    import polars as pl

    return {
        "customer_id": _customer(pl.col("customer_id"), types["customer_id"]),
        "ordered_at": _instant(pl.col("ordered_at"), types["ordered_at"]).alias("ordered_at"),
        "amount": number(pl.col("amount"), types["amount"]),
    }


def usable() -> dict[str, "pl.Expr"]:
    """Tell for each parsed column whether the row's value can be used; never null."""
    import polars as pl

    # Polars counts further years than Python can name.
    nameable = pl.col("ordered_at").is_between(datetime.min, datetime.max)
    return {
        "customer_id": (pl.col("customer_id") != _NAN).fill_null(value=True),
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


def _customer(column: "pl.Expr", dtype: "pl.DataType") -> "pl.Expr":
    """Read customers such that 17, 17.0 and "17" are one, and nothing is no customer."""
    import polars as pl

    if dtype.is_float():
        exact = column.is_finite() & (column.abs() < _EXACT[str(dtype)])
        whole = exact & (column == column.round())
        return (
            pl.when(column.is_null())
            .then(None)
            .when(~exact)
            .then(pl.lit(_NAN))
            .when(whole)
            .then(pl.when(whole).then(column).cast(pl.Int64).cast(pl.String))
            .otherwise(column.cast(pl.String))
            .alias("customer_id")
        )
    text = column.cast(pl.String)
    if dtype.is_integer():
        return text
    text = text.str.strip_chars()
    word = text.str.to_uppercase()
    return (
        pl.when(word.is_in(_NOTHING))
        .then(None)
        .when((word == _NAN.upper()) | text.str.contains(_ROUNDED))
        .then(pl.lit(_NAN))
        .otherwise(text.str.replace(_WHOLE, "${1}"))
        .alias("customer_id")
    )


def number(column: "pl.Expr", dtype: "pl.DataType") -> "pl.Expr":
    """Read a column as numbers; what is none becomes null."""
    import polars as pl

    if isinstance(dtype, pl.String):
        column = column.str.strip_chars()
    return column.cast(pl.Float64, strict=False)


def _instant(column: "pl.Expr", dtype: "pl.DataType") -> "pl.Expr":
    import polars as pl

    if dtype.is_integer():
        column = column.cast(pl.String)
    elif not isinstance(dtype, pl.String):
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return column.cast(pl.Datetime("us"))
    return column.map_batches(instants, return_dtype=pl.Datetime("us"), is_elementwise=True)


def may_be_number(dtype: "pl.DataType") -> bool:
    """Whether `number` can read a column of some type."""
    import polars as pl

    return dtype.is_numeric() or isinstance(dtype, (pl.String, pl.Null))
