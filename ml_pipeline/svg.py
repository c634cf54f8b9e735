"""Pictures drawn without any library: a plotting area, its scale, and what stands in it.

An SVG string needs no display and no import, and shows wherever HTML does.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from typing import Final

from ml_pipeline.text import for_terminal

INK: Final = "#1f2933"
FAINT: Final = "#616e7c"
GRID: Final = "#e4e7eb"
GREY: Final = "#7b8794"
BLUE: Final = "#0b69c7"
AMBER: Final = "#e9a23b"

_TICKS: Final = 4
_DATES: Final = 6
_LONGEST_DAY: Final = 16


@dataclass(frozen=True)
class Frame:
    """The plotting area: turns values into pixels.

    Attributes:
        lowest: value at the bottom.
        highest: value at the top.
        places: number of places along the x axis.
        width: of the whole picture, in pixels.
        height: of the whole picture, in pixels.
        left: margin that the labels of the y axis need.
    """

    lowest: float
    highest: float
    places: int
    width: int = 640
    height: int = 220
    left: int = 52
    right: int = 16
    top: int = 56
    bottom: int = 38

    def x(self, place: float) -> float:
        """Find the middle of a place, counted from 0."""
        return self.left + (place + 0.5) / self.places * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Find the height of a value."""
        share = (value - self.lowest) / (self.highest - self.lowest)
        return self.floor - share * (self.floor - self.top)

    @property
    def floor(self) -> int:
        """The y of the lowest value."""
        return self.height - self.bottom


@dataclass(frozen=True)
class Line:
    """A named line over the places of a frame; None where it has no value."""

    name: str
    values: Sequence[float | None]
    color: str
    width: float = 2.0
    dash: str = ""


def ticks(lowest: float, highest: float) -> list[float]:
    """Choose round values that enclose a range, about four steps apart."""
    # A range that is next to nothing beside its values has no round numbers in it.
    least = 1e-9 * max(abs(lowest), abs(highest))
    span = highest - lowest
    rough = span / _TICKS if span > least else max(abs(highest), 1.0) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough)
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [place * step for place in range(first, max(last, first + 1) + 1)]


def short(value: float) -> str:
    """Write a number in few characters."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{letter}"
    return f"{value:.4g}"


def rule(frame: Frame, value: float, label: str) -> str:
    """Draw a line across the area at a value, with its label."""
    y = frame.y(value)
    return (
        f'<path d="M{frame.left} {y:.1f}H{frame.width - frame.right}" stroke="{GRID}"/>'
        f"{text(frame.left - 6, y + 4, label, anchor='end')}"
    )


def days(frame: Frame, along: Sequence[date | str]) -> list[str]:
    """Write some of the days, or of what is in their stead, below their places."""
    return [
        below(frame, place, _day(along[place]))
        for place in range(0, len(along), math.ceil(len(along) / _DATES))
    ]


def _day(along: date | str) -> str:
    if isinstance(along, date):
        return f"{along.day} {along:%b %Y}"
    return along if len(along) <= _LONGEST_DAY else f"{along[: _LONGEST_DAY - 3]}..."


def below(frame: Frame, place: float, label: str) -> str:
    """Write a label below a place."""
    return text(frame.x(place), frame.floor + 14, label)


def calendar(frame: Frame, first: date, last: date) -> list[str]:
    """Write some days at even distances below their places, where every day has one."""
    count = (last - first).days + 1
    along = [first + timedelta(days=place) for place in range(count)]
    return days(frame, along)


def polyline(
    frame: Frame,
    values: Sequence[float | None],
    color: str,
    width: float,
    dash: str = "",
    places: Sequence[float] | None = None,
) -> str:
    """Draw a line through values, broken where there is none.

    Args:
        frame: the plotting area.
        values: one for each place.
        color: of the line.
        width: of the line, in pixels.
        dash: lengths of dashes and gaps, for a dashed line.
        places: where the values are; one after the other if omitted.
    """
    pieces: list[list[tuple[float, float]]] = [[]]
    for place, value in zip(places or range(len(values)), values, strict=True):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((frame.x(place), frame.y(value)))
    return "".join(_piece(piece, color, width, dash) for piece in pieces if piece)


def _piece(points: Sequence[tuple[float, float]], color: str, width: float, dash: str) -> str:
    if len(points) == 1:
        return dot(*points[0], color, 4)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"'
        f' stroke-linejoin="round" stroke-linecap="round"{dashed}/>'
    )


def dot(x: float, y: float, color: str, radius: float, ring: str = "") -> str:
    """Draw a point, with a ring around it if it should stand out."""
    ringed = f' stroke="{ring}"' if ring else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{color}"{ringed}/>'


def box(x: float, y: float, width: float, height: float, color: str, title: str = "") -> str:
    """Fill a rectangle; the title shows when a pointer rests on it."""
    shape = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"'
    )
    return f"{shape}><title>{_legible(title)}</title></rect>" if title else f"{shape}/>"


def text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "middle",
    color: str = FAINT,
    size: int = 11,
    halo: bool = False,
) -> str:
    """Write a line of text; with a halo it is legible over lines."""
    behind = ' stroke="#fff" stroke-width="3" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}"'
        f' font-size="{size}"{behind}>{_legible(text)}</text>'
    )


def ink_on(color: str) -> str:
    """Return black or white, whichever is easier to read on a color such as ``#0b69c7``."""
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    # Relative luminance as the guidelines for accessible pages have it, but for a rounded power.
    light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#000000" if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else "#ffffff"


