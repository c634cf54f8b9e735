"""Runs of this process, date after date."""

import os
import signal
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster import private
from ml_pipeline.dagster.execution import InProcess, Stopped, pipeline_job
from ml_pipeline.dagster.partitions import calendar_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.dagster_site import temporary_instance
from ml_pipeline_tests.toys.pipeline import PARAMS, Data


def test_run_stopped_while_dagster_ends_a_part_of_it_does_not_begin_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline("parted", PARAMS)

    @pipeline.asset
    def only(as_of: date, data: Data) -> dict[str, int]:
        return {"rows": data.rows, "day": as_of.day}

    listen = private.listen

    def and_stop(instance: Any, dagster_run_id: str, hear: Any) -> None:
        def stop(event: dg.EventLogEntry) -> None:
            hear(event)
            if event.dagster_event and event.dagster_event.is_job_success:
                os.kill(os.getpid(), signal.SIGINT)

        listen(instance, dagster_run_id, stop)

    monkeypatch.setattr(private, "listen", and_stop)
    partitions = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
    store = ArtifactStore(str(tmp_path / "store"))
    job = pipeline_job(pipeline, partitions, lambda _: store, tmp_path)
    days = [date(2026, 1, 5), date(2026, 1, 6)]
    with temporary_instance(tmp_path / "instance") as instance:
        calendar = calendar_of("parted", partitions, "")
        here = InProcess(job, pipeline, store, instance, tmp_path / "logs", 1, calendar)
        with pytest.raises(Stopped) as stopped:
            here.run(PARAMS.defaults, days)
        assert [done.as_of for done in stopped.value.done] == days[:1]
        # A Ctrl-C that comes when everything is done stops nothing.
        (again,) = here.run(PARAMS.defaults, days[:1])
        assert again.error is None
    assert signal.set_wakeup_fd(-1) == -1
