"""Pictures of an evaluation, drawn without any library.

An SVG string needs no display and no import, and shows wherever HTML does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, Final

_WIDTH: Final = 640
_HEIGHT: Final = 220
_LEFT: Final = 52
_RIGHT: Final = 16
_TOP: Final = 56
_BOTTOM: Final = 38
_INK: Final = "#1f2933"
_FAINT: Final = "#616e7c"
_GRID: Final = "#e4e7eb"
_ACTUAL: Final = "#7b8794"
_PREDICTED: Final = "#0b69c7"
_NAIVE: Final = "#e9a23b"
_TICKS: Final = 4
_DATES: Final = 6


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


@dataclass(frozen=True)
class _Frame:
    """The plotting area: turns values into pixels.

    Attributes:
        lowest: value at the bottom.
        highest: value at the top.
        places: number of places along the x axis.
    """

    lowest: float
    highest: float
    places: int

    def x(self, place: float) -> float:
        """Find the middle of a place, counted from 0."""
        return _LEFT + (place + 0.5) / self.places * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Find the height of a value."""
        share = (value - self.lowest) / (self.highest - self.lowest)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _revenue(report: Mapping[str, Any]) -> str:
    series: Sequence[Mapping[str, Any]] = report["series"]
    metrics = report["metrics"]
    lines = (("naive", _NAIVE, 1.2), ("actual", _ACTUAL, 1.6), ("predicted", _PREDICTED, 2.0))
    values = [point[key] for point in series for key, _, _ in lines]
    ticks = _ticks(min(0.0, *values), max(0.0, *values))
    frame = _Frame(ticks[0], ticks[-1], len(series))
    body = [_rule(frame, tick, _short(tick)) for tick in ticks]
    for place in range(0, len(series), math.ceil(len(series) / _DATES)):
        day = date.fromisoformat(series[place]["day"])
        body.append(_text(frame.x(place), _HEIGHT - _BOTTOM + 14, f"{day.day} {day:%b %Y}"))
    for key, color, width in lines:
        body.append(_polyline(frame, [point[key] for point in series], color, width))
    return _page(
        f"Revenue, MAPE {metrics['mape']:.1%} (naive: {metrics['naive_mape']:.1%})",
        [("actual", _ACTUAL), ("predicted", _PREDICTED), ("naive", _NAIVE)],
        "held-out days",
        body,
    )


def _customers(report: Mapping[str, Any]) -> str:
    series: Sequence[Mapping[str, Any]] = report["series"]
    metrics = report["metrics"]
    highest = max(max(group["rate"], group["predicted"]) for group in series)
    ticks = _ticks(0.0, highest)
    frame = _Frame(ticks[0], ticks[-1], len(series))
    body = [_rule(frame, tick, f"{100 * tick:.3g}%") for tick in ticks]
    half = 0.33 * (frame.x(1) - frame.x(0))
    for place, group in enumerate(series):
        x, top = frame.x(place), frame.y(group["rate"])
        body.append(
            f'<rect x="{x - half:.1f}" y="{top:.1f}" width="{2 * half:.1f}"'
            f' height="{frame.y(0) - top:.1f}" fill="{_PREDICTED}"/>'
        )
        body.append(
            f'<circle cx="{x:.1f}" cy="{frame.y(group["predicted"]):.1f}" r="3.5"'
            f' fill="{_NAIVE}" stroke="#fff"/>'
        )
        body.append(_text(x, _HEIGHT - _BOTTOM + 14, f"{group['lift']:.1f}x"))
    return _page(
        f"Buying again, AUC {metrics['auc']:.3f} (recency alone: {metrics['recency_auc']:.3f})",
        [("bought", _PREDICTED), ("predicted", _NAIVE)],
        "tenths of the customers, likeliest first, and how often they bought against the average",
        body,
    )


def _ticks(lowest: float, highest: float) -> list[float]:
    """Choose round values that enclose a range, about `_TICKS` steps apart."""
    rough = (highest - lowest) / _TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough)
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [place * step for place in range(first, max(last, first + 1) + 1)]


def _short(value: float) -> str:
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{letter}"
    return f"{value:.4g}"


def _rule(frame: _Frame, value: float, label: str) -> str:
    y = frame.y(value)
    return (
        f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_GRID}"/>'
        f"{_text(_LEFT - 6, y + 4, label, anchor='end')}"
    )


def _polyline(frame: _Frame, values: Sequence[float], color: str, width: float) -> str:
    points = [(frame.x(place), frame.y(value)) for place, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    line = (
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"'
        ' stroke-linejoin="round" stroke-linecap="round"/>'
    )
    if len(points) > 1:
        return line
    ((x, y),) = points
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "middle", color: str = _FAINT, size: int = 11
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}"'
        f' font-size="{size}">{escape(text)}</text>'
    )


def _page(title: str, legend: Sequence[tuple[str, str]], caption: str, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(title)}"'
        ' font-family="system-ui, sans-serif">'
    )
    parts = [
        head,
        # White ground of its own: the page behind the picture may be dark.
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="#fff"/>',
        _text(16, 24, title, anchor="start", color=_INK, size=14),
    ]
    x = float(_LEFT)
    for name, color in legend:
        parts.append(f'<rect x="{x:.1f}" y="36" width="10" height="10" rx="2" fill="{color}"/>')
        parts.append(_text(x + 15, 45, name, anchor="start"))
        x += 34 + 7 * len(name)
    parts.extend(body)
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, caption))
    parts.append("</svg>")
    return "\n".join(parts)
