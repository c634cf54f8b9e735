"""Runs in this process: the same job, config and instance as in the UI, without its latency."""

import contextlib
import errno
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import dagster as dg

from ml_pipeline.dagster import private
from ml_pipeline.dagster.assets import FAILURES, pipeline_assets
from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.checks import report_in
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.io_manager import io_manager_resource
from ml_pipeline.dagster.owners import owned
from ml_pipeline.dagster.resources import params_resource
from ml_pipeline.errors import MlPipelineError
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.run_request import RequestedRun, requested_run
from ml_pipeline.params.as_of import AsOf, as_of_from_key
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.runs.date_result import ArtifactResult, DateResult, artifact_result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.environments import Stores

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_STOPPING: Final = {signal.SIGINT, signal.SIGTERM}
_INTERRUPTED: Final = "Stopped by Ctrl-C. What was published stays."


class Stopped(KeyboardInterrupt):
    """Somebody pressed Ctrl-C.

    Attributes:
        done: the dates that were done by then.
    """

    def __init__(self, done: Sequence[DateResult]) -> None:
        """Keep what is done."""
        super().__init__()
        self.done = done


@unwrapped()
def pipeline_job(
    pipeline: Pipeline,
    partitions: dg.PartitionsDefinition[str] | None,
    stores: Stores,
    code: Path,
) -> dg.JobDefinition:
    """Return the job that makes the assets of a pipeline and nothing else, for this process.

    Args:
        pipeline: the stages.
        partitions: of all assets, or None for a pipeline without.
        stores: returns the store of an environment; called once in each run.
        code: a directory in the checkout whose commit is recorded.
    """
    names = names_of(pipeline)
    definitions = dg.Definitions(
        assets=[pipeline_assets(pipeline, partitions, group_name=pipeline.name)],
        resources={
            names.params: params_resource(pipeline),
            names.io_manager: io_manager_resource(pipeline, stores, code),
        },
        executor=dg.in_process_executor,
    )
    return definitions.resolve_implicit_global_asset_job_def()


