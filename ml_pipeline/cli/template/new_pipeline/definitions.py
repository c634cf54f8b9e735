"""What Dagster loads: the pipeline, the days that it runs for, and what starts runs by itself."""

from pathlib import Path

import dagster as dg
import ml_pipeline as mp

from new_pipeline.assets import PIPELINE


@dg.definitions
def defs() -> dg.Definitions:
    """Return all definitions; sensors and schedules are off until they are turned on in the UI."""
    location = mp.code_location(PIPELINE, dg.DailyPartitionsDefinition("2025-01-01"))
    automation = dg.Definitions(
        sensors=[mp.requests_sensor(location)],
        schedules=[
            mp.window_schedule(location, cron="0 6 * * *", last=7),
            mp.sweep_schedule(location, {"params": {"alpha": [0.1, 1, 10]}}, cron="0 8 * * 1"),
        ],
    )
    return dg.Definitions.merge(location, automation, mp.defs_folder(Path(__file__).parent))
