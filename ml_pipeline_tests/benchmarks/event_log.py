"""How much Dagster's event log grows by a date of the reference pipeline."""

import json
import sqlite3
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from ml_pipeline_tests.benchmarks.measuring import process

_YEAR: Final = 365
_CHECK: Final = '"AssetCheckEvaluation"'
_LAST: Final = date(1998, 6, 30)
_DATES: Final = 28
_CHECKS: Final = "ASSET_CHECK_EVALUATION"


def events(scratch: Path, command: str) -> Iterator[object]:
    """Bytes of the event log for each date, computed and reused, and what Dagster takes alone.

    SQLite holds each event twice, with the run and with the assets; other databases hold it once.
    """
    home = scratch / "events"
    ranged = [command, "run", "--from", "1998-05-01", "--to", f"1998-05-{_DATES}"]
    doors = {
        "computed": ranged,
        "reused": ranged,
        "computed alone": [command, "run", "--as-of", "1998-04-30"],
        "reused alone": [command, "run", "--as-of", "1998-04-30"],
    }
    process([command, "run", "--as-of", "1998-03-31"], home)()
    for what, line in doors.items():
        dates = 1 if "alone" in what else _DATES
        before, files = _ids(home), _files(home)
        process(line, home)()
        found = _new(home, before)
        checks = [event for event in found if _CHECKS in event]
        assets = [event for event in found if _CHECKS not in event]
        floor = sum(map(_without_metadata, assets)) / dates
        yield (
            f"{what}:"
            f"\n    assets: {_told(assets, dates)}, Dagster's own {floor / 1e3:.1f} kB a date"
            f"\n    checks: {_told(checks, dates)}"
            f"\n    files of SQLite: {(_files(home) - files) / dates / 1e3:.1f} kB a date"
        )


def year(scratch: Path, command: str) -> Iterator[object]:
    """A run of 365 dates, as a backfill makes it, and the same when all of it is reused."""
    home = scratch / "year"
    first = _LAST - timedelta(days=_YEAR - 1)
    line = [command, "run", "--from", str(first), "--to", str(_LAST), "-p", "estimator=linear"]
    process([command, "run", "--as-of", "1997-06-30"], home)()
    for what in ("computed", "reused"):
        before = _ids(home)
        begin = time.perf_counter()
        process(line, home)()
        took = time.perf_counter() - begin
        found = _new(home, before)
        checks = sum(len(event) for event in found if _CHECK in event)
        others = sum(map(len, found)) - checks
        yield (
            f"{_YEAR} dates in one run, {what}: {took:.0f} s, {1e3 * took / _YEAR:.0f} ms a date;"
            f" event log {others / 1e6:.1f} MB   aim: under 5, and of checks {checks / 1e6:.1f} MB"
        )


def _told(events: list[str], dates: int) -> str:
    once = sum(map(len, events)) / dates
    return f"{once / 1e3:.1f} kB a date, {_YEAR} dates {_YEAR * once / 1e6:.1f} MB"


def _ids(home: Path) -> set[int]:
    return {number for number, _ in _rows(home)}


def _new(home: Path, before: set[int]) -> list[str]:
    """Return the events of assets since."""
    return [event for number, event in _rows(home) if number not in before]


def _rows(home: Path) -> list[tuple[int, str]]:
    (index,) = home.rglob("index.db")
    with sqlite3.connect(index) as database:
        return database.execute("SELECT id, event FROM event_logs").fetchall()


def _files(home: Path) -> int:
    """Return the size of all databases of events, what is in their logs included."""
    (index,) = home.rglob("index.db")
    databases = list(index.parent.glob("*.db"))
    for file in databases:
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(file.stat().st_size for file in databases)


def _without_metadata(event: str) -> int:
    held: Any = json.loads(event)
    specific = (held.get("dagster_event") or {}).get("event_specific_data") or {}
    for name in ("materialization", "asset_observation"):
        if name in specific:
            specific[name]["metadata_entries"] = []
    return len(json.dumps(held, separators=(", ", ": ")))