@dataclass(frozen=True)
class InProcess:
    """Runs a pipeline in this process, on an instance that a UI may show.

    Attributes:
        job: the code location's implicit asset job.
        pipeline: its stages.
        store: where artifacts are.
        instance: where the runs are kept.
        logs: folder for what the runs print; one file for each.
        dates_per_run: most dates in one Dagster run.
        calendar: tells which dates one run can cover.
    """

    job: dg.JobDefinition
    pipeline: Pipeline
    store: ArtifactStore
    instance: dg.DagsterInstance
    logs: Path
    dates_per_run: int
    calendar: Calendar

    def run(
        self,
        params: ParamSet,
        dates: Sequence[AsOf | None],
        selection: Sequence[str] | None = None,
        progress: Callable[[str, str], None] = lambda _as_of, _asset: None,
    ) -> list[DateResult]:
        """Run the pipeline for a range of dates.

        Args:
            params: values of all parameters.
            dates: in order; None alone for a pipeline without partitions.
            selection: names of the assets wanted; all of them if omitted.
            progress: called with date and asset as each artifact is done.

        Returns:
            One entry for each date, in order. A failed date has its error there; it is not raised.

        Raises:
            Stopped: at Ctrl-C, with what is done; it stays published.
        """
        done: list[DateResult] = []
        with _signals() as received:
            for part in self.calendar.in_runs(dates, self.dates_per_run):
                # Dagster forgets a Ctrl-C that comes while it ends a run.
                if received() & _STOPPING:
                    raise Stopped(done)
                try:
                    done += self._one_run(params, part, selection, progress)
                except Stopped as stopped:
                    raise Stopped([*done, *stopped.done]) from None
        return done

    def execute(self, asked: RequestedRun, dagster_run_id: str) -> dg.ExecuteInProcessResult:
        """Execute one Dagster run; what it prints goes to its log file.

        Args:
            asked: the run.
            dagster_run_id: the id that it gets.

        Raises:
            Stopped: at Ctrl-C before its first step; later, the result tells.
        """
        with _output_to(self.log_of(dagster_run_id)), owned(self.instance, dagster_run_id) as owner:
            private.listen(self.instance, dagster_run_id, self._note_interrupt)
            try:
                result = self.job.execute_in_process(
                    run_config=asked.config,
                    instance=self.instance,
                    partition_key=asked.partition_key,
                    raise_on_error=False,
                    asset_selection=[dg.AssetKey(path) for path in asked.asset_paths],
                    run_id=dagster_run_id,
                    tags={**asked.tags, **owner},
                )
            except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
                self._cancel(dagster_run_id)
                raise Stopped([]) from None
            if was_interrupted(result):
                self._cancel(dagster_run_id)
            return result

    def log_of(self, dagster_run_id: str) -> Path:
        """Return the file that a run prints to."""
        return self.logs / f"{dagster_run_id}.log"

    def _note_interrupt(self, event: dg.EventLogEntry) -> None:
        """Tell Dagster that a step was interrupted on purpose, before it judges the run."""
        done = event.dagster_event
        if done is not None and done.is_step_failure and _is_interrupt(done):
            run = self.instance.get_run_by_id(event.run_id)
            if run is not None:
                self.instance.report_run_canceling(run, _INTERRUPTED)

    def _cancel(self, dagster_run_id: str) -> None:
        """Let a run that was interrupted show as canceled, wherever that happened in it."""
        run = self.instance.get_run_by_id(dagster_run_id)
        if run is not None and run.status not in (
            dg.DagsterRunStatus.CANCELED,
            dg.DagsterRunStatus.SUCCESS,
        ):
            self.instance.report_run_canceled(run, _INTERRUPTED)

    def _one_run(
        self,
        params: ParamSet,
        dates: Sequence[AsOf | None],
        selection: Sequence[str] | None,
        progress: Callable[[str, str], None],
    ) -> list[DateResult]:
        dagster_run_id = str(uuid.uuid4())
        asked = requested_run(self.pipeline, params, dates, selection)
        artifacts: dict[AsOf | None, list[ArtifactResult]] = {day: [] for day in asked.run_ids}

        def hear(event: dg.EventLogEntry) -> None:
            if event.asset_materialization is not None:
                materialized = event.asset_materialization
                progress(materialized.partition or "", materialized.asset_key.to_user_string())

        private.listen(self.instance, dagster_run_id, hear)
        result = self.execute(asked, dagster_run_id)
        for made in result.get_asset_materialization_events():
            day = None if made.partition is None else as_of_from_key(str(made.partition))
            artifact = self._artifact(made.materialization, params, day)
            if artifact is not None:
                artifacts[day].append(artifact)
        checks: dict[AsOf | None, list[CheckReport]] = {day: [] for day in asked.run_ids}
        for evaluation in result.get_asset_check_evaluations():
            report = report_in(self.pipeline, evaluation)
            if report is not None:
                day = evaluation.partition and as_of_from_key(str(evaluation.partition))
                checks[day or None].append(report)
        results = [
            DateResult(day, run_id, dagster_run_id, artifacts[day], checks=checks[day])
            for day, run_id in asked.run_ids.items()
        ]
        if result.success:
            return results
        # What does not pass its checks is published, and told of, all the same.
        errors = _errors(result)
        complete = [
            one
            for one in results
            if len(one.artifacts) == len(asked.assets) and str(one.as_of) not in errors
        ]
        if was_interrupted(result):
            raise Stopped(complete)
        return [
            one
            if one in complete
            else replace(one, error=errors.get(str(one.as_of)) or reason_of(result))
            for one in results
        ]

    def _artifact(
        self, made: dg.AssetMaterialization, params: ParamSet, as_of: AsOf | None
    ) -> ArtifactResult | None:
        stage = self.pipeline.at_key(made.asset_key.to_user_string())
        if stage is None:
            return None
        slot = stage.slot(params, as_of)
        directory = slot.revision(str(made.metadata["revision"].value))
        record = self.store.read_record(directory)
        if record is None:
            return None
        lender = made.metadata.get("reused_from")
        return artifact_result(
            self.store,
            slot,
            record,
            bool(made.metadata["reused"].value),
            str(lender.value) if lender is not None else None,
        )


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a run failed because somebody pressed Ctrl-C."""
    return any(map(_is_interrupt, result.filter_events(lambda event: event.is_failure)))


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    error = getattr(event.event_specific_data, "error", None)
    while error is not None:
        if error.cls_name == private.INTERRUPTED:
            return True
        error = error.cause
    return False


def reason_of(result: dg.ExecuteInProcessResult) -> str:
    """Return why a run failed as a whole, as its last error says."""
    reason = "the run failed; its log says why"
    for event in result.filter_events(lambda event: event.is_failure):
        data = event.event_specific_data
        failure = getattr(data, "user_failure_data", None)
        error = getattr(data, "error", None)
        if failure is not None and failure.description:
            reason = failure.description
        elif error is not None:
            # Below the first error that is not Dagster's is what caused it, not what it says.
            while error.cause is not None and (error.cls_name or "").startswith("Dagster"):
                error = error.cause
            reason = error.message.strip().partition(": ")[2] or error.message.strip()
    return reason


def _errors(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Return the reasons of the dates that failed one by one."""
    told: dict[str, str] = {}
    for event in result.filter_events(lambda event: event.is_failure):
        failure = getattr(event.event_specific_data, "user_failure_data", None)
        if failure is not None and FAILURES in failure.metadata:
            told.update(failure.metadata[FAILURES].value)
    return told


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], set[int]]]:
    """Yield what returns the signals that this process got since last asked, whoever handles them.

    Only the main thread hears of any.
    """
    if threading.current_thread() is not threading.main_thread():
        yield set
        return
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def received() -> set[int]:
        try:
            return set(os.read(reading, 4096))
        except BlockingIOError:
            return set()

    try:
        yield received
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)


@contextlib.contextmanager
def _output_to(file: Path) -> Iterator[None]:
    """Send what code prints and logs to a file, so that it disturbs neither tables nor JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            # Workers write to the same file.
            file.open("a", encoding="utf-8", buffering=1) as sink,
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
        ):
            yield
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        raise MlPipelineError(
            f"There must be room for what a run prints, but {file} cannot be written:"
            f" {error.strerror}. What was published stays. Make room: the same command goes on from"
            " there."
        ) from error
