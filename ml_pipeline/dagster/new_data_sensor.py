"""The sensor of outside data: days that are new there, or have changed, are run.

It is off until somebody turns it on.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

import dagster as dg

from ml_pipeline.dagster.automation import everything_of, run_request
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.location import location_of
from ml_pipeline.errors import SourceError
from ml_pipeline.launch.cursors import Cursors
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.run_request import requested_run
from ml_pipeline.launch.seen_days import SeenDays
from ml_pipeline.launch.standing import described, standing
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.model import ParamSet
from ml_pipeline.settings import settings

_MOST_RANGES: Final = 10


@unwrapped()
def new_data_sensor(
    location: dg.Definitions,
    held: Callable[[ParamSet], tuple[str, Mapping[date, str]]],
    what: Callable[[ParamSet], str] = lambda _params: "data",
) -> dg.SensorDefinition:
    """Return the sensor `new_data`, which runs the days whose data is new or has changed.

    It asks with the installation's standing parameters, which are the setting `params`.
    Late data of a day may change what later days compute as well; those are left to whoever wants
    them, and a run of one of them finds out.

    Args:
        location: what `code_location` returned for the pipeline.
        held: returns, for parameters, where the data is, and for each day of it a text that is
            another when the day's data is, such as a digest; raises `SourceError` if it cannot be
            read.
        what: returns a noun phrase for the data, to say what is looked at.

    Raises:
        PipelineError: if there is not one pipeline in the definitions.
        SettingsError: if the standing parameters cannot be used, or the pipeline is not
            partitioned by time.
    """
    made_of = location_of(location)
    pipeline, name = made_of.pipeline, names_of(made_of.pipeline).new_data
    made_of.calendar.refuse_timeless()

    @unwrapped()
    def launch_new_days(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        params = standing(pipeline.params)
        cursors = Cursors(settings().home / "sensors" / name)
        before = SeenDays.from_text(cursors.recall(context.cursor))
        try:
            place, digests = held(params)
        except SourceError as error:
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        calendar = made_of.calendar_in(context)
        held_in = calendar.holding(digests)
        within = {day: digest for day, digest in digests.items() if day in held_in}
        found = SeenDays.of(place, within)
        if before is None or before.source != place:
            return dg.SensorResult(
                skip_reason=f"first look at {place}: {len(within)} days are there, none is run",
                cursor=cursors.keep(found.to_text()),
            )
        changed = calendar.holding(before.differing(found))
        wanted = sorted({key for keys in changed.values() for key in keys}, key=calendar.order)
        ranges = calendar.in_runs(wanted, made_of.dates_per_run)[:_MOST_RANGES]
        if not ranges:
            return dg.SensorResult(
                skip_reason=f"no day of {place} is new or has changed",
                cursor=cursors.keep(before.to_text()),
            )
        asked = {key for dates in ranges for key in dates}
        launched = {day for day, keys in changed.items() if asked.issuperset(keys)}
        days = {day: digest for day, digest in before.days.items() if day not in launched}
        days |= {day: digest for day, digest in found.days.items() if day in launched}
        requests = [
            run_request(
                requested_run(pipeline, params, dates),
                digest_of([place, before.launches, *map(str, dates)]),
            )
            for dates in ranges
        ]
        seen = SeenDays(place, days, before.launches + 1)
        return dg.SensorResult(requests, cursor=cursors.keep(seen.to_text()))

    params = standing(pipeline.params)
    return dg.SensorDefinition(
        name,
        evaluation_fn=launch_new_days,
        asset_selection=everything_of(pipeline),
        minimum_interval_seconds=settings().source_interval_s,
        description=(
            f"Runs the dates whose {what(params)} are new or have changed. {described(params)}"
        ),
    )