def _legible(text: str) -> str:
    """Return text that is XML and does nothing."""
    return escape(for_terminal(" ".join(text.split())))


def legend_rows(
    legend: Iterable[tuple[str, str]], frame: Frame | None = None
) -> list[list[tuple[float, str, str]]]:
    """Arrange a legend in as many lines as it needs.

    Args:
        legend: name and color of each entry.
        frame: the picture's; one of the usual width if omitted.

    Returns:
        For each line, ``(x, name, color)`` of its entries.
    """
    left, width = (frame.left, frame.width) if frame is not None else (Frame.left, Frame.width)
    lines: list[list[tuple[float, str, str]]] = []
    x = float(left)
    for name, color in legend:
        wide = 34 + 7.0 * len(name)
        if not lines or x + wide > width:
            lines.append([])
            x = float(left)
        lines[-1].append((x, name, color))
        x += wide
    return lines


def page(
    frame: Frame,
    title: str,
    body: Iterable[str],
    legend: Iterable[tuple[str, str]] = (),
    caption: str = "",
) -> str:
    """Put a picture together.

    Args:
        frame: its plotting area.
        title: what it shows.
        body: what stands in it.
        legend: name and color of what it shows.
        caption: a line below.

    Returns:
        A self-contained SVG, legible on light and dark pages.
    """
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {frame.width} {frame.height}"'
        f' width="{frame.width}" height="{frame.height}" role="img" aria-label="{_legible(title)}"'
        ' font-family="system-ui, sans-serif">'
    )
    parts = [
        head,
        # White ground of its own: the page behind the picture may be dark.
        f'<rect width="{frame.width}" height="{frame.height}" rx="8" fill="#fff"/>',
        text(16, 24, title, anchor="start", color=INK, size=14),
    ]
    for line, entries in enumerate(legend_rows(legend, frame)):
        for x, name, color in entries:
            y = 36 + 16 * line
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="10" height="10" rx="2" fill="{color}"/>'
            )
            parts.append(text(x + 15, y + 9, name, anchor="start"))
    parts.extend(body)
    if caption:
        middle = (frame.left + frame.width - frame.right) / 2
        parts.append(text(middle, frame.height - 8, caption))
    parts.append("</svg>")
    return "\n".join(parts)


def over_days(title: str, along: Sequence[date | str], lines: Sequence[Line]) -> str | None:
    """Draw lines over days, as far apart as they are, on a scale that fits the values.

    What is no day has a place like any other, as have days that are in another order.

    Args:
        title: what it shows.
        along: the days in order; those between that are not among them have a place as well.
        lines: their values at these days.

    Returns:
        None where there is no value at all.
    """
    known = [value for line in lines for value in line.values if value is not None]
    if not known:
        return None
    marks = ticks(min(known), max(known))
    legend = [(line.name, line.color) for line in lines if any(v is not None for v in line.values)]
    rows = len(legend_rows(legend))
    dates = [day for day in along if isinstance(day, date)]
    is_calendar = len(dates) == len(along) and dates == sorted(dates)
    if is_calendar:
        places = [float((day - dates[0]).days) for day in dates]
    else:
        places = [float(place) for place in range(len(along))]
    count = int(places[-1]) + 1
    frame = Frame(marks[0], marks[-1], count, height=226 + 16 * rows, top=46 + 16 * rows)
    body = [rule(frame, mark, short(mark)) for mark in marks]
    body += calendar(frame, dates[0], dates[-1]) if is_calendar else days(frame, along)
    for line in reversed(lines):
        body.append(polyline(frame, line.values, line.color, line.width, line.dash, places))
        if count > len(along):
            # A line says nothing of the days that it only crosses.
            body += [
                dot(frame.x(place), frame.y(value), line.color, 3)
                for place, value in zip(places, line.values, strict=True)
                if value is not None
            ]
    return page(frame, title, body, legend=legend)
