"""What a sweep finds is what a plain loop over the same functions finds."""

import itertools
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from ml_pipeline.defs import assets
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.stage import Result
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.engine import Sweep
from ml_pipeline.sweeps.request import SweepRequest

pytestmark = pytest.mark.long

LAST = date(1998, 5, 31)

GRIDS: Mapping[str, Mapping[str, list[Any]]] = {
    "orders": {
        "learning_rate": [0.05, 0.3],
        "max_depth": [2, 4],
        "lookback_days": [14, 28],
        "max_iter": [20],
    },
    "customers": {
        "estimator": ["linear", "gradient_boosting"],
        "regularization": [10.0],
    },
}


def judged(params: ParamSet, day: date) -> Mapping[str, float]:
    """Compute the metrics with plain calls, one stage after the other."""
    groups: Any = params.groups
    data, shape, training = groups["data"], groups["features"], groups["training"]
    orders = assets.orders(day, data)
    features = assets.features(day, orders, data, shape)
    model = assets.model(day, features, data, shape, training)
    result = assets.evaluation(day, model, features, data, shape, training)
    assert isinstance(result, Result)
    return result.metrics


@pytest.mark.parametrize("dataset", list(GRIDS))
def test_grid_equals_a_plain_loop(dataset: str, tmp_path: Path) -> None:
    grid = GRIDS[dataset]
    dates = [LAST - timedelta(days=30 * back) for back in (1, 0)]
    values: dict[str, Any] = {"data": {"dataset": dataset}, "search": {"workers": 2}}
    for name, choices in grid.items():
        group = PIPELINE.params.find(name).group
        values.setdefault(group, {})[name] = choices
    sweep = Sweep(
        SweepRequest.parse(PIPELINE.params, values),
        dates,
        PIPELINE,
        ArtifactStore(str(tmp_path / "store")),
        str(tmp_path / "studies"),
    )
    swept = sweep.run()
    assert swept.failures == []
    found = {tuple(attempt.told[name] for name in grid): attempt for attempt in swept.attempts}
    assert swept.objective is not None
    expected: dict[tuple[Any, ...], float] = {}
    for combination in itertools.product(*grid.values()):
        named = {"dataset": dataset, **dict(zip(grid, combination, strict=True))}
        params = PIPELINE.params.parse(named)
        each = [judged(params, day) for day in dates]
        attempt = found[combination]
        for metrics, cell in zip(each, attempt.cells.values(), strict=True):
            assert dict(cell.metrics) == pytest.approx(dict(metrics), rel=1e-12, abs=1e-12)
        expected[combination] = fmean(metrics[swept.objective.metric] for metrics in each)
        assert attempt.value == pytest.approx(expected[combination], rel=1e-12, abs=1e-12)
    pick = min if swept.objective.direction == "minimize" else max
    assert swept.best is found[pick(expected, key=lambda one: expected[one])]
    assert swept.objective.metric == {"orders": "mape", "customers": "auc"}[dataset]
