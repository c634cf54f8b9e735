"""A sweep in MLflow: all of it as a document, and the best of it in Markdown."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.text import for_markdown

if TYPE_CHECKING:
    from ml_pipeline.leaderboard.board import Leaderboard
    from ml_pipeline.sweeps.swept import Swept

_MOST_ROWS: Final = 20
_MOST_REASONS: Final = 5


def document_of(
    swept: "Swept", board: "Leaderboard", keys: Mapping[tuple[int, AsOf | None], str]
) -> dict[str, Any]:
    """Return a sweep in JSON form, each date of a trial with the key of its run.

    Args:
        swept: what came of it.
        board: how that ranks.
        keys: of runs, by trial and date.
    """
    document = swept.document
    for attempt, told in zip(swept.attempts, document["trials"], strict=True):
        for day, cell in zip(attempt.cells, told["cells"], strict=True):
            cell["key"] = keys.get((attempt.trial.number, day))
    document["ranks"] = [
        {"run_id": row.run_id, "rank": row.rank, "mean": row.mean, "sd": row.sd}
        for group in board.groups
        for row in group.rows
    ]
    return document


def described(swept: "Swept", board: "Leaderboard") -> str:
    """Return what people read first: the plan, the best rows, and what failed."""
    lines = [f"{swept.plan.sentence}."]
    for group in board.groups[:1]:
        names = group.varying
        lines += ["", _row(["rank", *names, f"mean {group.objective.metric}", "dates"])]
        lines.append(_row(["---"] * (len(names) + 3)))
        for row in group.rows[:_MOST_ROWS]:
            mean = f"{row.mean:.6g}" if row.mean is not None else "-"
            values = [str(row.flat.get(name, "")) for name in names]
            lines.append(_row([row.place, *values, mean, str(len(row.known))]))
        if len(group.rows) > _MOST_ROWS:
            lines.append(f"\nand {len(group.rows) - _MOST_ROWS} more, in `sweep.json`")
    reasons = list(swept.failures_by_reason.items())
    for reason, cells in reasons[:_MOST_REASONS]:
        lines.append(f"\n{len(cells)} failed: {for_markdown(reason)}")
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(for_markdown(cell) for cell in cells)} |"
