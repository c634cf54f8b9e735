"""Pictures of an evaluation."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from ml_pipeline import svg


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
