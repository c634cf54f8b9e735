"""Jobs that promote a run to an environment, and go back, for the launchpad and for GraphQL.

What only a run needs is imported by it: every process of Dagster imports this module.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.private_ops import check_config
from ml_pipeline.dagster.promotion_metadata import plan_metadata, promoted_metadata
from ml_pipeline.dagster.reports import bound
from ml_pipeline.dagster.stages import asset_key
from ml_pipeline.errors import PromotionRefused, QueryError, nearest
from ml_pipeline.launch.names import names_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.environments import Stores
from ml_pipeline.store.ledger import ALIASES

if TYPE_CHECKING:
    from ml_pipeline.launch.promotion_request import PromotionRequest
    from ml_pipeline.launch.rollback_request import RollbackRequest
    from ml_pipeline.runs.promotion import Promoted, Tell


class PromotionConfig(dg.Config):
    """What is promoted, where, and on which conditions."""

    run: str = Field(
        description="the beginning of a run id, @ENVIRONMENT, or parameters such as"
        " model_version=v2, all others as they stand"
    )
    to: str = Field(description="the environment that gets it")
    source: str | None = Field(
        default=None, description="the environment that it is in; this deployment's own if none"
    )
    as_of: str | None = Field(default=None, description="its date, where run is parameters")
    alias: str = Field(default="champion", description="champion, or challenger")
    gate: list[str] = Field(
        default_factory=list,
        description='what its metrics must be: "mape <= 0.25", "mape within 2%",'
        ' "mape better by 1%"; what the environment asks if empty',
    )
    min_dates: int | None = Field(
        default=None, description="fewest dates that both must have to be compared"
    )
    flags: dict[str, Any] = Field(
        default_factory=dict, description="feature flags for whoever serves it, such as share: 0.1"
    )
    by: str = Field(default="", description="who promotes it")
    note: str = Field(default="", description="what to remember about it")
    force: bool = Field(
        default=False, description="in spite of what speaks against it; needs a note"
    )
    dry_run: bool = Field(default=False, description="say what would be done, and do nothing")


class RollbackConfig(dg.Config):
    """Which environment gets back what it had before."""

    to: str = Field(description="the environment")
    alias: str = Field(default="champion", description="champion, or challenger")
    by: str = Field(default="", description="who goes back")
    note: str = Field(default="", description="what to remember about it")


def promotion_jobs(
    pipeline: Pipeline, calendar: Calendar, stores: Stores, executor: dg.ExecutorDefinition
) -> list[dg.JobDefinition]:
    """Return the jobs that promote and go back; their config is refused at launch.

    Args:
        pipeline: the stages.
        calendar: the partitions that runs are as of.
        stores: returns the store of an environment; called in each run.
        executor: of the jobs.
    """
    names = names_of(pipeline)

    @dg.op(
        name=names.promotion,
        description="Makes a run what an environment has.",
        out=dg.Out(None),
    )
    def promote(context: dg.OpExecutionContext, config: PromotionConfig) -> None:
        with unwrapped():
            request = _request(calendar, config)
            plan = request.planned(pipeline, settings().environments, stores)
            if plan.outcome is not None:
                context.log.info(plan.outcome.sentence)
            context.add_output_metadata(plan_metadata(plan))
            if config.dry_run:
                for problem in plan.problems:
                    context.log.warning(f"Against it: {problem}.")
                context.log.info("Nothing was promoted: this was a dry run.")
                return
            try:
                done = plan.carried_out(_telling(context))
            except PromotionRefused as refused:
                # Its numbers are shown beside the reason; another try would come to the same.
                raise dg.Failure(
                    str(refused), metadata=plan_metadata(plan), allow_retries=False
                ) from None
        _tell(context, pipeline, done)

    @dg.op(
        name=names.roll_back,
        description="Lets an environment have again what it had before.",
        out=dg.Out(None),
    )
    def rollback(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        with unwrapped():
            request = _rollback_request(config)
            done = request.carried_out(pipeline, settings().environments, stores, _telling(context))
            context.add_output_metadata(promoted_metadata(done.now, done.before))
        _tell(context, pipeline, done)

    def check_promotion(config: Any) -> None:
        with unwrapped():
            _request(calendar, PromotionConfig(**config)).checked(settings().environments)

    def check_rollback(config: Any) -> None:
        with unwrapped():
            _rollback_request(RollbackConfig(**config)).checked(settings().environments)

    check_config(promote, check_promotion)
    check_config(rollback, check_rollback)
    return [_job(names.promote, promote, executor), _job(names.rollback, rollback, executor)]


def _job(name: str, op: dg.OpDefinition, executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    @dg.job(name=name, description=op.description, executor_def=executor)
    def one() -> None:
        op()

    return one


def _telling(context: dg.OpExecutionContext) -> "Tell":
    return lambda place, of, what: context.log.info(f"{place} of {of}: {what}")


def _request(calendar: Calendar, config: PromotionConfig) -> "PromotionRequest":
    """Read config.

    Raises:
        QueryError: naming every problem.
    """
    from ml_pipeline.launch.promotion_request import PromotionRequest
    from ml_pipeline.runs.gate import Gate

    problems: list[str] = []

    def read(part: Callable[[], Any]) -> Any:
        try:
            return part()
        except QueryError as error:
            problems.extend(error.problems)

    gate = None
    if config.gate or config.min_dates is not None:
        least = config.min_dates if config.min_dates is not None else 1
        gate = read(lambda: Gate.of(config.gate, least))
    alias = read(lambda: _alias(config.alias))
    as_of = bound(calendar, "as_of", config.as_of)
    if problems:
        raise QueryError(problems)
    return PromotionRequest(
        config.run,
        config.to,
        config.source,
        as_of,
        alias,
        gate,
        config.flags,
        config.note,
        config.by,
        config.force,
    )


def _alias(text: str) -> Any:
    if text not in ALIASES:
        problem = f"alias must be one of {', '.join(ALIASES)}, but got '{text}'."
        raise QueryError([f"{problem}{nearest(text, ALIASES)}"])
    return text


def _rollback_request(config: RollbackConfig) -> "RollbackRequest":
    """Read config.

    Raises:
        QueryError: if there is no such alias.
    """
    from ml_pipeline.launch.rollback_request import RollbackRequest

    return RollbackRequest(config.to, _alias(config.alias), config.note, config.by)


def _tell(context: dg.OpExecutionContext, pipeline: Pipeline, done: "Promoted") -> None:
    """Say what promoting came to, in the run and among the events of the judged asset."""
    now, before = done.now, done.before
    is_at = f" of {now.as_of}" if now.as_of else ""
    if not done.is_new:
        context.log.info(f"'{now.line}' has run {now.run_id}{is_at} already.")
        return
    context.log.info(
        f"'{now.line}' has run {now.run_id}{is_at} now; {done.checked} artifacts checked,"
        f" {done.copied} of them copied."
    )
    metadata = promoted_metadata(now, before)
    partition = None if now.as_of is None else str(now.as_of)
    key = asset_key(pipeline.stage(pipeline.present_name(now.asset)))
    context.log_event(dg.AssetObservation(key, partition=partition, metadata=metadata))
