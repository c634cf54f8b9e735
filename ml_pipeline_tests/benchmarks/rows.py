"""Orders and features over 1, 10 and 100 million rows: time, peak memory, and bytes written.

Beside a bare scan, which writes nothing, stands the least that keeps a window in parts can do in
plain Polars: read each month, sort it, and write it.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

LAST: Final = date(2025, 12, 31)
DAYS: Final = 760
MILLION: Final = 1_000_000
_DAYS_A_FILE: Final = 30
_ROWS_EACH: Final = 100
"""Orders of a customer, on average."""
_BARE: Final = """
import sys
import polars as pl
columns = pl.scan_parquet(sys.argv[1]).select("customer_id", "ordered_at", "amount")
print(columns.select(pl.all().max()).collect(engine="streaming"))
"""

_PLAIN: Final = """
import sys
from pathlib import Path
from datetime import date, datetime, timedelta
import polars as pl
source, folder, last = sys.argv[1:]
end = datetime.fromisoformat(last) + timedelta(days=1)
start = end - timedelta(days=730)
months = pl.datetime_range(start.replace(day=1), end, "1mo", eager=True).to_list()
columns = pl.scan_parquet(source).select(
    pl.col("customer_id").cast(pl.String), "ordered_at", "amount"
)
for first, after in zip(months, [*months[1:], end]):
    within = pl.col("ordered_at").is_between(max(first, start), after, closed="left")
    month = columns.filter(within).collect(engine="streaming")
    in_order = month.sort("ordered_at", "customer_id", "amount")
    in_order.write_parquet(f"{folder}/{first:%Y-%m}.parquet")
"""


def source_of(folder: Path, rows: int) -> Path:
    """Write a source of some rows, a file for each thirty days, and return its folder.

    Args:
        folder: where to.
        rows: how many orders in all.
    """
    import numpy as np
    import polars as pl

    folder.mkdir(parents=True)
    customers = max(1000, rows // _ROWS_EACH)
    rng = np.random.default_rng(0)
    ends = np.linspace(0, rows, DAYS + 1).astype(int)
    for start in range(0, DAYS, _DAYS_A_FILE):
        end = min(start + _DAYS_A_FILE, DAYS)
        days = np.repeat(np.arange(start, end), np.diff(ends[start : end + 1]))
        first = np.datetime64(LAST - timedelta(days=DAYS - 1), "us")
        seconds = days * 86_400 + rng.integers(0, 86_400, days.size)
        pl.DataFrame(
            {
                "customer_id": rng.integers(0, customers, days.size),
                "ordered_at": first + seconds * 1_000_000,
                "amount": np.round(rng.gamma(2.0, 20.0, days.size), 2),
                "shop": rng.integers(0, 500, days.size),
            }
        ).write_parquet(folder / f"{start:04}.parquet")
    return folder


@dataclass(frozen=True)
class Took:
    """What a process took.

    Attributes:
        seconds: from start to end.
        cpu: seconds of all cores, which others on the machine disturb less.
        peak_mb: the most memory that it had.
    """

    seconds: float
    cpu: float
    peak_mb: float


def took(command: Sequence[str], home: Path) -> Took:
    """Run a process to its end and tell what it took.

    Args:
        command: what to run.
        home: where it keeps what it makes.
    """
    environment = {**os.environ, "ML_PIPELINE_HOME": str(home)}
    environment |= {"ML_PIPELINE_START_DATE": str(LAST - timedelta(days=DAYS - 1))}
    environment |= {"ML_PIPELINE_END_DATE": str(LAST)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    silent = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, silent, 1)]
    process = os.posix_spawn(command[0], command, environment, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    os.close(silent)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {status}")
    cpu = usage.ru_utime + usage.ru_stime
    return Took(time.perf_counter() - start, cpu, usage.ru_maxrss / 1024)


def rows(scratch: Path, command: str, millions: Sequence[int] = (1, 10, 100)) -> Iterator[object]:
    """Orders and features of one date, then of 14, against a bare scan of the same columns."""
    for count in millions:
        source = source_of(scratch / "source", count * MILLION)
        held = _size(source)
        yield f"{count} million rows, {held / 1e6:,.0f} MB of source"
        bare = took([sys.executable, "-c", _BARE, f"{source}/*.parquet"], scratch)
        yield f"    bare scan: {bare.seconds:.1f} s, CPU {bare.cpu:.1f} s, {bare.peak_mb:,.0f} MB"
        (scratch / "plain").mkdir()
        line = [sys.executable, "-c", _PLAIN, f"{source}/*.parquet", str(scratch / "plain")]
        plain = took([*line, str(LAST - timedelta(days=13))], scratch)
        yield (
            f"    read, sorted and written by plain Polars: {plain.seconds:.1f} s, CPU"
            f" {plain.cpu:.1f} s, {plain.peak_mb:,.0f} MB; {_size(scratch / 'plain') / 1e6:,.0f} MB"
            " written"
        )
        shutil.rmtree(scratch / "plain")
        for dataset in ("orders", "customers"):
            yield from _of_dataset(scratch / "home", command, source, dataset, bare, plain)
        shutil.rmtree(source)


def _of_dataset(
    home: Path, command: str, source: Path, dataset: str, bare: Took, plain: Took
) -> Iterator[object]:
    first = LAST - timedelta(days=13)
    shared = [
        command,
        "run",
        "--select",
        "orders",
        "--select",
        "features",
        "-p",
        f"source={source}",
    ]
    shared += ["-p", f"dataset={dataset}"]
    doors: dict[str, Callable[[], list[str]]] = {
        "one date": lambda: [*shared, "--as-of", str(first)],
        "14 dates": lambda: [*shared, "--from", str(first), "--to", str(LAST)],
        "14 dates, all reused": lambda: [*shared, "--from", str(first), "--to", str(LAST)],
    }
    for what, line in doors.items():
        before = _size(home)
        found = took(line(), home)
        written = (_size(home) - before) / 1e6
        yield (
            f"    {dataset}, {what}: {found.seconds:.1f} s, {found.seconds / bare.seconds:.1f}"
            f" times the bare scan; CPU {found.cpu:.1f} s, {found.cpu / bare.cpu:.1f} times, and"
            f" {found.cpu / plain.cpu:.1f} times plain Polars; peak"
            f" {found.peak_mb:,.0f} MB; {written:,.0f} MB written"
        )
    shutil.rmtree(home)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
