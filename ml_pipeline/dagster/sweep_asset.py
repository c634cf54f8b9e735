"""The Dagster asset of a sweep: all trials at one date, or at many dates in one run.

What only a run needs is imported by it: every process of Dagster imports this module.
"""

import contextlib
import math
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import dagster as dg

from ml_pipeline.dagster.arguments import resources_of
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.hosts import InStep
from ml_pipeline.dagster.leaderboard_asset import shown
from ml_pipeline.dagster.limits import fitting
from ml_pipeline.dagster.metadata import table
from ml_pipeline.dagster.pages import OPEN
from ml_pipeline.dagster.private import tag_run
from ml_pipeline.dagster.reports import REPORT
from ml_pipeline.dagster.stages import pool_of, told_of
from ml_pipeline.dagster.sweep_resource import SweepSetup
from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.run_config import SWEEP_TAG, environment_tags, label_tags
from ml_pipeline.params.as_of import AsOf, as_of_from_key
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.tracking.switched_on import tracker_of
from ml_pipeline.tracking.tracker import InSweep

if TYPE_CHECKING:
    from ml_pipeline.leaderboard.board import Leaderboard
    from ml_pipeline.sweeps.attempts import SweepProgress
    from ml_pipeline.sweeps.plan import Plan
    from ml_pipeline.sweeps.swept import Swept
    from ml_pipeline.sweeps.trial import Trial

_FIRST_PAUSE_S: Final = 10.0
"""Until the first line on how far a sweep is; each further one takes twice as long."""
_MOST_ROWS: Final = 10
_POOL: Final = "sweep"


class Listener(Protocol):
    """Somebody in this process who follows a sweep: the command line."""

    @property
    def output(self) -> Path | None:
        """File for what stages print."""

    def planned(self, plan: "Plan") -> None:
        """Hear what will be done."""

    def progressed(self, progress: "SweepProgress") -> None:
        """Hear how far it is."""

    def noticed(self, line: str) -> None:
        """Hear that it waits for what may not come."""

    def finished(self, swept: "Swept", board: "Leaderboard") -> None:
        """Hear what came of it, and how that ranks."""


