"""Let Dagster's daemon look at backfills and sensors every second or two, not every 30 or 5.

Dagster has no setting for it. Python imports this module at its start where its folder is on the
path; only a process that is the daemon is changed by it.
"""

import sys

if "dagster._daemon" in sys.orig_argv:
    from dagster._daemon import controller, sensor

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2
    sensor.MIN_INTERVAL_LOOP_TIME = 1
