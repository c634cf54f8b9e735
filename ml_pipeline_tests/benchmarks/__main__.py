"""Run benchmarks by name, or all of them."""

import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from ml_pipeline_tests.benchmarks.event_log import events, year
from ml_pipeline_tests.benchmarks.indexing import index
from ml_pipeline_tests.benchmarks.measuring import compare, process
from ml_pipeline_tests.benchmarks.memory import memory
from ml_pipeline_tests.benchmarks.pictures import pictures
from ml_pipeline_tests.benchmarks.rows import rows
from ml_pipeline_tests.benchmarks.sharing import dask, machines, objects
from ml_pipeline_tests.benchmarks.sweeping import sweeps, trials
from ml_pipeline_tests.benchmarks.tracking import tracking

PYTHON = sys.executable
CLI = str(Path(sys.executable).parent / "ml-pipeline")


def imports(scratch: Path) -> Iterator[object]:
    """Import of the code location against `import dagster`."""
    yield compare(
        "import of the code location, against `import dagster`",
        "at most 1.3",
        process([PYTHON, "-c", "import ml_pipeline.definitions"], scratch),
        process([PYTHON, "-c", "import dagster"], scratch),
        rounds=9,
    )


def runs(scratch: Path) -> Iterator[object]:
    """Whole runs as processes."""
    seeds = itertools.count(1)

    def fresh() -> None:
        seed = f"seed={next(seeds)}"
        process([CLI, "run", "--as-of", "1998-05-31", "--param", seed], scratch)()

    importing = process([PYTHON, "-c", "import dagster"], scratch)
    yield compare(
        "`ml-pipeline run` that computes, against `import dagster`", "-", fresh, importing
    )
    location = process([PYTHON, "-c", "import ml_pipeline.definitions"], scratch)
    reused = process([CLI, "run", "--as-of", "1998-05-31"], scratch)
    yield compare(
        "`ml-pipeline run`, all reused, against importing the code location",
        "at most 1.3",
        reused,
        location,
        rounds=9,
    )


def overhead(scratch: Path) -> Iterator[object]:
    """A run in this process against its bare functions in this process."""
    import os

    os.environ["ML_PIPELINE_HOME"] = str(scratch / "overhead")
    from ml_pipeline.dagster.execution import InProcess
    from ml_pipeline.dagster.instance import open_instance
    from ml_pipeline.dagster.location import location_of
    from ml_pipeline.definitions import defs
    from ml_pipeline.defs.assets import PIPELINE
    from ml_pipeline.settings import settings
    from ml_pipeline.store.artifacts import ArtifactStore

    settings.cache_clear()
    configured = settings()
    job = defs.resolve_implicit_global_asset_job_def()
    store = ArtifactStore(configured.store_root)
    seeds = itertools.count(1)
    day = date(1998, 5, 31)

    def whole(instance: Any) -> None:
        params = PIPELINE.params.parse({"seed": next(seeds)})
        calendar = location_of(defs).calendar
        here = InProcess(job, PIPELINE, store, instance, configured.logs_directory, 1, calendar)
        runs = here.run(params, [day])
        assert runs[0].error is None, runs[0].error

    def bare() -> None:
        params = PIPELINE.params.parse({"seed": next(seeds)})
        values: dict[str, Any] = {}
        for stage in PIPELINE.stages.values():
            arguments = stage.signature.arguments(params, day)
            arguments |= {arg: values[name] for arg, name in stage.signature.inputs.items()}
            made = stage.function(**arguments)
            values[stage.name] = getattr(made, "value", made)

    with open_instance(configured) as instance:
        pair = compare(
            "a run in this process, against its bare functions",
            "less than 1 s more",
            lambda: whole(instance),
            bare,
        )
    yield pair
    yield f"    overhead {median(pair.ours) - median(pair.theirs):.3f} s"


def io(scratch: Path) -> Iterator[object]:
    """Publishing and loading 1,000,000 rows x 20 columns against bare Polars Parquet."""
    import numpy as np
    import polars as pl

    from ml_pipeline.params.group import ParamGroup
    from ml_pipeline.params.model import ParamModel
    from ml_pipeline.store.artifacts import ArtifactStore
    from ml_pipeline.store.record import Content, Record
    from ml_pipeline.store.slots import slot_for

    class Data(ParamGroup):
        number: int = 0

    rng = np.random.default_rng(0)
    rows = 1_000_000
    frame = pl.DataFrame(
        {f"f{i}": rng.normal(size=rows) for i in range(10)}
        | {f"i{i}": rng.integers(0, 1000, rows) for i in range(5)}
        | {f"s{i}": rng.choice(["north", "south", "east"], rows) for i in range(5)}
    )
    store = ArtifactStore(str(scratch / "io"))
    model = ParamModel(data=Data)
    numbers = itertools.count()
    last: list[Any] = []

    def publish() -> None:
        slot = slot_for("table", model.parse({"number": next(numbers)}), ("data",), None)

        def describe(content: Content) -> Record:
            return Record(
                asset="table",
                run_id=slot.run_id,
                revision="0" * 16,
                as_of=None,
                identity=slot.identity,
                params={},
                code="",
                content=content,
                started_at=datetime.now(UTC),
                duration_s=0.0,
            )

        last[:] = [slot, store.publish(slot, "0" * 16, frame, describe).record]

    bare = (scratch / f"bare-{number}.parquet" for number in itertools.count())
    written: list[Path] = []

    def write() -> None:
        written[:] = [next(bare)]
        frame.write_parquet(written[0])

    yield compare("write 1,000,000 x 20, against bare Polars", "at most 1.15", publish, write, 9)
    yield compare(
        "read 1,000,000 x 20, against bare Polars",
        "at most 1.15",
        lambda: store.load(last[0], last[1]),
        lambda: pl.read_parquet(written[0]),
        9,
    )


