"""One sweep in a process of its own, which may be killed; prints what came of it as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

from ml_pipeline_tests.sweeps.conftest import Bench, outcome


def main(order: dict[str, Any]) -> None:
    bench = Bench(Path(order["folder"]))
    values = order["values"]
    flat = {
        name: raw
        for group, fields in values.items()
        if group != "search"
        for name, raw in fields.items()
    }
    sweep = bench.sweep(order["count"], search=values["search"], **flat)

    def progressed(progress: Any) -> None:
        print(json.dumps({"done": progress.done}), file=sys.stderr, flush=True)

    swept = sweep.run(progress=progressed)
    print(json.dumps({"outcome": outcome(swept), "failures": len(swept.failures)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
