"""A leaderboard in Dagster: as metadata, and as an asset of its own.

What only a run needs is imported by it: every process of Dagster imports this module.
"""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
from pydantic import Field

from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.launchpad import launchpad_link, location_named
from ml_pipeline.dagster.limits import fitting
from ml_pipeline.dagster.metadata import picture
from ml_pipeline.dagster.pages import OPEN, webserver_here
from ml_pipeline.dagster.reports import REPORT, bound, kept, writable
from ml_pipeline.dagster.run_config import STOPPED
from ml_pipeline.dagster.stages import asset_key
from ml_pipeline.launch.names import names_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.environments import Stores

if TYPE_CHECKING:
    from ml_pipeline.leaderboard.board import Leaderboard

_ROWS: Final = (50, 10, 3)
_LONGEST_TABLES: Final = 100_000
_TOO_LONG: Final = "There are too many tables to show here: see the report."


class LeaderboardConfig(dg.Config):
    """What to compare; everything that is published if nothing is set."""

    environment: str | None = Field(
        None, description="whose results to compare; this deployment's own if none"
    )
    where: str | None = Field(None, description="conditions on parameters, like NAME<0.1")
    from_date: str | None = Field(None, description="first date to compare")
    to_date: str | None = Field(None, description="last date to compare")
    metric: str | None = Field(
        None, description="compare by this metric, like wape:minimize, and not by the declared one"
    )


def shown(
    board: "Leaderboard",
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    store: ArtifactStore,
    asset: str,
) -> dict[str, Any]:
    """Write a leaderboard as a page, and return it as metadata: tables with links, and pictures.

    Args:
        board: what is ranked.
        context: of the asset that shows it.
        pipeline: the stages.
        store: where the results are, and the page is kept.
        asset: name of the asset.
    """
    from ml_pipeline.leaderboard.charts import charts
    from ml_pipeline.leaderboard.html import html
    from ml_pipeline.leaderboard.page import Origin
    from ml_pipeline.leaderboard.report import Repeat, markdown

    def repeat(url: str) -> Repeat:
        location = location_named(context.run) or ""
        link = partial(launchpad_link, names_of(pipeline), url, location)
        return Repeat(link, store.environment, pipeline.keys)

    origin = Origin(store.uri, datetime.now(UTC), store.environment)
    page = kept(html(board, repeat(webserver_here()), origin), asset, store, context)
    tables = (markdown(board, repeat(""), most) for most in _ROWS)
    table = next((text for text in tables if len(text) <= _LONGEST_TABLES), _TOO_LONG)
    found: dict[str, Any] = {**page, "leaderboard": dg.MetadataValue.md(table)}
    if board.groups and (pictures := charts(board.groups[0])):
        found["plots"] = picture(*pictures)
    return fitting(found, str(page[REPORT].value), (REPORT, OPEN))


def leaderboard_asset(
    pipeline: Pipeline, calendar: Calendar, stores: Stores, group_name: str
) -> dg.AssetsDefinition:
    """Return the asset that compares everything published.

    Args:
        pipeline: the stages.
        calendar: the partitions that results are as of.
        stores: returns the store of an environment; called once in each run.
        group_name: Dagster's group for the asset.
    """
    names = names_of(pipeline)

    @dg.asset(
        name=names.leaderboard,
        io_manager_key=names.no_io,
        # Sweeps make most of what is compared.
        deps=[asset_key(pipeline.judge), names.sweep],
        group_name=group_name,
        owners=pipeline.judge.owners,
        description=(
            "Every published result, ranked with those that it can be compared to. *Materialize*"
            " ranks what there is now."
        ),
    )
    @unwrapped(STOPPED)
    def board(
        context: dg.AssetExecutionContext, config: LeaderboardConfig
    ) -> dg.MaterializeResult[Any]:
        from ml_pipeline.leaderboard.board import leaderboard, named_metric
        from ml_pipeline.leaderboard.cells import cells_of

        store = stores(writable(config.environment))
        ends = {"from_date": config.from_date, "to_date": config.to_date}
        first, last = (bound(calendar, name, text) for name, text in ends.items())
        missed: list[str] = []
        cells = cells_of(store, pipeline, config.where, first, last, missed.append)
        ranked = leaderboard(
            cells, *named_metric(config.metric), missed=len(missed), in_order=pipeline.keys.order
        )
        return dg.MaterializeResult(
            metadata={
                "results": len(cells),
                **({"environment": store.environment} if store.environment else {}),
                **shown(ranked, context, pipeline, store, names.leaderboard),
            }
        )

    return board
