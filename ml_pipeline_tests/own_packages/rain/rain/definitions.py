"""What Dagster loads."""

import dagster as dg

import ml_pipeline as mp
from rain.assets import PIPELINE
from rain.weather import weather


@dg.definitions
def defs() -> dg.Definitions:
    """Return the pipeline by weeks, its database, and what starts runs by itself."""
    weeks = dg.WeeklyPartitionsDefinition("2012-01-01", end_date="2016-01-03")
    location = mp.code_location(PIPELINE, weeks)
    beside = dg.Definitions(
        resources={"weather": weather()},
        sensors=[mp.requests_sensor(location)],
        schedules=[mp.window_schedule(location, cron="0 6 * * 0", last=28, name="weeks")],
    )
    return dg.Definitions.merge(location, beside)
