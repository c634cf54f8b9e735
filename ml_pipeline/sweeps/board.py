"""The leaderboard of one sweep: its own cells, the failed and missing ones included."""

from dataclasses import replace

from ml_pipeline.leaderboard.board import Leaderboard, leaderboard
from ml_pipeline.leaderboard.cells import Cell, failed_cell
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.sweeps.swept import Swept


def board_of(swept: Swept, pipeline: Pipeline) -> Leaderboard:
    """Rank what a sweep tried.

    Args:
        swept: what came of it.
        pipeline: its stages.
    """
    cells: list[Cell] = []
    for attempt in swept.attempts:
        blank = failed_cell(pipeline, attempt.trial.params, None, "it was not run")
        cells += [
            replace(
                blank,
                as_of=cell.as_of,
                metrics=cell.metrics,
                seconds=cell.seconds,
                run_id=cell.run_id,
                error=cell.error,
            )
            for cell in attempt.cells.values()
        ]
    chosen = swept.objective
    if chosen is None:
        return leaderboard(cells, dates=swept.dates, in_order=pipeline.keys.order)
    return leaderboard(
        cells, chosen.metric, chosen.direction, swept.dates, in_order=pipeline.keys.order
    )
