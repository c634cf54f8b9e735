"""What the pictures of a trial cost: drawing them, and keeping their page."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from ml_pipeline_tests.benchmarks.measuring import process

_ROUNDS = 20
_DAY = date(1998, 5, 31)


def pictures(scratch: Path, command: str) -> Iterator[object]:
    """Milliseconds for all pictures of one evaluation, in the quickest round."""
    from ml_pipeline.defs.assets import PIPELINE
    from ml_pipeline.pipeline.evaluation import judged
    from ml_pipeline.pipeline.plots import evaluation_pictures
    from ml_pipeline.store.artifacts import ArtifactStore

    home = scratch / "pictures"
    store = ArtifactStore(str(home / "artifacts"))
    for dataset in ("orders", "customers"):
        process([command, "run", "--as-of", str(_DAY), "-p", f"dataset={dataset}"], home)()
        params = PIPELINE.params.parse({"dataset": dataset})
        stages = [PIPELINE.stage(name) for name in ("model", "features")]
        slots = [stage.slot(params, _DAY) for stage in stages]
        model, features = (store.load(slot, store.revisions(slot)[0]) for slot in slots)
        days: Any = {
            "horizon_days": params.flat()["features.horizon_days"],
            "holdout_days": params.flat()["training.holdout_days"],
        }
        found = judged(model, features, dataset=dataset, as_of=_DAY, **days)
        drawn = evaluation_pictures(found, model)
        drawing = _best([partial(evaluation_pictures, found, model)] * _ROUNDS)
        places = [f"kept/{dataset}/{number}" for number in range(_ROUNDS)]
        keeping = _best([partial(store.put_pictures, place, drawn) for place in places])
        yield (
            f"{dataset}: {len(drawn)} pictures drawn in {drawing:.1f} ms and kept in"
            f" {keeping:.1f} ms   aim: less than 10 ms"
        )


def _best(rounds: Iterable[Callable[[], object]]) -> float:
    times = []
    for work in rounds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)
