"""Pictures of an evaluation."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from ml_pipeline import svg
from ml_pipeline.pipeline.diagnostics import Curve, Importance, importances, roc
from ml_pipeline.pipeline.evaluation import Judged

_STEPS: Final = 1000
_MOST_FEATURES: Final = 12
_ROW: Final = 20


def evaluation_pictures(judged: Judged, model: Any) -> dict[str, str]:
    """Draw what an evaluation found, from all sides.

    Args:
        judged: what came of it.
        model: what was judged.

    Returns:
        Self-contained SVGs by name, the one that says most first.
    """
    report = judged.report
    found = {"result": evaluation_svg(report)}
    if report["dataset"] == "orders":
        found["residuals over time"] = residuals_svg(report)
    else:
        bought = judged.heldout["target"].to_numpy()
        recency = -judged.heldout["days_since_last"].to_numpy().astype("float64")
        curves = {"model": roc(bought, judged.predicted), "recency alone": roc(bought, recency)}
        found["ROC"] = roc_svg(report, curves)
        found["calibration"] = calibration_svg(report)
    if important := importances(model, judged.heldout, report["dataset"]):
        found["importance of features"] = importance_svg(report, important)
    return found


def evaluation_svg(report: Mapping[str, Any]) -> str:
    """Draw what an evaluation found.

    Args:
        report: what `evaluate` returned.

    Returns:
        A self-contained SVG, legible on light and dark pages: for orders the revenue of the
        held-out days, actual, predicted and naive; for customers the share that bought in each
        tenth, likeliest first, and what was predicted.
    """
    draw = _revenue if report["dataset"] == "orders" else _customers
    return draw(report)


def _revenue(report: Mapping[str, Any]) -> str:
    series: Sequence[Mapping[str, Any]] = report["series"]
    metrics = report["metrics"]
    lines = (("naive", svg.AMBER, 1.2), ("actual", svg.GREY, 1.6), ("predicted", svg.BLUE, 2.0))
    values = [point[key] for point in series for key, _, _ in lines]
    ticks = svg.ticks(min(0.0, *values), max(0.0, *values))
    frame = svg.Frame(ticks[0], ticks[-1], len(series))
    body = [svg.rule(frame, tick, svg.short(tick)) for tick in ticks]
    body += svg.days(frame, [date.fromisoformat(point["day"]) for point in series])
    for key, color, width in lines:
        body.append(svg.polyline(frame, [point[key] for point in series], color, width))
    return svg.page(
        frame,
        f"Revenue, MAPE {metrics['mape']:.1%} (naive: {metrics['naive_mape']:.1%})",
        body,
        legend=[("actual", svg.GREY), ("predicted", svg.BLUE), ("naive", svg.AMBER)],
        caption="held-out days",
    )


def _customers(report: Mapping[str, Any]) -> str:
    series: Sequence[Mapping[str, Any]] = report["series"]
    metrics = report["metrics"]
    highest = max(max(group["rate"], group["predicted"]) for group in series)
    ticks = svg.ticks(0.0, highest)
    frame = svg.Frame(ticks[0], ticks[-1], len(series))
    body = [svg.rule(frame, tick, f"{100 * tick:.3g}%") for tick in ticks]
    half = 0.33 * (frame.x(1) - frame.x(0))
    for place, group in enumerate(series):
        x, top = frame.x(place), frame.y(group["rate"])
        body.append(svg.box(x - half, top, 2 * half, frame.y(0) - top, svg.BLUE))
        body.append(svg.dot(x, frame.y(group["predicted"]), svg.AMBER, 3.5, ring="#fff"))
        body.append(svg.below(frame, place, f"{group['lift']:.1f}x"))
    return svg.page(
        frame,
        f"Buying again, AUC {metrics['auc']:.3f} (recency alone: {metrics['recency_auc']:.3f})",
        body,
        legend=[("bought", svg.BLUE), ("predicted", svg.AMBER)],
        caption="tenths of the customers, likeliest first, and how often they bought against the"
        " average",
    )


def residuals_svg(report: Mapping[str, Any]) -> str:
    """Draw by how much forecasts were too high or too low, day by day."""
    series: Sequence[Mapping[str, Any]] = report["series"]
    errors = {
        key: [point[key] - point["actual"] for point in series] for key in ("predicted", "naive")
    }
    values = [0.0, *errors["predicted"], *errors["naive"]]
    ticks = svg.ticks(min(values), max(values))
    frame = svg.Frame(ticks[0], ticks[-1], len(series))
    body = [svg.rule(frame, tick, svg.short(tick)) for tick in ticks]
    body += svg.days(frame, [date.fromisoformat(point["day"]) for point in series])
    body.append(svg.polyline(frame, errors["naive"], svg.AMBER, 1.2))
    half = 0.36 * (frame.x(1) - frame.x(0))
    for place, error in enumerate(errors["predicted"]):
        top, bottom = sorted((frame.y(error), frame.y(0)))
        body.append(svg.box(frame.x(place) - half, top, 2 * half, bottom - top, svg.BLUE))
    bias = report["metrics"]["bias"]
    return svg.page(
        frame,
        f"Forecast less actual, on average {svg.short(bias)}",
        body,
        legend=[("predicted", svg.BLUE), ("naive", svg.AMBER)],
        caption="held-out days",
    )


def roc_svg(report: Mapping[str, Any], curves: Mapping[str, Curve]) -> str:
    """Draw how many buyers are found for how many others."""
    colors = dict(zip(curves, (svg.BLUE, svg.AMBER), strict=False))
    frame = _square()
    body = [*_shares(frame), _diagonal(frame, 1.0)]
    for name, curve in reversed(list(curves.items())):
        body.append(_curve(frame, curve, colors[name], 1.0))
    return svg.page(
        frame,
        f"ROC, AUC {report['metrics']['auc']:.3f}",
        body,
        legend=list(colors.items()),
        caption="share of the others taken for buyers; up: share of the buyers found",
    )


def calibration_svg(report: Mapping[str, Any]) -> str:
    """Draw how often customers bought against how likely that was thought."""
    series: Sequence[Mapping[str, Any]] = report["series"]
    points = sorted((group["predicted"], group["rate"]) for group in series)
    highest = svg.ticks(0.0, max(max(point) for point in points))[-1]
    frame = _square(highest)
    body = [*_shares(frame, highest), _diagonal(frame, highest)]
    body.append(_curve(frame, points, svg.BLUE, highest))
    body += [
        svg.dot(frame.x(_place(x, highest)), frame.y(y), svg.BLUE, 3.5, ring="#fff")
        for x, y in points
    ]
    return svg.page(
        frame,
        f"Calibration, Brier score {report['metrics']['brier']:.4f}",
        body,
        legend=[("tenths of the customers", svg.BLUE), ("as predicted", svg.GREY)],
        caption="predicted share of buyers; up: share that bought",
    )


def importance_svg(report: Mapping[str, Any], important: Sequence[Importance]) -> str:
    """Draw how much worse the model is without each of the most important features."""
    shown = important[:_MOST_FEATURES]
    most = max((one.loss for one in shown), default=0.0)
    frame = svg.Frame(0.0, 1.0, 1, height=76 + _ROW * len(shown), left=190, right=70)
    width = frame.width - frame.left - frame.right
    body = []
    for row, one in enumerate(shown):
        y = 44 + _ROW * row
        wide = max(0.0, one.loss) / most * width if most > 0 else 0.0
        body.append(svg.text(frame.left - 8, y + 12, one.feature, anchor="end"))
        body.append(svg.box(frame.left, y + 2, wide, _ROW - 6, svg.BLUE))
        label = svg.short(round(one.loss, 5))
        body.append(svg.text(frame.left + wide + 6, y + 12, label, anchor="start"))
    measure = "AUC" if report["dataset"] == "customers" else "error as a share of the revenue"
    more = len(important) - len(shown)
    return svg.page(
        frame,
        "Importance of features" + (f", {more} more" if more else ""),
        body,
        caption=f"how much worse the {measure} gets when a feature is shuffled",
    )


def _square(highest: float = 1.0) -> svg.Frame:
    return svg.Frame(0.0, highest, _STEPS, width=440, height=380)


def _place(value: float, highest: float) -> float:
    """Return where a value is along the x axis."""
    return value / highest * _STEPS - 0.5


def _shares(frame: svg.Frame, highest: float = 1.0) -> list[str]:
    """Write shares along both axes."""
    ticks = svg.ticks(0.0, highest)
    body = [svg.rule(frame, tick, f"{100 * tick:.3g}%") for tick in ticks]
    return body + [svg.below(frame, _place(tick, highest), f"{100 * tick:.3g}%") for tick in ticks]


def _diagonal(frame: svg.Frame, highest: float) -> str:
    ends = [(0.0, 0.0), (highest, highest)]
    return _curve(frame, ends, svg.GREY, highest, width=1.0, dash="4 4")


def _curve(
    frame: svg.Frame,
    points: Sequence[tuple[float, float]],
    color: str,
    highest: float,
    width: float = 2.0,
    dash: str = "",
) -> str:
    places = [_place(x, highest) for x, _ in points]
    return svg.polyline(frame, [y for _, y in points], color, width, dash, places)
