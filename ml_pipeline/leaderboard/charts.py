"""Pictures of a leaderboard's group: over dates, by parameter, and what matters."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ml_pipeline import svg
from ml_pipeline.leaderboard.groups import Group
from ml_pipeline.leaderboard.importance import parameter_importance
from ml_pipeline.leaderboard.rows import Row
from ml_pipeline.text import written

_LINES: Final = (svg.BLUE, "#12805c", "#a23b9e", "#c2410c", "#475569")
_MOST_LINES: Final = 200
_MOST_STEPS: Final = 12
_NAME: Final = 28


def charts(group: Group) -> list[str]:
    """Return the pictures that a group has something to show in, as SVG."""
    drawn = [over_dates(group), by_parameter(group), importance(group)]
    return [picture for picture in drawn if picture is not None]


def over_dates(group: Group, most: int = 3) -> str | None:
    """Draw the metric of the best rows and of the baseline over the dates compared.

    Returns:
        None where fewer than two dates are compared.
    """
    days = [day for day in group.dates if day is not None]
    if len(days) < 2:
        return None
    rows = (group.ranked or list(group.rows))[:most]
    lines = [
        svg.Line(f"{row.place} {_told(row, group)}", list(row.values.values()), color)
        for row, color in zip(rows, _LINES, strict=False)
    ]
    if group.objective.baseline is not None:
        naive = list(group.baseline.values())
        lines.append(svg.Line(group.objective.baseline, naive, svg.AMBER, dash="5 4"))
    return svg.over_days(f"{group.title}: the best over the dates", days, lines)


def importance(group: Group) -> str | None:
    """Draw how much each parameter matters; None where there is too little to tell."""
    shares = parameter_importance(group)
    if not shares:
        return None
    left = _margin(shares)
    frame = svg.Frame(0, 1, 1, height=62 + 24 * len(shares), left=left, right=60, top=40, bottom=22)
    body = []
    for place, (name, share) in enumerate(shares.items()):
        y = frame.top + 24 * place
        width = share * (frame.width - frame.left - frame.right)
        body.append(svg.box(frame.left, y, max(width, 1), 16, svg.BLUE))
        body.append(svg.text(frame.left - 8, y + 12, _cut(name), anchor="end"))
        body.append(svg.text(frame.left + width + 6, y + 12, f"{share:.0%}", anchor="start"))
    title = f"What matters for {group.objective.metric}"
    caption = f"share of the variance of the {len(group.ranked)} means that each explains alone"
    return svg.page(frame, title, body, caption=caption)


def by_parameter(group: Group) -> str | None:
    """Draw the mean by the values of the parameters: a heat map for two, else one line a row.

    Returns:
        None where no parameter varies, or fewer than two rows are ranked.
    """
    rows = group.ranked
    if len(rows) < 2 or not group.varying:
        return None
    if len(group.varying) == 2:
        levels = [_levels(rows, name) for name in group.varying]
        if max(map(len, levels)) <= _MOST_STEPS:
            return heat_map(group, *group.varying)
    return parallel_coordinates(group)


def heat_map(group: Group, across: str, up: str) -> str:
    """Draw the mean as the color of a cell, for two parameters; the best has a ring."""
    rows = group.ranked
    columns, lines = _levels(rows, across), _levels(rows, up)
    shade = _Shade(group)
    left = _margin([_told_value(value) for value in [*lines, up]])
    frame = svg.Frame(0, 1, len(columns), height=94 + 28 * len(lines), left=left, top=46, bottom=48)
    width = frame.x(1) - frame.x(0) if len(columns) > 1 else frame.width - left - frame.right
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        best.setdefault((repr(row.flat.get(across)), repr(row.flat.get(up))), row)
    body = [svg.text(left - 8, frame.top - 6, _cut(up), anchor="end", color=svg.INK)]
    for line, below in enumerate(reversed(lines)):
        y = frame.top + 28.0 * line
        body.append(svg.text(left - 8, y + 18, _told_value(below), anchor="end"))
        for place, beside in enumerate(columns):
            found = best.get((repr(beside), repr(below)))
            if found is None or found.mean is None:
                continue
            told = f"{_told(found, group)}: {found.mean:.6g}"
            x = frame.x(place) - width / 2
            ground = shade.color(found.mean)
            body.append(svg.box(x + 1, y + 1, width - 2, 26, ground, told))
            label = f"{found.mean:.4g}" + (" ★" if found.rank == 1 else "")
            body.append(svg.text(frame.x(place), y + 18, label, color=svg.ink_on(ground)))
    body += [
        svg.below(frame, place, _told_value(value))
        for place, value in enumerate(columns)
        if place % math.ceil(len(columns) / _MOST_STEPS) == 0
    ]
    title = f"Mean {group.objective.metric} by {across} and {up}"
    return svg.page(frame, title, body, caption=f"{across}; darker is better")


def parallel_coordinates(group: Group) -> str:
    """Draw a line for each row through its parameters to its mean, the best on top."""
    rows = _spread(group.ranked, _MOST_LINES)
    shade = _Shade(group)
    axes = [_Axis(name, rows) for name in group.varying]
    frame = svg.Frame(0, 1, len(axes) + 1, width=max(640, 110 * (len(axes) + 1)), height=320)
    means = [row.mean or 0.0 for row in rows]
    lowest, highest = min(means), max(means)
    sign = 1 if group.objective.direction == "maximize" else -1

    def height(mean: float) -> float:
        share = (mean - lowest) / (highest - lowest) if highest > lowest else 0.5
        return share if sign > 0 else 1 - share

    body = []
    for row in reversed(rows):
        mean = row.mean or 0.0
        values = [*(axis.at(row) for axis in axes), height(mean)]
        weight = 2.6 if row.rank == 1 else 1.1
        body.append(svg.polyline(frame, values, shade.color(mean), weight))
    for place, axis in enumerate(axes):
        body += _axis(frame, place, axis.name, axis.marks)
    ends = ((height(lowest), svg.short(lowest)), (height(highest), svg.short(highest)))
    body += _axis(frame, len(axes), f"mean {group.objective.metric}", ends)
    shown = len(rows)
    some = f"{shown} of {len(group.ranked)} rows" if shown < len(group.ranked) else f"{shown} rows"
    return svg.page(
        frame, f"{group.title}: parameters", body, caption=f"{some}; darker is better, up is better"
    )


class _Axis:
    """Where the values of a parameter are on its axis, from 0 to 1."""

    def __init__(self, name: str, rows: Sequence[Row]) -> None:
        self.name = name
        levels = _levels(rows, name)
        self.is_number = all(_is_number(value) for value in levels)
        if self.is_number:
            self.is_log = levels[0] > 0 and levels[-1] / levels[0] >= 50
            ends = [self._scaled(levels[0]), self._scaled(levels[-1])]
            self.low, self.high = ends
        self.places = {repr(value): place for place, value in enumerate(levels)}
        if self.is_number and len(levels) > _MOST_STEPS:
            levels = [levels[0], levels[-1]]
        self.marks = [
            (self._share(value), _told_value(value)) for value in _spread(levels, _MOST_STEPS)
        ]

    def at(self, row: Row) -> float:
        """Return the place of a row."""
        return self._share(row.flat.get(self.name))

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.is_log else float(value)

    def _share(self, value: Any) -> float:
        if self.is_number:
            span = self.high - self.low
            return (self._scaled(value) - self.low) / span if span else 0.5
        most = len(self.places) - 1
        return self.places[repr(value)] / most if most else 0.5


class _Shade:
    """The color of a mean: the better, the darker."""

    def __init__(self, group: Group) -> None:
        means = [row.mean for row in group.ranked if row.mean is not None]
        self.is_low_better = group.objective.direction == "minimize"
        self.low, self.high = min(means), max(means)

    def share(self, mean: float) -> float:
        """Return how good a mean is, from 0 to 1."""
        if self.high == self.low:
            return 1.0
        share = (mean - self.low) / (self.high - self.low)
        return 1 - share if self.is_low_better else share

    def color(self, mean: float) -> str:
        """Return a blue between pale and dark."""
        pale, dark = (214, 230, 244), (8, 64, 129)
        # The best few matter: give them more of the range than the rest.
        share = self.share(mean) ** 2
        mixed = (round(p + share * (d - p)) for p, d in zip(pale, dark, strict=True))
        return "#" + "".join(f"{part:02x}" for part in mixed)


def _axis(frame: svg.Frame, place: int, name: str, marks: Sequence[tuple[float, str]]) -> list[str]:
    x = frame.x(place)
    return [
        f'<path d="M{x:.1f} {frame.top}V{frame.floor}" stroke="{svg.FAINT}"/>',
        svg.text(x, frame.top - 10, _cut(name), color=svg.INK),
        *(
            svg.text(x + 5, frame.y(share) + 4, label, anchor="start", halo=True)
            for share, label in marks
        ),
    ]


def _levels(rows: Sequence[Row], name: str) -> list[Any]:
    """Return the values of a parameter in order, numbers before anything else."""
    found = {repr(row.flat.get(name)): row.flat.get(name) for row in rows}
    return sorted(
        found.values(), key=lambda value: (0, value) if _is_number(value) else (1, str(value))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """Return items at even distances, the first and the last among them, at most so many."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _told(row: Row, group: Group) -> str:
    """Say what makes a row differ."""
    told = ", ".join(f"{name}={_told_value(row.flat.get(name))}" for name in group.varying)
    return _cut(told or row.key, 60)


def _told_value(value: Any) -> str:
    return svg.short(value) if _is_number(value) else _cut(written(value))


def _cut(text: str, most: int = _NAME) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _margin(labels: Sequence[str] | Mapping[str, Any]) -> int:
    return min(210, 24 + 7 * max((len(_cut(label)) for label in labels), default=0))
