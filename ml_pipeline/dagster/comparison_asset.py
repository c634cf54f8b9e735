"""A comparison of two environments, runs or parameter sets, as an asset.

What only a run needs is imported by it: every process of Dagster imports this module.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.metadata import picture
from ml_pipeline.dagster.private_ops import check_config
from ml_pipeline.dagster.reports import bound, kept, writable
from ml_pipeline.dagster.run_config import REFUSED, STOPPED
from ml_pipeline.dagster.stages import asset_key
from ml_pipeline.launch.names import names_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.environments import Stores
from ml_pipeline.text import written

if TYPE_CHECKING:
    from ml_pipeline.leaderboard.comparison import Comparison
    from ml_pipeline.leaderboard.side_names import SideName
    from ml_pipeline.leaderboard.sides import Sides
    from ml_pipeline.store.record import Direction


class ComparisonConfig(dg.Config):
    """What to compare; nothing if neither side is set."""

    left: str | None = Field(
        default=None,
        description="an environment, @ENVIRONMENT for what was promoted to it, the beginning of a"
        " run id, or parameters like NAME=0.1,OTHER=3; with @ENVIRONMENT behind, in"
        " that environment",
    )
    right: str | None = Field(default=None, description="what to compare it with, in the same form")
    from_date: str | None = Field(default=None, description="first date to compare")
    to_date: str | None = Field(default=None, description="last date to compare")
    metric: str | None = Field(
        default=None,
        description="compare by this metric, like wape:minimize, and not by the declared one",
    )


@dataclass(frozen=True)
class _Request:
    """What is compared, read and validated; nothing of a store is read for it."""

    sides: "Sides"
    left: "SideName"
    right: "SideName"
    metric: str | None
    direction: "Direction | None"


def comparison_asset(
    pipeline: Pipeline, calendar: Calendar, stores: Stores, group_name: str
) -> dg.AssetsDefinition:
    """Return the asset that sets two sides beside each other, date by date.

    Its config is refused at launch like parameters are.

    Args:
        pipeline: the stages.
        calendar: the partitions that results are as of.
        stores: returns the store of an environment; called in each run.
        group_name: Dagster's group for the asset.
    """
    names = names_of(pipeline)

    def read(config: ComparisonConfig) -> _Request | None:
        """Read config; None where nothing is asked.

        Raises:
            ParamsError: naming every problem.
        """
        if config == ComparisonConfig():
            return None
        from ml_pipeline.leaderboard.board import named_metric
        from ml_pipeline.leaderboard.sides import Sides

        first = bound(calendar, "from_date", config.from_date)
        last = bound(calendar, "to_date", config.to_date)
        metric, direction = named_metric(config.metric)
        known = settings().environments
        sides = Sides(pipeline, known, stores, (), first, last, with_files=False)
        left, right = sides.named(config.left or "", config.right or "")
        return _Request(sides, left, right, metric, direction)

    @dg.asset(
        name=names.comparison,
        io_manager_key=names.no_io,
        deps=[asset_key(pipeline.judge)],
        group_name=group_name,
        owners=pipeline.judge.owners,
        output_required=False,
        description=(
            "Two environments, runs or parameter sets, compared at the dates of both. `left` and"
            " `right` in its launchpad, beside *Materialize*, say which."
        ),
    )
    def comparison(
        context: dg.AssetExecutionContext, config: ComparisonConfig
    ) -> Iterator[dg.MaterializeResult[Any]]:
        with unwrapped(STOPPED):
            request = read(config)
            if request is None:
                context.log.warning("Nothing is compared: set `left` and `right` in the config.")
                return
            store = stores(writable(None))
            from ml_pipeline.leaderboard.comparison import compare
            from ml_pipeline.leaderboard.comparison_page import comparison_page
            from ml_pipeline.leaderboard.page import Origin

            opened = request.sides.opened
            left, right = opened(request.left), opened(request.right)
            found = compare(left, right, request.metric, request.direction)
            where = dict.fromkeys([left.store, right.store])
            page = comparison_page(found, Origin(" and ".join(where), datetime.now(UTC)))
            report = kept(page, names.comparison, store, context)
            sides = {"left": written(request.left.text), "right": written(request.right.text)}
            yield dg.MaterializeResult(metadata={**sides, **_shown(found), **report})

    def check(config: Any) -> None:
        with unwrapped(REFUSED):
            read(ComparisonConfig(**config))

    check_config(comparison.op, check)
    return comparison


def _shown(found: "Comparison") -> dict[str, Any]:
    """Return a comparison as metadata: the verdict, figures, tables and pictures."""
    from ml_pipeline.leaderboard.comparison_report import markdown, pictures

    measure = found.primary
    shown: dict[str, Any] = {
        "verdict": found.verdict,
        "dates": len(found.dates),
        "better": found.side(measure.better).name if measure.better is not None else "neither",
        "difference": measure.difference,
        "comparison": dg.MetadataValue.md(markdown(found)),
    }
    if measure.p_value is not None:
        shown["p_value"] = measure.p_value
    if drawn := pictures(found):
        shown["plots"] = picture(*drawn)
    return shown
