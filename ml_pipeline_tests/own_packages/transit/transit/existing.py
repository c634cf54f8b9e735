"""What the team has had all along: a job of ops, and assets by day."""

import dagster as dg
import polars as pl
from pydantic import Field

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")


class ReportConfig(dg.Config):
    """Whom to tell."""

    lines: int = Field(default=3, ge=1, le=10)


class CountConfig(dg.Config):
    """What to count."""

    ferries: int = Field(default=4, gt=0)


class RushConfig(dg.Config):
    """When most people travel."""

    first_hour: int = Field(default=7, ge=0, le=23)
    hours: int = Field(default=2, ge=1)


@dg.op
def report(context: dg.OpExecutionContext, config: ReportConfig) -> None:
    """Tell somebody."""
    context.log.info("%s lines", config.lines)


@dg.job
def weekly_report() -> None:
    """The report of a week."""
    report()


@dg.asset(partitions_def=DAYS, io_manager_key="by_params")
def passengers(context: dg.AssetExecutionContext, config: CountConfig) -> pl.DataFrame:
    """Passengers of each ferry and hour."""
    day = int(context.partition_key[-2:])
    rows = [(ferry, hour, 10 * ferry + day - abs(hour - 12)) for ferry in range(config.ferries)
            for hour in range(24)]  # fmt: skip
    return pl.DataFrame(rows, ["ferry", "hour", "passengers"], orient="row")


@dg.asset(partitions_def=DAYS, io_manager_key="by_params")
def rush(config: RushConfig, passengers: pl.DataFrame) -> pl.DataFrame:
    """Passengers of the hours that most people travel in."""
    last = config.first_hour + config.hours
    return passengers.filter(pl.col("hour").is_between(config.first_hour, last, closed="left"))


existing = dg.Definitions(assets=[passengers, rush], jobs=[weekly_report])
