"""A comparison as a page."""

from typing import Final

from ml_pipeline.leaderboard.comparison import Comparison
from ml_pipeline.leaderboard.comparison_report import (
    Table,
    by_date,
    differences,
    notes,
    pictures,
    summary,
)
from ml_pipeline.leaderboard.page import Origin, figure, page, safe, sorting_table, told_row
from ml_pipeline.params.as_of import span

_DATES: Final = "dates"


def comparison_page(comparison: Comparison, origin: Origin) -> str:
    """Return a page: the verdict, the metrics, their pictures, and what differs.

    Args:
        comparison: what to show.
        origin: what it was made from.
    """
    sections = [f"<p class=best>{safe(comparison.verdict)}</p>"]
    tables = (
        (f"Metrics over {span(comparison.dates)}", summary(comparison), "metrics"),
        (f"{comparison.primary.metric} by date", by_date(comparison), _DATES),
        ("What differs", differences(comparison), "differences"),
    )
    sections += [_section(title, table, name) for title, table, name in tables if table[1]]
    sections.insert(2, "".join(map(figure, pictures(comparison))))
    title = f"{comparison.left.name} and {comparison.right.name}"
    return page(title, origin, sections, notes(comparison))


def _section(title: str, told: Table, name: str) -> str:
    columns, rows = told
    table = sorting_table(name, columns, map(told_row, rows), is_sorted=name == _DATES)
    return f'<section><h2 id="{name}">{safe(title)}</h2>{table}</section>'
