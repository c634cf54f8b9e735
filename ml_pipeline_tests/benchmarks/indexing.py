"""The index of runs: of a sweep, of stores of 10,000 to a million records, and without a store."""

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
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.benchmarks import small_pipeline
from ml_pipeline_tests.toys.many import FIRST, PIPELINE, records, write

ASSETS = ("model", "score")
TOP = ("learning_rate<0.1 and depth=2", "error", 10)
STORES = (10_000, 100_000)
ALONE = 1_000_000
ROUNDS = 5
TRIALS = 500


def index(scratch: Path) -> Iterator[object]:
    """Lists, leaderboards and rebuilding, with an index and without."""
    yield _of_trials(scratch / "trials")
    for count in STORES:
        yield from _of_a_store(scratch / str(count), count)
    yield from _alone(scratch, ALONE)


def _of_trials(home: Path) -> str:
    """Compare what noticing results costs with making them, where next to nothing is computed."""
    pipeline, asked = small_pipeline.PIPELINE, ["fitted", "score"]
    store = ArtifactStore(str(home / "artifacts"))
    materializer = Materializer(pipeline, store)
    began = time.process_time()
    for trial in range(TRIALS):
        list(materializer.run(pipeline.params.parse({"step": trial + 1}), FIRST))
    made = (time.process_time() - began) / TRIALS
    store.index = str(home / "index.db")
    times = []
    for _ in range(2):
        began = time.process_time()
        assert listed(store, pipeline, asked).more
        times.append((time.process_time() - began) / TRIALS)
    noticed = times[0] - times[1]
    return (
        f"a trial of {len(asked)} artifacts that computes next to nothing: {1e3 * made:.1f} ms of"
        f" CPU, and {1e3 * noticed:.2f} ms for whoever asks next, which is 2 % of a trial of"
        f" {50e3 * noticed:.0f} ms   aim: under 2 % of a sweep"
    )


def _of_a_store(folder: Path, count: int) -> Iterator[str]:
    write(folder / "store", count)
    store, bare = (ArtifactStore(str(folder / "store")) for _ in range(2))
    store.index = str(folder / "index.db")
    took = _timed(lambda: rebuild(store, ASSETS, lambda _done, _total: None), 1)
    yield f"{count:,} records: rebuilt at {count / took:,.0f} records/s   aim: at least 5,000"
    listed(store, PIPELINE, ["score"], *TOP)  # folders that were written just now come to rest
    first = _timed(lambda: listed(bare, PIPELINE, ["score"], *TOP), 1)
    listed(store, PIPELINE, ["score"], *TOP)
    again = _timed(lambda: listed(store, PIPELINE, ["score"], *TOP))
    yield (
        f"    top 10 with two filters, names compared before: {again:.3f} s   aim: under 0.1 s;"
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