def dates(scratch: Path) -> Iterator[object]:
    """14 dates in one run against 14 runs."""
    seeds = itertools.count(1)

    def one() -> None:
        process(
            [CLI, "run", "--from", "1998-05-01", "--to", "1998-05-14", "-p", f"seed={next(seeds)}"],
            scratch,
        )()

    def many() -> None:
        seed = f"seed={next(seeds)}"
        for day in range(1, 15):
            process([CLI, "run", "--as-of", f"1998-05-{day:02}", "-p", seed], scratch)()

    yield compare("14 dates in one run, against 14 runs", "-", one, many, rounds=2)
    reused = process([CLI, "run", "--from", "1998-05-01", "--to", "1998-05-14"], scratch)
    importing = process([PYTHON, "-c", "import dagster"], scratch)
    yield compare("14 dates, all reused, against `import dagster`", "seconds", reused, importing)


def deciding(scratch: Path, artifacts: int = 100_000) -> Iterator[object]:
    """Deciding about reuse in a store of many artifacts."""
    from ml_pipeline.params.group import ParamGroup
    from ml_pipeline.params.model import ParamModel
    from ml_pipeline.runs.materializer import Materializer
    from ml_pipeline.runs.stages import Pipeline
    from ml_pipeline.store.artifacts import ArtifactStore

    class Data(ParamGroup):
        number: int = 0

    pipeline = Pipeline("deciding", ParamModel(data=Data))

    @pipeline.asset(code_version="1")
    def table(as_of: date, data: Data) -> bytes:
        return f"{as_of} {data.number}".encode()

    store = ArtifactStore(str(scratch / "deciding"))
    materializer = Materializer(pipeline, store)
    stage = pipeline.stage("table")
    day = date(1998, 5, 31)
    sample = next(materializer.run(pipeline.params.parse({"number": 0}), day))
    began = time.perf_counter()
    for number in range(1, artifacts):
        slot = stage.slot(pipeline.params.parse({"number": number}), day)
        directory = store.directory / slot.revision(sample.record.revision)
        directory.mkdir(parents=True)
        (directory / "data.bin").write_bytes(b"0" * sample.record.content.bytes)
        record = sample.record.model_copy(update={"run_id": slot.run_id, "identity": slot.identity})
        (directory / "record.json").write_bytes(record.to_json())
    yield f"    (a store of {artifacts:,} artifacts made in {time.perf_counter() - began:.0f} s)"
    times = []
    for number in range(0, artifacts, max(1, artifacts // 500)):
        params = pipeline.params.parse({"number": number})
        start = time.perf_counter()
        decision = materializer.decide(stage, params, day, {})
        times.append(time.perf_counter() - start)
        assert decision.reuse is not None
    yield (
        f"deciding to reuse, {artifacts:,} artifacts in the store\n    median"
        f" {median(times) * 1e3:.2f} ms, worst {max(times) * 1e3:.2f} ms   aim: at most 5 ms"
    )
    times = []
    for number in range(20):
        params = pipeline.params.parse({"number": artifacts + number})
        start = time.perf_counter()
        decision = materializer.decide(stage, params, day, {})
        times.append(time.perf_counter() - start)
        assert decision.reuse is None
    yield (
        f"deciding to compute, and finding the reason\n    median {median(times) * 1e3:.2f} ms,"
        f" worst {max(times) * 1e3:.2f} ms"
    )


BENCHMARKS: dict[str, Callable[[Path], Iterator[object]]] = {
    "imports": imports,
    "runs": runs,
    "overhead": overhead,
    "io": io,
    "dates": dates,
    "deciding": deciding,
    "index": index,
    "events": partial(events, command=CLI),
    "pictures": partial(pictures, command=CLI),
    "rows": partial(rows, command=CLI),
    "sweeps": sweeps,
    "trials": trials,
    "tracking": tracking,
    "memory": partial(memory, command=CLI),
    "objects": partial(objects, command=CLI),
    "dask": dask,
    "machines": machines,
    "year": partial(year, command=CLI),
}


def main() -> None:
    """Run what was named."""
    unknown = [name for name in sys.argv[1:] if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"No benchmark {', '.join(unknown)}. There are {', '.join(BENCHMARKS)}.")
    for name in sys.argv[1:] or BENCHMARKS:
        scratch = Path(tempfile.mkdtemp(prefix="ml_pipeline-benchmark-"))
        try:
            for line in BENCHMARKS[name](scratch):
                print(line, flush=True)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