_listener: ContextVar[Listener | None] = ContextVar("sweep_listener", default=None)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let somebody follow the sweeps that run in this context."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def sweep_asset(
    pipeline: Pipeline, partitions: dg.PartitionsDefinition[str] | None, group_name: str
) -> dg.AssetsDefinition:
    """Return the asset whose runs are sweeps.

    Args:
        pipeline: the stages.
        partitions: of all assets, or None for a pipeline without.
        group_name: Dagster's group for the asset.
    """
    judge, names = pipeline.judge, names_of(pipeline)
    stages = pipeline.upstream_of(judge.name)
    resources = frozenset().union(*map(resources_of, stages))

    @dg.multi_asset(
        name=names.sweep,
        specs=[
            dg.AssetSpec(
                names.sweep,
                deps=dict.fromkeys(key for stage in stages for key in told_of(stage).others),
                owners=judge.owners,
                kinds={"optuna"},
                description=(
                    f"Many parameter sets over the chosen dates, judged by '{judge.name}'. What is"
                    " swept is in the resource of the same name; the artifacts are those that"
                    " single runs make."
                ),
            ).with_io_manager_key(names.no_io)
        ],
        partitions_def=partitions,
        group_name=group_name,
        required_resource_keys={names.sweep, *resources},
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        # Each takes all cores: one at a time, where the instance limits pools. What a stage needs
        # a pool for comes first.
        pool=pool_of(stages) or _POOL,
    )
    @unwrapped()
    def sweep(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from ml_pipeline.sweeps.board import board_of

        dates: list[AsOf | None] = (
            [as_of_from_key(key) for key in context.partition_keys] if partitions else [None]
        )
        setup: SweepSetup = getattr(context.resources, names.sweep)
        listener = _listener.get()
        output = listener.output if listener is not None else None
        last, pause = time.monotonic(), _FIRST_PAUSE_S
        tracker = tracker_of(pipeline, setup.store.environment)

        def planned(plan: "Plan") -> None:
            context.log.info(plan.sentence)
            tracker.sweep_began(setup.store, trials, plan)
            if listener is not None:
                listener.planned(plan)

        def progressed(progress: "SweepProgress") -> None:
            nonlocal last, pause
            if time.monotonic() - last > pause:
                last, pause = time.monotonic(), 2 * pause
                context.log.info(progress.sentence)
            if listener is not None:
                listener.progressed(progress)

        def noticed(line: str) -> None:
            context.log.warning(line)
            if listener is not None:
                listener.noticed(line)

        def heard(trial: "Trial", outcome: Outcome) -> None:
            tracker.made(setup.store, outcome, InSweep(trials.study_name, trial.number))

        try:
            with InStep(context, partitions) as host:
                trials = setup.sweep(dates, output, host)
                tags = {**label_tags(setup.request.representatives), SWEEP_TAG: trials.study_name}
                tags |= environment_tags(setup.request.environment)
                tag_run(context.instance, context.run, tags)
                swept = trials.run(planned, progressed, heard, noticed)
        except ParamsError as error:
            # Dates and studies are known only now, and the run is there.
            raise ParamsError(error.problems, "The run computed nothing.") from None
        for cell in swept.failures:
            context.log.error(f"trial {cell.trial.number} at {cell.as_of}: {cell.error}")
        board = board_of(swept, pipeline)
        tracker.sweep_ended(setup.store, swept, board)
        tracker.settle()
        if listener is not None:
            listener.finished(swept, board)
        if swept.failures and len(swept.failures) == len(swept.cells):
            raise dg.Failure(
                f"All {len(swept.failures)} cells failed: {swept.failures[0].error}",
                allow_retries=False,
            )
        about = fitting(_about(swept), setup.store.uri)
        whole = {**about, **shown(board, context, pipeline, setup.store, names.sweep)}
        if len(dates) == 1:
            return dg.MaterializeResult(names.sweep, metadata=whole)
        # What stands with each date is kept for each date: the board is told of once.
        context.log_event(dg.AssetObservation(names.sweep, metadata=whole))
        for day in dates:
            context.add_asset_metadata(_at(swept, day), names.sweep, partition_key=str(day))
        page: dict[str, Any] = {name: whole[name] for name in (OPEN, REPORT) if name in whole}
        return dg.MaterializeResult(names.sweep, metadata={**about, **page})

    return sweep


def _about(swept: "Swept") -> dict[str, Any]:
    about: dict[str, Any] = {
        "plan": swept.plan.sentence,
        "study": swept.study,
        "trials": len(swept.attempts),
        "failed": len(swept.failures),
    }
    if swept.stopped is not None:
        about["stopped"] = swept.stopped
    if swept.best is not None and swept.objective is not None:
        about["best"] = dg.MetadataValue.json(swept.best.told)
        about[f"best_{swept.objective.metric}"] = swept.best.value
    if swept.failures:
        about["failures"] = dg.MetadataValue.json(
            {
                reason: [f"trial {cell.trial.number} at {cell.as_of}" for cell in cells]
                for reason, cells in swept.failures_by_reason.items()
            }
        )
    return about


def _at(swept: "Swept", day: AsOf | None) -> dict[str, Any]:
    """Return a table of what came of the best trials at one date, and of those that failed."""
    names = list(dict.fromkeys(name for attempt in swept.attempts for name in attempt.told))
    cells = [(attempt, attempt.cells.get(day)) for attempt in swept.attempts]
    done = sorted(cells, key=lambda pair: _place(swept, pair[1]))[:_MOST_ROWS]
    metrics = list(dict.fromkeys(name for _, cell in done if cell for name in cell.metrics))
    rows = [
        [
            attempt.trial.number,
            *(attempt.told.get(name, "") for name in names),
            *(cell.metrics.get(name, "") if cell else "" for name in metrics),
            cell.run_id if cell else "",
            (cell.error or "") if cell else attempt.state,
        ]
        for attempt, cell in done
    ]
    return {"at_this_date": table(["trial", *names, *metrics, "run_id", "problem"], rows)}


def _place(swept: "Swept", cell: Any) -> float:
    """Return what orders the trials of a date, what failed last."""
    metrics = cell.metrics if cell is not None else {}
    if swept.objective is None or swept.objective.metric not in metrics:
        return math.inf
    value: float = metrics[swept.objective.metric]
    return value if swept.objective.direction == "minimize" else -value
