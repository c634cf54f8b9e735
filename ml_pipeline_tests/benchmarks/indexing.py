"""The index of runs: at 10,000 and 100,000 records of a store, and at a million without one."""

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

from sqlalchemy import select

from ml_pipeline.index.comparison import Found, batches
from ml_pipeline.index.database import open_database
from ml_pipeline.index.stored import Index
from ml_pipeline.index.tables import ARTIFACTS
from ml_pipeline.index.upkeep import rebuild
from ml_pipeline.index.writer import Line
from ml_pipeline.leaderboard.board import leaderboard
from ml_pipeline.leaderboard.cells import cells_in, cells_of
from ml_pipeline.runs.listing import first_runs, listed
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.many import PIPELINE, records, write

ASSETS = ("model", "score")
TOP = ("learning_rate<0.1 and depth=2", "error", 10)
STORES = (10_000, 100_000)
ALONE = 1_000_000
ROUNDS = 5


def index(scratch: Path) -> Iterator[object]:
    """Lists, leaderboards and rebuilding, with an index and without."""
    for count in STORES:
        yield from _of_a_store(scratch / str(count), count)
    yield from _alone(scratch, ALONE)


def _of_a_store(folder: Path, count: int) -> Iterator[str]:
    write(folder / "store", count)
    store, bare = (ArtifactStore(str(folder / "store")) for _ in range(2))
    store.index = str(folder / "index.db")
    took = _timed(lambda: rebuild(store, ASSETS, lambda _done, _total: None), 1)
    yield f"{count:,} records: rebuilt at {count / took:,.0f} records/s   aim: at least 5,000"
    first = _timed(lambda: listed(bare, PIPELINE, ["score"], *TOP), 1)
    again = _timed(lambda: listed(store, PIPELINE, ["score"], *TOP))
    yield (
        f"    top 10 with two filters, names compared before: {again:.3f} s;"
        f" without an index {first:.2f} s, {first / again:.0f} times as long"
    )
    whole = Index(open_database(store.index), store)
    whole.read(ASSETS)
    yield from _asked(whole)
    board = _timed(lambda: leaderboard(cells_of(store, PIPELINE, "depth=1")))
    yield f"    leaderboard of one sweep, names compared before: {board:.2f} s"
    yield f"    peak memory so far {_peak_mb():.0f} MB   aim: at most 300"


def _alone(scratch: Path, count: int) -> Iterator[str]:
    store = ArtifactStore(str(scratch / "none"))
    whole = Alone(open_database(str(scratch / "alone.db")), store)
    began = time.perf_counter()
    for some in batches(records(count), 2000):
        for asset in ASSETS:
            (line,) = whole.listed([asset])
            of_asset = {path: record for path, record in some if record.asset == asset}
            whole.catching_up.writer.note(line, [Found(path, "1") for path in of_asset], 0)
            with whole.database.reading() as connection:
                rows = connection.execute(
                    select(ARTIFACTS.c["id", "line", "path", "stamp"]).where(
                        ARTIFACTS.c.line == line.id, ARTIFACTS.c.path.in_(of_asset)
                    )
                ).all()
            whole.catching_up.writer.keep([(row, of_asset[row.path]) for row in rows])
    whole.database.analyze()
    size = (scratch / "alone.db").stat().st_size / 2**20
    took = time.perf_counter() - began
    yield f"{count:,} records in the index alone: {size:,.0f} MB, made in {took:.0f} s"
    yield from _asked(whole)
    yield f"    peak memory so far {_peak_mb():.0f} MB   aim: at most 300"


class Alone(Index):
    """An index whose store is taken for unchanged."""

    def listed(self, assets: Iterable[str]) -> list[Line]:
        return self.catching_up.lines(assets)


def _asked(whole: Index) -> Iterator[str]:
    questions: dict[str, tuple[Callable[[], object], str]] = {
        "the newest 10": (lambda: first_runs(whole, PIPELINE, ["score"], None, None, 10), "0.1"),
        "top 10": (lambda: first_runs(whole, PIPELINE, ["score"], None, "error", 10), "0.1"),
        "top 10 with two filters": (lambda: first_runs(whole, PIPELINE, ["score"], *TOP), "0.1"),
        "top 10 of a label": (
            lambda: first_runs(whole, PIPELINE, ["score"], "region=north", "error", 10),
            "0.1",
        ),
        "leaderboard of one sweep": (
            lambda: leaderboard(cells_in(whole, PIPELINE, "depth=1")[0]),
            "1",
        ),
    }
    for name, (ask, aim) in questions.items():
        yield f"    {name}, in the index alone: {_timed(ask):.4f} s   aim: under {aim} s"


def _timed(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
