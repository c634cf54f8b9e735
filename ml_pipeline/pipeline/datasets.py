"""Orders as one table, wherever they come from.

Every source ends up with the same three columns of the same types, so that what follows, and the
digests that tell whether data changed, do not depend on how its files were written.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline.order_columns import IN_ORDER, RULES, coarse_window, parsed, usable
from ml_pipeline.pipeline.order_files import OrderFile, collected, order_files
from ml_pipeline.pipeline.scattered import by_spans
from ml_pipeline.pipeline.sources import change_stamp, find_source
from ml_pipeline.pipeline.spans import is_in_order, spans
from ml_pipeline.text import quoted

if TYPE_CHECKING:
    import polars as pl

__all__ = ["change_stamp", "days_of", "orders_between", "orders_of_spans"]

_OWN_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


def orders_between(
    location: str, start: date, end: date, columns: Mapping[str, str] = _OWN_NAMES
) -> "pl.DataFrame":
    """Read the orders of some days.

    Files are scanned, not loaded: only the needed columns, and where the format allows only the
    needed days, are read.

    Args:
        location: ``sample``, a path of a Parquet or CSV file or a folder of them, or a URI.
        start: first day, inclusive.
        end: last day, inclusive.
        columns: what the source calls customer_id, ordered_at and amount where it is otherwise;
            amount may be a product, ``Quantity * Price``.

    Returns:
        One row per order: customer_id (String, null for guests), ordered_at (Datetime in
        microseconds, UTC without a zone), amount (Float64); sorted by ordered_at, customer_id,
        amount.

    Raises:
        SourceError: if the source is missing or unreadable, lacks a column, or holds an order of
            these days that cannot be used.
    """
    files = order_files(find_source(location), columns)
    return _read(files, start, end, of=files)


class Day(NamedTuple):
    """What a source has of a day.

    Attributes:
        rows: number of orders.
        digest: of these orders, 32 hex digits.
    """

    rows: int
    digest: str


def orders_of_spans(
    location: str,
    wanted: Sequence[tuple[date, date]],
    columns: Mapping[str, str] = _OWN_NAMES,
) -> "Iterator[tuple[pl.DataFrame, dict[date, Day]]]":
    """Read the orders of spans of days as `orders_between` does, and digest the very same.

    Args:
        location: as for `orders_between`.
        wanted: first and last days, ascending.
        columns: as for `orders_between`.

    Raises:
        SourceError: as for `orders_between`.
    """
    files = order_files(find_source(location), columns)
    with by_spans(files, wanted) as held:
        for (first, last), some in zip(wanted, held, strict=True):
            orders = _read(some, first, last, of=files)
            yield orders, dict(_digest_each_day(orders))


def days_of(location: str, columns: Mapping[str, str] = _OWN_NAMES) -> dict[date, Day]:
    """Count and digest the orders of each day.

    A digest depends on the day's orders alone: not on the order of rows, the layout of the files,
    their format or their column types. A late order changes the digest of its own day only.

    Args:
        location: ``sample``, a path of a Parquet or CSV file or a folder of them, or a URI.
        columns: what the source calls its columns, as for `orders_between`.

    Returns:
        What each day has that has orders, ascending.

    Raises:
        SourceError: if the source is missing or unreadable, lacks a column, or holds an order that
            cannot be used.
    """
    import polars as pl

    files = order_files(find_source(location), columns)
    # Only instants are read to divide the days; the rest is looked at where it is digested.
    counted = collected(
        _orders(files, date.min, date.max)
        .group_by(day=pl.col("ordered_at").dt.date())
        .agg(rows=pl.len(), usable=usable()["ordered_at"].all()),
        files,
    ).sort("day")
    if not counted["usable"].all():
        _refuse_unusable(files, date.min, date.max)
    rows: dict[date, int] = dict(counted.select("day", "rows").iter_rows())
    found: dict[date, Day] = {}
    wanted = list(spans(rows))
    with by_spans(files, wanted) as held:
        for (first, last), some in zip(wanted, held, strict=True):
            orders = _read(some, first, last, of=files, told=(date.min, date.max))
            found.update(_digest_each_day(orders))
    return found


def _read(
    files: Sequence[OrderFile],
    start: date,
    end: date,
    *,
    of: Sequence[OrderFile],
    told: tuple[date, date] | None = None,
) -> "pl.DataFrame":
    """Read the orders of some days, sorted.

    Args:
        files: that have all of them.
        start: first day, inclusive.
        end: last day, inclusive.
        of: the source's own files, to tell which rows cannot be used.
        told: days whose rows are told then, if not these.
    """
    orders = collected(_orders(files, start, end), files)
    if not _all_usable(orders):
        _refuse_unusable(of, *(told or (start, end)))
    return _sorted(orders)


def _sorted(orders: "pl.DataFrame") -> "pl.DataFrame":
    """Sort orders, in one piece either way: what is written of them depends on the pieces."""
    orders = orders.rechunk()
    return orders if is_in_order(orders) else orders.sort(IN_ORDER).rechunk()


def _all_usable(orders: "pl.DataFrame") -> bool:
    import polars as pl

    return bool(orders.select(pl.all_horizontal(*usable().values()).all()).item())


def _orders(files: Sequence[OrderFile], start: date, end: date) -> "pl.LazyFrame":
    """Parse the orders of some days, and those whose day cannot be told."""
    import polars as pl

    within = pl.col("ordered_at").is_between(
        datetime.combine(start, time.min), datetime.combine(end, time.max)
    )
    return pl.concat(
        file.raw.filter(coarse_window(file.types["ordered_at"], start, end)).with_columns(
            parsed(file.types).values()
        )
        for file in files
    ).filter(within | ~usable()["ordered_at"])


def _refuse_unusable(files: Sequence[OrderFile], start: date, end: date) -> None:
    import polars as pl

    for file in files:
        numbered = file.raw.with_row_index("row", offset=1).with_columns(
            pl.col(column).cast(pl.String, strict=False).alias(f"raw {column}") for column in RULES
        )
        bad = collected(
            _orders([replace(file, raw=numbered)], start, end).filter(
                ~pl.all_horizontal(*usable().values())
            ),
            [file],
        ).sort("row")
        problems = []
        for column, fine in usable().items():
            rows = bad.filter(~fine)
            if rows.height:
                row, value = rows.select("row", f"raw {column}").row(0)
                hint = _hint(column, value)
                problems.append(
                    f"'{column}' is not {RULES[column]}, in {rows.height} rows:"
                    f" first in data row {row}, which has {quoted(value)}.{hint}"
                )
        if problems:
            raise SourceError(
                f"Every order of a source must have a usable {', '.join(RULES)}, but in"
                f" {file.name} {' '.join(problems)} Correct these rows, or leave them out."
            )


def _hint(column: str, value: str | None) -> str:
    """Say what to do about a value that means something, but not here."""
    if column == "amount" and value and re.search(r"\d,\d", value):
        return " Write it with a decimal point, and nothing between thousands."
    if column == "customer_id":
        return " Leave it empty where a guest has no customer, or give guests a text of their own."
    return ""


def _digest_each_day(orders: "pl.DataFrame") -> Iterator[tuple[date, Day]]:
    """Hash the canonical bytes of each day.

    A day is its number of orders, the text of its customers one after another, and as arrays the
    lengths of these texts, the instants in microseconds and the amounts, all little-endian. A guest
    is a customer without text.

    Args:
        orders: sorted orders of whole days.

    Yields:
        Each day, ascending, and what it has.
    """
    import polars as pl

    orders = orders.with_columns(pl.col("customer_id").fill_null(""))
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
        yield day, Day(rows, digest.hexdigest()[:32])
        start = end
