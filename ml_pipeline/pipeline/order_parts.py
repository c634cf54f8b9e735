"""Orders of a window in parts that windows of other dates have as well: months, and days.

A month that is whole within the window is one part, unless it is large; every other day is one. So
the next date's window has all parts of this one but a few days at both ends.
"""

import calendar
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline import spans
from ml_pipeline.pipeline.datasets import Day, orders_between, orders_of_spans

if TYPE_CHECKING:
    import polars as pl

    from ml_pipeline.pipeline.spans import Orders

ROWS_IN_ONE: Final = 2_000_000
"""Orders of a window that are kept in one file; more are kept in parts."""


@dataclass(frozen=True)
class OrderPart:
    """Orders of some days.

    Attributes:
        first: the first day.
        last: the last day.
        days: what each day has that has any orders.
    """

    first: date
    last: date
    days: Mapping[date, Day]

    @property
    def name(self) -> str:
        """Tell the days, and all that decides what is in them."""
        lines = "\n".join(f"{day} {one.digest}" for day, one in self.days.items())
        return f"{self.first}_{self.last}_{hashlib.sha256(lines.encode()).hexdigest()[:32]}"

    @property
    def rows(self) -> int:
        """Number of orders."""
        return sum(one.rows for one in self.days.values())


def order_parts(days: Mapping[date, Day], start: date, end: date) -> list[OrderPart]:
    """Divide a window.

    Args:
        days: what each day of the source has that has any orders, ascending.
        start: first day of the window, inclusive.
        end: last day, inclusive.

    Returns:
        The parts in order of time, none of them empty.
    """
    within = {day: one for day, one in days.items() if start <= day <= end}
    parts: list[OrderPart] = []
    while within:
        first = next(iter(within)).replace(day=1)
        last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
        of_month = {day: within.pop(day) for day in list(within) if day <= last}
        month = OrderPart(first, last, of_month)
        if start <= first and last <= end and month.rows <= spans.ROWS_AT_ONCE:
            parts.append(month)
        else:
            parts += (OrderPart(day, day, {day: one}) for day, one in of_month.items())
    return parts


@contextmanager
def held_orders(
    location: str, days: Mapping[date, Day], start: date, end: date, columns: Mapping[str, str]
) -> "Iterator[Orders]":
    """Hold the orders of a window for a while: in memory, or very many in a temporary folder.

    Args:
        location: as for `orders_between`.
        days: what each day of the source has that has any orders, ascending.
        start: first day of the window, inclusive.
        end: last day, inclusive.
        columns: as for `orders_between`.

    Yields:
        What `orders_between` gives; of very many orders a deferred frame.

    Raises:
        SourceError: as for `orders_between`, or as for `read_parts`.
    """
    import polars as pl

    parts = order_parts(days, start, end)
    if sum(part.rows for part in parts) <= ROWS_IN_ONE:
        yield orders_between(location, start, end, columns)
        return
    with tempfile.TemporaryDirectory(prefix="ml_pipeline-") as folder:
        files = [Path(folder) / f"{place:05}.parquet" for place in range(len(parts))]
        for file, part in zip(files, read_parts(location, parts, columns), strict=True):
            part.write_parquet(file)
        yield pl.scan_parquet(files, hive_partitioning=False, glob=False)


def read_parts(
    location: str, parts: Sequence[OrderPart], columns: Mapping[str, str]
) -> "Iterator[pl.DataFrame]":
    """Read the orders of some parts, as many parts at a time as fit into memory.

    Args:
        location: as for `orders_between`.
        parts: in order of time.
        columns: as for `orders_between`.

    Yields:
        The orders of each part, as `orders_between` gives them.

    Raises:
        SourceError: if they cannot be read, or are not those that the parts were made for.
    """
    import polars as pl

    rows = {part.first: part.rows for part in parts}
    groups = [
        [part for part in parts if first <= part.first <= last] for first, last in spans.spans(rows)
    ]
    wanted = [(some[0].first, some[-1].last) for some in groups]
    read = orders_of_spans(location, wanted, columns)
    for some, (orders, digests) in zip(groups, read, strict=True):
        for part in some:
            if any(digests.get(day) != one for day, one in part.days.items()):
                raise SourceError(
                    f"The orders of {part.first} to {part.last} must hold still while they are"
                    f" read, but {location} has others than a moment ago. Run again."
                )
            within = pl.col("ordered_at").is_between(
                datetime.combine(part.first, time.min), datetime.combine(part.last, time.max)
            )
            # In one piece, so that a part has the same bytes whatever was read with it.
            yield orders.filter(within).rechunk()
