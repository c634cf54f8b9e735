"""A code location as a team may have it: a bit of everything that Dagster knows."""

import enum
from collections.abc import Iterator
from typing import Any, Literal

import dagster as dg
import pydantic
from pydantic import Field

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")


class Solver(enum.Enum):
    FAST = "fast"
    EXACT = "exact"


class Forest(dg.Config):
    kind: Literal["forest"] = "forest"
    trees: int = Field(default=3, gt=0)


class Line(dg.Config):
    kind: Literal["line"] = "line"
    slope: float = Field(default=1.0, lt=5)


class Tree(dg.Config):
    depth: int = Field(default=3, ge=1, le=9)


class Fit(dg.Config):
    rate: float = Field(default=0.1, gt=0, le=1)
    low: int = 1
    high: int = 5
    solver: Solver = Solver.FAST
    tree: Tree = Tree()
    trees: list[Tree] = Field(default=[])
    names: list[str] = Field(default=[])
    shape: Forest | Line = Field(discriminator="kind", default=Forest())
    password: str = Field(default="long enough", min_length=8)

    @pydantic.field_validator("names")
    @classmethod
    def _named(cls, names: list[str]) -> list[str]:
        if "bad" in names:
            raise ValueError("must name nothing bad")
        if "broken" in names:
            raise KeyError("broken")
        return names

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> "Fit":
        assert self.low <= self.high, "low must be at most high"
        return self


class Loose(dg.Config):
    """Has a default that is out of bounds: as long as nobody types another, runs have it."""

    most: int = Field(default=99, le=1)


class Shift(dg.Config):
    by: float = 0.1


class Wire(dg.ConfigurableResource):
    host: str = "here"


class Silent(dg.InMemoryIOManager):
    """An IO manager of theirs."""


@dg.op
def fit(config: Fit) -> float:
    return config.rate


@dg.op(config_schema={"anything": dg.Field(int, default_value=1)}, retry_policy=dg.RetryPolicy())
def legacy(context: dg.OpExecutionContext) -> int:
    return int(context.op_config["anything"])


@dg.configured(fit)
def shifted(config: Shift) -> dict[str, Any]:
    return {"rate": config.by}


@dg.graph
def inner() -> float:
    return fit()


@dg.config_mapping
def deep(val: Tree) -> dict[str, Any]:
    return {"fit": {"config": {"rate": float(val.depth)}}}


@dg.graph(config=deep)
def mapped() -> float:
    return fit()


def definitions() -> dg.Definitions:
    """Return a new location each time: its ops are nobody else's, but for those of its jobs."""

    @dg.op
    def weigh(config: Tree) -> int:
        return config.depth

    @dg.op
    def double(config: Loose, number: int) -> int:
        return 2 * number

    @dg.graph_asset(partitions_def=DAYS)
    def weight() -> int:
        return double(weigh())

    @dg.asset(
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        owners=["team:research"],
        tags={"size": "small"},
        automation_condition=dg.AutomationCondition.eager(),
        code_version="7",
        pool="slow",
    )
    def model(
        context: dg.AssetExecutionContext, config: Fit, wire: dg.ResourceParam[Wire]
    ) -> float:
        return config.rate

    @dg.multi_asset(
        outs={"left": dg.AssetOut(is_required=False), "right": dg.AssetOut(is_required=False)},
        can_subset=True,
    )
    def both(context: dg.AssetExecutionContext, config: Tree) -> Iterator[dg.Output[int]]:
        for name in context.op_execution_context.selected_output_names:
            yield dg.Output(config.depth, name)

    @dg.asset(deps=[model])
    def plain(config: Loose) -> int:
        return config.most

    @dg.asset_check(asset=plain, blocking=True)
    def deep_enough(config: Tree, plain: int) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=config.depth > 1)

    @dg.job(tags={"team": "research"}, executor_def=dg.in_process_executor)
    def fitting() -> None:
        fit()
        inner()
        fit.alias("again")()
        shifted()
        legacy()

    @dg.job
    def mapping() -> None:
        mapped()

    @dg.job
    def hidden() -> None:
        fit()

    by_asset = dg.define_asset_job("by_asset", selection="*model")

    @dg.schedule(job=by_asset, cron_schedule="@daily")
    def nightly() -> dg.RunRequest:
        config = {"ops": {"model": {"config": {"rate": 7.0}}}}
        return dg.RunRequest(partition_key="2026-01-05", run_config=config)

    @dg.sensor(job=hidden)
    def watching() -> dg.RunRequest:
        return dg.RunRequest(run_config={"ops": {"fit": {"config": {"rate": 7.0}}}})

    return dg.Definitions(
        assets=[model, both, plain, weight, dg.AssetSpec("elsewhere")],
        asset_checks=[deep_enough],
        jobs=[fitting, mapping, by_asset],
        schedules=[nightly],
        sensors=[watching],
        resources={"io_manager": Silent(), "wire": Wire()},  # type: ignore[no-untyped-call]
        executor=dg.multiprocess_executor,
        loggers={"console": dg.colored_console_logger},
        metadata={"team": "research"},
    )
