"""Who computes a sweep and where its results go: buckets, Dask's workers, several processes."""

import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ml_pipeline_tests.benchmarks.busy_pipeline import swept
from ml_pipeline_tests.benchmarks.measuring import Pair, compare, process
from ml_pipeline_tests.toys.dask_site import dask_site
from ml_pipeline_tests.toys.seaweed import BUCKET, Seaweed

WORKERS = 2
ROUNDS = 2
CELLS = (2, 12)
GRID = (2, 20)
_SHARE = """
import sys
from pathlib import Path
from ml_pipeline_tests.benchmarks.busy_pipeline import swept
folder, number, *sizes = sys.argv[1:]
swept(folder + "/store", Path(folder) / number, *map(int, sizes), workers=1)
"""


def objects(scratch: Path, command: str) -> Iterator[object]:
    """A sweep whose store is a bucket of an S3 server on this machine, against a local folder."""
    server = Seaweed(_made(scratch / "weed"))
    homes = itertools.count()
    sweep = [command, "sweep", "--from", "1998-05-25", "--to", "1998-05-31", "--workers", "2"]
    sweep += ["-p", "learning_rate=0.05,0.1,0.2", "-p", "max_depth=2,3,4"]
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_REGION": "us-east-1"}

    def in_bucket() -> None:
        store = f"s3://{BUCKET}/{next(homes)}"
        reached = {"AWS_ENDPOINT_URL": server.url, "AWS_ALLOW_HTTP": "true"}
        process(sweep, scratch / "s3", {"ML_PIPELINE_STORE": store, **keys, **reached})()

    def in_folder() -> None:
        store = str(scratch / f"store-{next(homes)}")
        process(sweep, scratch / "local", {"ML_PIPELINE_STORE": store})()

    try:
        server.start()
        yield compare(
            "7 dates x 9 combinations into an S3 server, against a local folder",
            "at most 1.25",
            in_bucket,
            in_folder,
            ROUNDS,
        )
    finally:
        server.stop()


def dask(scratch: Path) -> Iterator[object]:
    """A sweep on two Dask workers, against two local ones: cells of a second, and of nothing."""
    numbers = itertools.count()
    with dask_site(_made(scratch / "dask"), WORKERS) as site:
        cluster = site.cluster
        for cells, cpu_s in (CELLS, 1.0), ((2, 100), 0.0):

            def here(cells: tuple[int, int] = cells, cpu_s: float = cpu_s) -> None:
                folder = scratch / str(next(numbers))
                swept(f"{folder}/store", folder, *cells, WORKERS, cpu_s)

            def there(cells: tuple[int, int] = cells, cpu_s: float = cpu_s) -> None:
                folder = scratch / str(next(numbers))
                swept(f"{folder}/store", folder, *cells, WORKERS, cpu_s, cluster)

            yield compare(
                f"{cells[0]} dates x {cells[1]} cells of {cpu_s:.0f} s on {WORKERS} workers of"
                " Dask, against local ones",
                "at most 1.1" if cpu_s else "at most 2",
                there,
                here,
                ROUNDS,
            )


def machines(scratch: Path) -> Iterator[object]:
    """Two plain processes with a worker each on one grid, against one."""
    numbers = itertools.count()

    def together(count: int) -> Callable[[], None]:
        def run() -> None:
            folder = str(scratch / str(next(numbers)))
            line = [sys.executable, "-c", _SHARE, folder]
            started = [subprocess.Popen([*line, str(n), *map(str, GRID)]) for n in range(count)]
            assert [one.wait() for one in started] == [0] * count
            shutil.rmtree(folder)

        return run

    ours, theirs = ([_timed(together(count))] for count in (2, 1))
    yield Pair(
        f"a grid of {GRID[0]} x {GRID[1]} cells of a second: two processes, against one",
        ours,
        theirs,
        "at most 0.59, which is 1.7 times as fast",
    )


def _timed(call: Callable[[], None]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
