"""The sensor of an inbox: a run for every request file, and what cannot be run goes back.

It is off until somebody turns it on. A tick that launches has no words of its own in Dagster, so
what it has to say is told by the next tick that launches nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.automation import everything_of, run_request
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.location import location_of
from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.launch.cursors import Cursors
from ml_pipeline.launch.drops import Drop, Look, Memory, StuckDrop
from ml_pipeline.launch.inbox import Inbox, inbox_of
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.request_document import Rules, example, read_request
from ml_pipeline.launch.run_request import RequestedRun
from ml_pipeline.params.documents import read_document
from ml_pipeline.settings import settings
from ml_pipeline.text import shortened

REQUEST_TAG: Final = "ml_pipeline/request"
"""Tag of a run: key of the request that it was launched for."""

_MOST_NEWS: Final = 20
_MOST_NAMED: Final = 10
_LONGEST: Final = 2000
_LONGEST_LINE: Final = 400


@unwrapped()
def requests_sensor(
    location: dg.Definitions,
    refuses: Callable[[Mapping[str, Any]], Iterable[str]] = lambda _values: (),
) -> dg.SensorDefinition:
    """Return the sensor `requests`, which runs each request file in the inbox exactly once.

    The inbox is the setting `inbox`; that of a `prefixed` pipeline is a folder of its name in it.

    Args:
        location: what `code_location` returned for the pipeline.
        refuses: says why values, valid or not, cannot be asked for here; it gets them by dotted
            name, raw as a request gives them, or one parameter set of a sweep after the other.

    Raises:
        PipelineError: if there is not one pipeline in the definitions.
        SettingsError: if settings cannot be used.
    """
    made_of = location_of(location)
    pipeline, name = made_of.pipeline, names_of(made_of.pipeline).requests

    @unwrapped()
    def launch_requests(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Launch what is asked for, move away what has its run, refuse what cannot be run."""
        configured = settings()
        cursors = Cursors(configured.home / "sensors" / name)
        memory = Memory.from_json(cursors.recall(context.cursor))
        calendar = made_of.calendar_in(context)
        allowed = Rules(pipeline, calendar, refuses)

        def read(data: bytes, file: str) -> RequestedRun:
            return read_request(read_document(data, file), f"sensor {name} ({file})", allowed)

        most = configured.requests_per_tick
        try:
            inbox = Inbox(inbox_of(pipeline))
            look = inbox.look(read, memory, configured.inbox_settle_s, 2 * most)
        except StoreUnreachable as error:
            return dg.SensorResult(skip_reason=str(error), cursor=cursors.keep(memory.to_json()))
        runs = _runs(context.instance, [asked.key for asked in look.good])
        accepted = [(asked, runs[asked.key]) for asked in look.good if asked.key in runs]
        stuck = [*look.stuck, *inbox.accept(accepted)]
        instead = example(pipeline, calendar)
        for refused in look.bad:
            try:
                beside = inbox.reject(refused, instead)
            except StoreUnreachable as error:
                stuck.append(StuckDrop(refused.drop, str(error)))
                continue
            problems = shortened(" ".join("; ".join(refused.problems).split()), _LONGEST_LINE)
            line = f"{shortened(refused.drop.name)} was rejected: {problems} ({beside})"
            context.log.warning(line)
            memory.news.append(line)
        memory.news = memory.news[-_MOST_NEWS:]
        wanted = [asked for asked in look.good if asked.key not in runs][:most]
        if wanted:
            return dg.SensorResult(
                [run_request(asked.run, asked.key, {REQUEST_TAG: asked.key}) for asked in wanted],
                cursor=cursors.keep(memory.to_json()),
            )
        reason = _reason(inbox.uri, [asked.drop for asked, _ in accepted], look, stuck, memory.news)
        memory.news = []
        return dg.SensorResult(skip_reason=reason, cursor=cursors.keep(memory.to_json()))

    return dg.SensorDefinition(
        name,
        evaluation_fn=launch_requests,
        asset_selection=everything_of(pipeline),
        minimum_interval_seconds=settings().inbox_interval_s,
        description=f"Launches a run for every request file in {inbox_of(pipeline)}.",
    )


def _runs(instance: dg.DagsterInstance, keys: Sequence[str]) -> dict[str, str]:
    """Return Dagster's id of the run that each key has; one that was never launched is none."""
    if not keys:
        return {}
    runs = instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: list(keys)}))
    # Newest first, so of a run and those that repeat it by hand the first is meant.
    return {
        run.tags[REQUEST_TAG]: run.run_id
        for run in runs
        if run.status is not dg.DagsterRunStatus.NOT_STARTED
    }


def _reason(
    uri: str,
    accepted: Sequence[Drop],
    look: Look,
    stuck: Sequence[StuckDrop],
    news: Sequence[str],
) -> str:
    parts = [*news]
    stuck_names = {one.drop.name for one in stuck}
    moved = [drop.name for drop in accepted if drop.name not in stuck_names]
    if moved:
        parts.append(f"{_named(moved)} accepted")
    parts += [f"{one.drop.name} is stuck: {one.reason}" for one in stuck[:_MOST_NAMED]]
    if look.unfinished:
        parts.append(f"{_named([drop.name for drop in look.unfinished])} may still be written")
    return shortened(" ".join("; ".join(parts).split()), _LONGEST) or f"no requests in {uri}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
