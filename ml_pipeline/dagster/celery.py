"""Dagster's executor for Celery, with a word where steps of a run are not taken or not told of.

By itself it puts a step into the broker's queue and waits, whether or not there is a worker.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any, Final, cast

import dagster as dg
import dagster_celery
from amqp.exceptions import AMQPError
from celery import Celery
from dagster_celery.executor import CELERY_CONFIG, CeleryExecutor
from kombu.exceptions import OperationalError

from ml_pipeline.addresses import masked
from ml_pipeline.dagster.owners import owned
from ml_pipeline.errors import PipelineError

_ANSWER_S: Final = 3.0
_PAUSE_S: Final = 30.0
_LOOK_S: Final = 2.0
_BROKER_S: Final = 600.0
"""For so long a run that begins waits for a broker that is away, as while it is restarted: the one
that is executed again because it went would fail as quickly, and use its retries up."""

START_A_WORKER: Final = "`dagster-celery worker start -A dagster_celery.app -y celery.yaml`"


class BrokerGone(PipelineError, dg.DagsterError):
    """The broker went while a run waited for its steps."""


class Watched(CeleryExecutor):
    """Executes as Dagster's own does, and says what would go by without a word.

    The run's log has a warning while no worker answers, its failure names a broker that has gone,
    and a run whose process was killed is ended by whoever opens the instance next.
    """

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[Any]:
        """Yield the events of the run."""
        is_over = threading.Event()
        # What it waits for may never come: the run does not wait for it in the end.
        threading.Thread(
            target=self._watch, args=(plan_context.log, is_over), daemon=True, name="workers"
        ).start()
        plain: Any = super()
        instance, dagster_run_id = plan_context.instance, plan_context.dagster_run.run_id
        try:
            # If this process is killed, nobody else ends the run: its steps are elsewhere.
            with owned(instance, dagster_run_id) as owner:
                instance.add_run_tags(dagster_run_id, owner)
                self._await_broker(instance, dagster_run_id)
                yield from plain.execute(plan_context, execution_plan)
        except (OperationalError, AMQPError, OSError) as error:
            raise BrokerGone(
                f"The broker {masked(self.broker)} must stay while a run waits for its steps, but"
                f" has gone: {error}. A step that a worker has goes on, and what is published"
                " stays: execute the run again when the broker is back, unless that is done for"
                " you (`run_retries`)."
            ) from error
        finally:
            is_over.set()

    def _await_broker(self, instance: dg.DagsterInstance, dagster_run_id: str) -> None:
        until = time.monotonic() + _BROKER_S
        while True:
            try:
                with Celery(broker=self.broker) as app, app.connection_for_write() as connection:
                    connection.ensure_connection(max_retries=1, timeout=_ANSWER_S)
                return
            except OperationalError:
                run = instance.get_run_by_id(dagster_run_id)
                is_stopped = run is None or run.status is dg.DagsterRunStatus.CANCELING
                if is_stopped or time.monotonic() > until:
                    raise
            time.sleep(_LOOK_S)

    def _watch(self, log: Any, is_over: threading.Event) -> None:
        before: str | None = None
        while not is_over.is_set():
            problem = self._problem()
            if is_over.is_set():
                return
            if problem is not None and problem != before:
                log.warning(problem)
            elif problem is None and before is not None:
                log.info("A Celery worker answers now.")
            before = problem
            is_over.wait(_PAUSE_S)

    def _problem(self) -> str | None:
        broker = masked(self.broker)
        try:
            if workers_at(self.broker, enough=1):
                return None
        except OperationalError as error:
            return f"The broker {broker} cannot be reached, so steps of this run wait: {error}."
        return (
            f"No Celery worker answers at {broker}: steps of this run wait until there is one."
            f" {START_A_WORKER} starts one."
        )


def workers_at(broker: str, enough: int | None = None) -> int:
    """Count the Celery workers that answer.

    Args:
        broker: its address.
        enough: how many need to be known of; all that answer in time if None, which takes as long.

    Raises:
        OperationalError: if the broker cannot be reached.
    """
    try:
        with Celery(broker=broker) as app:
            return len(app.control.ping(timeout=_ANSWER_S, limit=enough))
    except (AMQPError, OSError) as error:
        # As while it starts, or does not let in.
        raise OperationalError(str(error)) from error


def _watched(context: dg.InitExecutorContext) -> dg.Executor:
    plain: Any = dagster_celery.celery_executor
    made = plain.executor_creation_fn(context)
    watched: Any = Watched(made.retries, made.broker, made.backend, made.include)  # type: ignore[no-untyped-call]
    watched.config_source = made.config_source
    return cast("dg.Executor", watched)


celery_executor: Final = dg.ExecutorDefinition(
    name=dagster_celery.celery_executor.name,
    config_schema=CELERY_CONFIG,
    requirements=dg.multiple_process_executor_requirements(),
    executor_creation_fn=_watched,
    description="Steps run on Celery workers.",
)
