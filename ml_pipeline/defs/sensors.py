"""Sensors: requests that are dropped into the inbox, and new days in the source.

Both are off until somebody turns them on. A tick that launches has no words of its own in Dagster,
so what it has to say is told by the next tick that launches nothing.
"""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from ml_pipeline.dagster.automation import run_request
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.defs import source
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.partitions import daily, last_day
from ml_pipeline.defs.requests import rules, standing, told
from ml_pipeline.errors import SourceError, StoreUnreachable
from ml_pipeline.launch.cursors import Cursors
from ml_pipeline.launch.drops import Drop, Look, Memory, StuckDrop
from ml_pipeline.launch.inbox import Inbox
from ml_pipeline.launch.request_document import example, read_request
from ml_pipeline.launch.run_config import SWEEP
from ml_pipeline.launch.run_request import RequestedRun, in_ranges, requested_run
from ml_pipeline.launch.seen_days import SeenDays
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.identity import digest_of
from ml_pipeline.settings import Settings, settings
from ml_pipeline.text import shortened

REQUESTS: Final = "requests"
NEW_DATA: Final = "new_data"
REQUEST_TAG: Final = "ml_pipeline/request"
"""Tag of a run: key of the request that it was launched for."""

_MOST_NEWS: Final = 20
_MOST_NAMED: Final = 10
_MOST_RANGES: Final = 10
_LONGEST: Final = 2000
_LONGEST_LINE: Final = 400


@unwrapped()
def sensors(configured: Settings) -> list[dg.SensorDefinition]:
    """Return the sensors.

    Raises:
        SettingsError: if the standing parameters cannot be used.
    """
    params = standing()
    everything = dg.AssetSelection.assets(*PIPELINE.stages, SWEEP)
    return [
        dg.SensorDefinition(
            REQUESTS,
            evaluation_fn=launch_requests,
            asset_selection=everything,
            minimum_interval_seconds=configured.inbox_interval_s,
            description=f"Launches a run for every request file in {configured.inbox_root}.",
        ),
        dg.SensorDefinition(
            NEW_DATA,
            evaluation_fn=launch_new_days,
            asset_selection=everything,
            minimum_interval_seconds=configured.source_interval_s,
            description=(
                f"Runs the dates whose orders in {params.values()['data']['source']} are new or"
                f" have changed. {told(params)}"
            ),
        ),
    ]


@unwrapped()
def launch_requests(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Launch what is asked for, move away what has its run, refuse what cannot be run."""
    configured = settings()
    cursors = Cursors(configured.home / "sensors" / REQUESTS)
    memory = Memory.from_json(cursors.recall(context.cursor))
    allowed = rules()

    def read(data: bytes, name: str) -> RequestedRun:
        return read_request(read_document(data, name), f"sensor {REQUESTS} ({name})", allowed)

    most = configured.requests_per_tick
    try:
        inbox = Inbox(configured.inbox_root)
        look = inbox.look(read, memory, configured.inbox_settle_s, 2 * most)
    except StoreUnreachable as error:
        return dg.SensorResult(skip_reason=str(error), cursor=cursors.keep(memory.to_json()))
    runs = _runs(context.instance, [asked.key for asked in look.good])
    accepted = [(asked, runs[asked.key]) for asked in look.good if asked.key in runs]
    stuck = [*look.stuck, *inbox.accept(accepted)]
    instead = example(PIPELINE, last_day(daily(configured)))
    for refused in look.bad:
        try:
            beside = inbox.reject(refused, instead)
        except StoreUnreachable as error:
            stuck.append(StuckDrop(refused.drop, str(error)))
            continue
        problems = shortened(" ".join("; ".join(refused.problems).split()), _LONGEST_LINE)
        line = f"{refused.drop.name} was rejected: {problems} ({beside})"
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


@unwrapped()
def launch_new_days(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Run the dates whose own orders are new or have changed.

    A late order changes what every later date would compute as well, for as long as it is within
    `history_days`; those are left to whoever wants them, and a run of one of them finds out.
    """
    configured = settings()
    params = standing()
    cursors = Cursors(configured.home / "sensors" / NEW_DATA)
    held = SeenDays.from_text(cursors.recall(context.cursor))
    calendar = daily(configured)
    try:
        found_at = source.locate(params.values()["data"]["source"])
        digests = source.day_digests(found_at)
    except SourceError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    place = str(found_at)
    first, last = configured.start_date, last_day(calendar)
    within = {day: digest for day, digest in digests.items() if first <= day <= last}
    found = SeenDays.of(place, within)
    if held is None or held.source != place:
        return dg.SensorResult(
            skip_reason=f"first look at {place}: {len(within)} days are there, none is run",
            cursor=cursors.keep(found.to_text()),
        )
    changed = [day for day in held.differing(found) if first <= day <= last]
    ranges = in_ranges(changed, configured.dates_per_run)[:_MOST_RANGES]
    if not ranges:
        return dg.SensorResult(
            skip_reason=f"no day of {place} is new or has changed",
            cursor=cursors.keep(held.to_text()),
        )
    launched = {day for dates in ranges for day in dates}
    days = {day: digest for day, digest in held.days.items() if day not in launched}
    days |= {day: digest for day, digest in found.days.items() if day in launched}
    requests = [
        run_request(
            requested_run(PIPELINE, params, dates),
            digest_of([place, held.launches, *map(str, dates)]),
        )
        for dates in ranges
    ]
    seen = SeenDays(place, days, held.launches + 1)
    return dg.SensorResult(requests, cursor=cursors.keep(seen.to_text()))
