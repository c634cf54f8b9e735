from typing import Any
from xml.etree import ElementTree

import pytest

from ml_pipeline.pipeline.plots import evaluation_svg

SVG = "{http://www.w3.org/2000/svg}"


def orders_report(*points: tuple[float, float, float]) -> dict[str, Any]:
    return {
        "dataset": "orders",
        "metrics": {"mape": 0.196, "naive_mape": 0.265},
        "series": [
            {"day": f"2009-01-{day:02}", "actual": a, "predicted": p, "naive": n}
            for day, (a, p, n) in enumerate(points, start=1)
        ],
    }


def customers_report(*rates: float) -> dict[str, Any]:
    return {
        "dataset": "customers",
        "metrics": {"auc": 0.853, "recency_auc": 0.838},
        "series": [
            {"decile": place, "rate": rate, "predicted": rate / 2, "lift": rate * 10}
            for place, rate in enumerate(rates, start=1)
        ],
    }


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_picture_of_revenue_has_three_lines_legend_and_dates() -> None:
    svg = evaluation_svg(orders_report((100, 90, 80), (0, 40, 10), (3000, 2500, 1000)))
    root = ElementTree.fromstring(svg)
    assert len(list(root.iter(f"{SVG}polyline"))) == 3
    found = texts(svg)
    assert found[0] == "Revenue, MAPE 19.6% (naive: 26.5%)"
    assert {"actual", "predicted", "naive", "1 Jan 2009", "3 Jan 2009", "0", "3k"} <= set(found)


def test_picture_of_customers_has_a_bar_for_each_group() -> None:
    svg = evaluation_svg(customers_report(0.31, 0.12, 0.0))
    bars = [b for b in ElementTree.fromstring(svg).iter(f"{SVG}rect") if b.get("y") != "36"]
    assert len(bars) == 1 + 3
    assert {"Buying again, AUC 0.853 (recency alone: 0.838)", "3.1x", "0%", "40%"} <= set(
        texts(svg)
    )


@pytest.mark.parametrize(
    "report",
    [
        orders_report((5.0, 5.0, 5.0)),
        orders_report((0.0, 0.0, 0.0)),
        orders_report((-5.0, -3.0, -1.0), (-1e-9, 0.0, 0.0)),
        orders_report((1e12, 2e12, 0.0), (1.0, 1.0, 1.0)),
        customers_report(1.0),
        customers_report(0.001, 0.0005),
    ],
)
def test_picture_of_unusual_values_stays_within_its_frame(report: dict[str, Any]) -> None:
    root = ElementTree.fromstring(evaluation_svg(report))
    heights = [float(e.get("cy", 0)) for e in root.iter(f"{SVG}circle")]
    heights += [
        float(point.split(",")[1])
        for line in root.iter(f"{SVG}polyline")
        for point in (line.get("points") or "").split()
    ]
    assert heights
    assert all(0 <= height <= 220 for height in heights)
