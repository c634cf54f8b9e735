"""What a sweep is measured against: joblib over the same functions, keeping nothing.

    python -m ml_pipeline_tests.benchmarks.plain_loop orders 14 12 2

makes features once for each date and then fits and judges every combination, on so many workers.
"""

import itertools
import math
import sys
from datetime import date, timedelta

from joblib import Parallel, delayed

from ml_pipeline.defs import assets
from ml_pipeline.params.model import ParamSet

LAST_DAY = date(1998, 5, 31)
RATES = ("0.02", "0.05", "0.1", "0.2")
DEPTHS = ("2", "3", "4")


def combinations(dataset: str, count: int) -> list[ParamSet]:
    pairs = itertools.islice(itertools.product(RATES, DEPTHS), count)
    model = assets.PIPELINE.params
    return [
        model.parse({"dataset": dataset, "learning_rate": rate, "max_depth": depth})
        for rate, depth in pairs
    ]


def features_at(day: date, params: ParamSet) -> object:
    groups = params.groups
    orders = assets.orders(day, groups["data"])
    return assets.features(day, orders, groups["data"], groups["features"])


def cell(day: date, features: object, params: ParamSet) -> float:
    groups = params.groups["data"], params.groups["features"], params.groups["training"]
    model = assets.model(day, features, *groups)
    result = assets.evaluation(day, model, features, *groups)
    objective = assets.objective(params.groups["data"])
    return result.metrics[objective.metric]


def sweep(dataset: str, days: int, count: int, workers: int) -> list[tuple[float, ParamSet]]:
    trials = combinations(dataset, count)
    dates = [LAST_DAY - timedelta(days=back) for back in reversed(range(days))]
    with Parallel(n_jobs=workers) as pool:
        features = dict(
            zip(dates, pool(delayed(features_at)(day, trials[0]) for day in dates), strict=True)
        )
        cells = [(trial, day) for trial in trials for day in dates]
        values = pool(delayed(cell)(day, features[day], trial) for trial, day in cells)
    means = [math.fsum(values[i : i + days]) / days for i in range(0, len(values), days)]
    return sorted(zip(means, trials, strict=True), key=lambda pair: pair[0])


if __name__ == "__main__":
    dataset, days, count, workers = sys.argv[1], *map(int, sys.argv[2:])
    for mean, params in sweep(dataset, days, count, workers):
        training = params.values()["training"]
        print(f"{mean:.6f}", training["learning_rate"], training["max_depth"])
