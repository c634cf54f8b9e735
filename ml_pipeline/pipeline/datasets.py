"""Orders as one table, wherever they come from.

Every source ends up with the same three columns of the same types, so that what follows, and the
digests that tell whether data changed, do not depend on how its files were written.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline.order_columns import (
    IN_ORDER,
    NEEDED,
    RULES,
    coarse_window,
    needed_columns,
    parsed,
    usable,
)
from ml_pipeline.pipeline.sources import Source, change_stamp, find_source

if TYPE_CHECKING:
    import polars as pl

__all__ = ["change_stamp", "day_digests", "orders_between"]

_SAMPLE_HEADER: Final = ["customer_id", "date", "number_of_cds", "dollar_value"]
_SAMPLE_WIDTH: Final = len(_SAMPLE_HEADER)
_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_ROWS_AT_ONCE: Final = 10_000_000


@dataclass(frozen=True)
class _Part:
    """One file of a source, or a whole URI, not yet read.

    Attributes:
        name: what an error calls it.
        raw: the needed columns under their proper names, in the types that the file has.
        instant: the type of `ordered_at` among them.
    """

    name: str
    raw: "pl.LazyFrame"
    instant: "pl.DataType"


def orders_between(location: str, start: date, end: date) -> "pl.DataFrame":
    """Read the orders of some days.

    Files are scanned, not loaded: only the needed columns, and where the format allows only the
    needed days, are read.

    Args:
        location: ``sample``, a path of a Parquet or CSV file or a folder of them, or a URI.
        start: first day, inclusive.
        end: last day, inclusive.

    Returns:
        One row per order: customer_id (String), ordered_at (Datetime in microseconds, UTC without
        a zone), amount (Float64); sorted by ordered_at, customer_id, amount.

    Raises:
        SourceError: if the source is missing or unreadable, lacks a column, or holds an order of
            these days that cannot be used.
    """
    return _read(_parts(find_source(location)), start, end)


def day_digests(location: str) -> dict[date, str]:
    """Digest the orders of each day.

    A digest depends on the day's orders alone: not on the order of rows, the layout of the files,
    their format or their column types. A late order changes the digest of its own day only.

    Args:
        location: ``sample``, a path of a Parquet or CSV file or a folder of them, or a URI.

    Returns:
        Day to 32 hex digits, ascending, for every day that has orders.

    Raises:
        SourceError: if the source is missing or unreadable, lacks a column, or holds an order that
            cannot be used.
    """
    import polars as pl

    parts = _parts(find_source(location))
    days = _collect(
        _orders(parts, date.min, date.max)
        .group_by(day=pl.col("ordered_at").dt.date())
        .agg(rows=pl.len(), usable=pl.all_horizontal(*usable().values()).all()),
        parts,
    ).sort("day")
    if not days["usable"].all():
        _refuse_unusable(parts, date.min, date.max)
    digests: dict[date, str] = {}
    for first, last in _spans(days["day"].to_list(), days["rows"].to_list()):
        digests.update(_digest_each_day(_read(parts, first, last)))
    return digests


def _read(parts: Sequence[_Part], start: date, end: date) -> "pl.DataFrame":
    import polars as pl

    orders = _collect(_orders(parts, start, end), parts)
    if not orders.select(pl.all_horizontal(*usable().values()).all()).item():
        _refuse_unusable(parts, start, end)
    return orders.sort(IN_ORDER)


def _orders(parts: Sequence[_Part], start: date, end: date) -> "pl.LazyFrame":
    """Parse the orders of some days, and those whose day cannot be told."""
    import polars as pl

    within = pl.col("ordered_at").is_between(
        datetime.combine(start, time.min), datetime.combine(end, time.max)
    )
    return pl.concat(
        part.raw.filter(coarse_window(part.instant, start, end)).with_columns(parsed(part.instant))
        for part in parts
    ).filter(within | ~usable()["ordered_at"])


def _parts(source: Source) -> list[_Part]:
    import polars as pl

    if source.format == "sample":
        (file,) = source.files
        return [_Part(file, _sample(file), pl.String())]
    # One scan for each file, not one for all: in one scan all would need the same columns, in the
    # same order and of the same types.
    return [_part(file, source) for file in source.files]


def _part(file: str, source: Source) -> _Part:
    import polars as pl

    with _readable(file):
        if source.format == "parquet":
            scan = pl.scan_parquet(
                file,
                hive_partitioning=source.remote,
                glob=source.remote,
                extra_columns="ignore",
            )
        else:
            scan = pl.scan_csv(file, infer_schema=False, glob=source.remote)
        schema = scan.collect_schema()
        said = {} if source.remote else _said_by_folders(os.path.relpath(file, source.root), schema)
        if said:
            scan = scan.with_columns(
                pl.lit(value, dtype=pl.String).alias(name) for name, value in said.items()
            )
            schema = scan.collect_schema()
    names = needed_columns(schema, file)
    return _Part(file, scan.select(**names), schema[names["ordered_at"]])


def _sample(file: str) -> "pl.LazyFrame":
    import polars as pl

    with _readable(file):
        words = Path(file).read_text(encoding="ascii").split()
    if words[:_SAMPLE_WIDTH] != _SAMPLE_HEADER or len(words) % _SAMPLE_WIDTH:
        raise SourceError(
            f"The sample must have the columns {' '.join(_SAMPLE_HEADER)}, but {file} has not."
            " Reinstall it: `pip install --force-reinstall --no-deps lifetimes==0.11.3`."
        )
    customer, day, _, amount = (words[_SAMPLE_WIDTH + i :: _SAMPLE_WIDTH] for i in range(4))
    return pl.LazyFrame({"customer_id": customer, "ordered_at": day, "amount": amount})


def _said_by_folders(file: str, columns: Iterable[str]) -> dict[str, str | None]:
    """Read what Hive-style folders (``name=value``) say that the file itself does not."""
    present = {column.lower() for column in columns}
    said = (folder.split("=", maxsplit=1) for folder in Path(file).parent.parts if "=" in folder)
    return {
        name: None if value == _HIVE_NULL else unquote(value)
        for name, value in said
        if name.lower() in NEEDED and name.lower() not in present
    }


def _collect(query: "pl.LazyFrame", parts: Sequence[_Part]) -> "pl.DataFrame":
    import polars as pl

    try:
        return query.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError):
        # The failure of a whole query does not tell the file: ask each.
        for part in parts:
            with _readable(part.name):
                part.raw.select(pl.all().null_count()).collect(engine="streaming")
        raise


@contextmanager
def _readable(file: str) -> Iterator[None]:
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0].rstrip(".")
        raise SourceError(
            f"A source must be readable, but {file} is not: {reason}. {_advice(file)}"
        ) from error


def _advice(file: str) -> str:
    if "://" not in file:
        return "Check that it is what its name says, complete, and that this user may read it."
    return (
        "Check the URI, and the credentials in the environment. The files of a folder must agree in"
        " their columns and types, and are taken for Parquet unless the URI ends in '.csv', as in"
        " 's3://bucket/orders/*.csv'."
    )


def _refuse_unusable(parts: Sequence[_Part], start: date, end: date) -> None:
    import polars as pl

    for part in parts:
        numbered = part.raw.with_row_index("row", offset=1).with_columns(
            pl.col(column).cast(pl.String, strict=False).alias(f"raw {column}") for column in RULES
        )
        bad = _collect(
            _orders([replace(part, raw=numbered)], start, end).filter(
                ~pl.all_horizontal(*usable().values())
            ),
            [part],
        ).sort("row")
        problems = []
        for column, fine in usable().items():
            rows = bad.filter(~fine)
            if rows.height:
                row, value = rows.select("row", f"raw {column}").row(0)
                problems.append(
                    f"'{column}' is not {RULES[column]}, in {rows.height} rows:"
                    f" first in data row {row}, which has {value!r}."
                )
        if problems:
            raise SourceError(
                f"Every order of a source must have a usable {', '.join(RULES)}, but in"
                f" {part.name} {' '.join(problems)} Correct these rows, or leave them out."
            )


def _spans(days: Sequence[date], rows: Sequence[int]) -> Iterator[tuple[date, date]]:
    """Divide days into spans of which each fits into memory."""
    first, held = 0, 0
    for place, count in enumerate(rows):
        if held and held + count > _ROWS_AT_ONCE:
            yield days[first], days[place - 1]
            first, held = place, 0
        held += count
    if held:
        yield days[first], days[-1]


def _digest_each_day(orders: "pl.DataFrame") -> Iterator[tuple[date, str]]:
    """Hash the canonical bytes of each day.

    A day is its number of orders, the text of its customers one after another, and as arrays the
    lengths of these texts, the instants in microseconds and the amounts, all little-endian.

    Args:
        orders: sorted orders of whole days.

    Yields:
        Each day, ascending, and 32 hex digits.
    """
    import polars as pl

    days = orders.group_by(pl.col("ordered_at").dt.date().alias("day"), maintain_order=True).agg(
        rows=pl.len(), text=pl.col("customer_id").str.join()
    )
    lengths = orders["customer_id"].str.len_bytes().to_numpy().astype("<u4")
    instants = orders["ordered_at"].to_physical().to_numpy().astype("<i8")
    # Adding zero turns -0.0 into 0.0: both are the same amount.
    amounts = (orders["amount"].to_numpy() + 0.0).astype("<f8")
    start = 0
    for day, rows, text in days.iter_rows():
        end = start + rows
        digest = hashlib.sha256(rows.to_bytes(8, "little") + text.encode())
        for numbers in (lengths, instants, amounts):
            digest.update(numbers[start:end].tobytes())
        yield day, digest.hexdigest()[:32]
        start = end
