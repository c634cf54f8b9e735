from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score

from ml_pipeline.pipeline.diagnostics import importances, roc
from ml_pipeline.pipeline.evaluation import judged
from ml_pipeline.pipeline.plots import evaluation_pictures

ROWS = 400
AS_OF = date(1998, 5, 31)


def examples(dataset: str, rows: int = ROWS) -> pl.DataFrame:
    """Examples of which `useful` tells much, `weak` a little and `noise` nothing."""
    rng = np.random.default_rng(1)
    useful, weak, noise = (rng.normal(size=rows) for _ in range(3))
    signal = 3 * useful + weak + rng.normal(size=rows) / 2
    target = signal + 50 if dataset == "orders" else (signal > 1).astype(np.int8)
    return pl.DataFrame(
        {
            "day": [AS_OF - timedelta(days=1 + row % 7) for row in range(rows)],
            "noise": noise,
            "useful": useful,
            "weak": weak,
            "days_since_last": -useful,
            "scale": np.ones(rows),
            "naive": np.full(rows, 50.0),
            "target": target,
        }
    ).sort("day")


def fitted(dataset: str, heldout: pl.DataFrame) -> Any:
    model = LogisticRegression() if dataset == "customers" else LinearRegression()
    # What `predict` takes for orders is on a scale where 2 stands for 1.
    target = heldout["target"].to_numpy() * (2 if dataset == "orders" else 1)
    return model.fit(heldout.select("noise", "useful", "weak"), target)


@pytest.mark.parametrize("dataset", ["orders", "customers"])
def test_importances_tell_what_a_model_goes_by_and_are_always_the_same(dataset: str) -> None:
    heldout = examples(dataset)
    model = fitted(dataset, heldout)
    found = importances(model, heldout, dataset)
    assert [one.feature for one in found] == ["useful", "weak", "noise"]
    assert found[0].loss > 3 * found[1].loss > 0
    assert abs(found[2].loss) < 0.05 * found[0].loss
    assert importances(model, heldout, dataset) == found


def test_importances_of_too_little_are_none() -> None:
    heldout = examples("customers")
    model = fitted("customers", heldout)
    assert importances(model, heldout.filter(pl.col("target") == 0), "customers") == []
    assert importances(model, heldout.head(1), "orders") == []
    nothing = heldout.with_columns(target=0.0)
    flat = DummyRegressor().fit(heldout.select("noise"), nothing["target"])
    assert importances(flat, nothing, "orders") == []


def test_roc_has_the_area_that_the_metric_tells_and_few_points() -> None:
    heldout = examples("customers", 5_000)
    score, bought = heldout["useful"].to_numpy(), heldout["target"].to_numpy()
    curve = roc(bought, score)
    assert (curve[0], curve[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert len(curve) < 100
    area = sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in pairwise(curve))
    assert area == pytest.approx(roc_auc_score(bought, score), abs=0.005)
    assert roc(bought, np.ones(len(bought))) == [(0.0, 0.0), (1.0, 1.0)]


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        ("orders", ["result", "residuals over time", "importance of features"]),
        ("customers", ["result", "ROC", "calibration", "importance of features"]),
    ],
)
def test_pictures_of_an_evaluation_show_it_from_all_sides(dataset: Any, names: list[str]) -> None:
    heldout = examples(dataset)
    model = fitted(dataset, heldout)
    options: Any = {"as_of": AS_OF, "horizon_days": 1, "holdout_days": 7}
    found = judged(model, heldout, dataset=dataset, **options)
    pictures = evaluation_pictures(found, model)
    assert list(pictures) == names
    assert evaluation_pictures(found, model) == pictures
    for svg in pictures.values():
        root = ElementTree.fromstring(svg)
        height = float(root.attrib["height"])
        for line in root.iter("{http://www.w3.org/2000/svg}polyline"):
            ys = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
            assert 0 < min(ys) <= max(ys) < height
    assert "useful" in pictures["importance of features"]
