"""A leaderboard as a page: a table for each group, and pictures."""

from html import escape

from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.leaderboard.charts import charts
from ml_pipeline.leaderboard.groups import Group
from ml_pipeline.leaderboard.page import Origin, cells, figure, page, safe, sorting_table
from ml_pipeline.leaderboard.report import Repeat, about, notes, table
from ml_pipeline.text import in_full


def html(
    board: Leaderboard,
    repeat: Repeat,
    origin: Origin,
    most: int | None = None,
    title: str = "Leaderboard",
) -> str:
    """Return a page.

    Args:
        board: what to show.
        repeat: how rows are run again.
        origin: what it was made from.
        most: rows to show of each table; all of them if omitted.
        title: what the page is called.
    """
    sections = [_section(group, place, repeat, most) for place, group in enumerate(board.groups)]
    return page(title, origin, sections, notes(board))


def _section(group: Group, place: int, repeat: Repeat, most: int | None) -> str:
    columns, rows = table(group, most)
    lines = []
    for number, (row, values) in enumerate(zip(group.rows, rows, strict=False)):
        again = (
            f'<a href="{escape(repeat.link(row, group))}">launchpad</a>'
            f"<details><summary>command</summary><code>{safe(repeat.command(row, group))}</code>"
            "</details>"
        )
        kind = "best" if row.rank == 1 else "unranked" if row.rank is None else ""
        lines.append(
            f'<tr class="{kind}"><th scope="row" data-number="{number}">{safe(values[0])}</th>'
            f"{cells(values[1:])}<td>{again}</td></tr>"
        )
    shared = ", ".join(f"{name}={in_full(value)}" for name, value in group.constant.items())
    pictures = "".join(map(figure, charts(group)))
    heading = f"group-{place + 1}"
    # Rows come in the order of their ranks.
    return (
        f'<section><h2 id="{heading}">{safe(group.title)}</h2>'
        f"<p>{safe(about(group, most))}</p>{sorting_table(heading, columns, lines, 'run again')}"
        f"<p class=note>All rows: {safe(shared)}</p>{pictures}</section>"
    )
