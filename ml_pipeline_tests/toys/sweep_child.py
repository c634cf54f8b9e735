"""One sweep in a process of its own, which may be killed; prints what came of it as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

from ml_pipeline.sweeps.dask_workers import DaskCluster
from ml_pipeline.sweeps.workers import LOCAL
from ml_pipeline_tests.toys.sweep_bench import Bench, outcome
from ml_pipeline_tests.toys.sweeps import PIPELINE

__all__ = ["PIPELINE", "main"]


def main(order: dict[str, Any]) -> None:
    """Run it.

    Args:
        order: the folder of its `Bench`, the number of days, values by group, and the scheduler, if
            a cluster computes.
    """
    bench = Bench(Path(order["folder"]))
    groups = dict(order["values"])
    search = groups.pop("search")
    flat = {name: raw for fields in groups.values() for name, raw in fields.items()}

    def progressed(progress: Any) -> None:
        print(json.dumps({"done": progress.done}), file=sys.stderr, flush=True)

    scheduler = order["scheduler"]
    machines = DaskCluster(scheduler) if scheduler else LOCAL
    sweep = bench.sweep(order["count"], machines=machines, search=search, **flat)
    swept = sweep.run(progress=progressed)
    print(json.dumps({"outcome": outcome(swept), "failures": len(swept.failures)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
