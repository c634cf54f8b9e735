"""A comparison as tables for people, as one JSON document, as Markdown and as pictures."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ml_pipeline import svg
from ml_pipeline.leaderboard.comparison import CAUTION, Comparison, Measure
from ml_pipeline.leaderboard.pairing import Which
from ml_pipeline.leaderboard.sides import Side
from ml_pipeline.params.as_of import AsOf, span
from ml_pipeline.text import for_markdown, markdown_table

Table = tuple[list[str], list[list[Any]]]
"""Names of the columns, and values in rows; ``""`` where there is nothing to say."""

_RED: Final = "#c2410c"


def summary(comparison: Comparison) -> Table:
    """Return a row for each metric that both sides have."""
    left, right = _names(comparison)
    columns = ["metric", left, right, "difference", "better", "better at", "worse at", "dates", "p"]
    rows = []
    for measure in comparison.measures:
        which = measure.better
        other: Which = "left" if which == "right" else "right"
        known: list[Any] = [
            measure.metric,
            *measure.means,
            measure.difference,
            comparison.side(which).name if which else None,
            measure.better_at(which) if which else None,
            measure.better_at(other) if which else None,
            len(measure.values),
            measure.p_value,
        ]
        rows.append(["" if value is None else value for value in known])
    return columns, rows


def by_date(comparison: Comparison) -> Table:
    """Return a row for each date, with what the sides are compared by."""
    baseline = comparison.objective.baseline if comparison.baseline else None
    left, right = _names(comparison)
    columns = ["as_of", left, right, "difference", "better", *([baseline] if baseline else [])]
    rows = []
    for line in _lines(comparison):
        better = comparison.side(line["better"]).name if line["better"] else None
        known = [line["as_of"], line["left"], line["right"], line["difference"], better]
        known += [line["baseline"]] if baseline else []
        rows.append(["" if value is None else value for value in known])
    return columns, rows


def differences(comparison: Comparison) -> Table:
    """Return a row for each parameter and each stage's code that differs."""
    found = [("parameter", comparison.parameters), ("code", comparison.codes)]
    rows: list[list[Any]] = [
        [kind, name, *("-" if value is None else value for value in pair)]
        for kind, names in found
        for name, pair in names.items()
    ]
    return ["what differs", "name", *_names(comparison)], rows


def notes(comparison: Comparison) -> Iterator[str]:
    """Yield what to say below: what was left out, what makes it, and how to read the rest."""
    for why, days in comparison.pairing.left_out.items():
        yield f"Left out: {why} at {span(days)}."
    for which, days in comparison.pairing.missing.items():
        name = _name(comparison, which)
        yield f"`{comparison.side(which).command(days)}` makes what {name} lacks."
    for caution in comparison.cautions:
        yield f"{caution[0].upper()}{caution[1:]}."
    if any(measure.p_value is not None for measure in comparison.measures):
        yield CAUTION


def pictures(comparison: Comparison) -> list[str]:
    """Return both sides over the dates, and their difference, as SVG; none for a single date."""
    days = [day for day in comparison.dates if day is not None]
    if len(days) < 2:
        return []
    measure, (left, right) = comparison.primary, _names(comparison)
    sides: list[list[float | None]] = [
        list(side) for side in zip(*measure.values.values(), strict=True)
    ]
    lines = [svg.Line(left, sides[0], svg.BLUE), svg.Line(right, sides[1], _RED)]
    naive = comparison.baseline
    if naive and comparison.objective.baseline is not None:
        lines.append(svg.Line(comparison.objective.baseline, naive, svg.AMBER, dash="5 4"))
    title = f"{measure.metric} ({measure.direction}) over the dates"
    apart = [
        svg.Line(f"{right} minus {left}", list(measure.differences), _RED),
        svg.Line("no difference", [0.0] * len(days), svg.FAINT, dash="5 4"),
    ]
    drawn = [
        svg.over_days(title, days, lines),
        svg.over_days(f"Difference of {measure.metric}", days, apart),
    ]
    return [picture for picture in drawn if picture is not None]


def document(comparison: Comparison) -> dict[str, Any]:
    """Return everything as one JSON document."""
    pairing = comparison.pairing
    return {
        "verdict": comparison.verdict,
        "better": comparison.primary.better,
        "p_value": comparison.primary.p_value,
        "favoured": comparison.primary.favoured,
        **comparison.objective.model_dump(),
        "left": _side(comparison.left, comparison.dates),
        "right": _side(comparison.right, comparison.dates),
        "dates": [_iso(day) for day in comparison.dates],
        "values": list(_lines(comparison)),
        "metrics": [_measure(measure) for measure in comparison.measures],
        "parameters": {name: list(pair) for name, pair in comparison.parameters.items()},
        "code": {name: list(pair) for name, pair in comparison.codes.items()},
        "left_out": {why: [_iso(day) for day in days] for why, days in pairing.left_out.items()},
        "missing": [
            {
                "side": which,
                "dates": [_iso(day) for day in days],
                "command": comparison.side(which).command(days),
            }
            for which, days in pairing.missing.items()
        ],
        "cautions": list(comparison.cautions),
    }


def markdown(comparison: Comparison) -> str:
    """Return the verdict and all tables for places that show Markdown."""
    parts = [f"**{for_markdown(comparison.verdict)}**\n"]
    for columns, rows in (summary(comparison), by_date(comparison), differences(comparison)):
        if rows:
            parts.append(markdown_table(columns, rows))
    return "\n".join([*parts, *map(for_markdown, notes(comparison))])


def _lines(comparison: Comparison) -> Iterator[dict[str, Any]]:
    measure = comparison.primary
    naive = comparison.baseline or [None] * len(comparison.dates)
    pairs = zip(measure.values.items(), naive, strict=True)
    for ((day, (left, right)), beside), difference in zip(pairs, measure.differences, strict=True):
        yield {
            "as_of": _iso(day),
            "left": left,
            "right": right,
            "difference": difference,
            "better": measure.better_of(difference),
            "baseline": beside,
        }


def _side(side: Side, dates: Sequence[AsOf | None]) -> dict[str, Any]:
    return {
        "side": side.name,
        "environment": side.environment,
        "store": side.store,
        "key": side.key,
        "params": {group: dict(values) for group, values in side.params.items()},
        "run_ids": {_iso(day): side.cells[day].run_id for day in dates},
    }


def _measure(measure: Measure) -> dict[str, Any]:
    left, right = measure.means
    return {
        "metric": measure.metric,
        "direction": measure.direction,
        "left": left,
        "right": right,
        "difference": measure.difference,
        "better": measure.better,
        "left_better_at": measure.better_at("left"),
        "right_better_at": measure.better_at("right"),
        "dates": len(measure.values),
        "p_value": measure.p_value,
        "favoured": measure.favoured,
    }


def _names(comparison: Comparison) -> tuple[str, str]:
    """Return what the sides are called in tables, where columns differ in name."""
    return _name(comparison, "left"), _name(comparison, "right")


def _name(comparison: Comparison, which: Which) -> str:
    name = comparison.side(which).name
    is_plain = comparison.left.name != comparison.right.name
    return name if is_plain else f"{which}: {name}"


def _iso(day: AsOf | None) -> str | None:
    return str(day) if day is not None else None
