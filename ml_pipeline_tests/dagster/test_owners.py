"""Runs whose process is gone do not stay started for ever."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.dagster.owners import OWNER_TAG, end_abandoned, owned
from ml_pipeline.settings import Settings
from ml_pipeline.store import owner

RUN = "0d1c7b1e-0000-4000-8000-000000000001"
STARTS = f"""
RUN = "{RUN}"
import sys
import dagster as dg
from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.dagster.owners import owned
from ml_pipeline.settings import Settings

@dg.op
def wait():
    print("started", flush=True)
    sys.stdin.read()

@dg.job
def waiting():
    wait()

with open_instance(Settings()) as instance, owned(instance, RUN) as tags:
    waiting.execute_in_process(instance=instance, run_id=RUN, tags=dict(tags))
"""


@dg.job
def nothing() -> None:
    pass


@pytest.fixture
def process(configured: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process that executes `RUN` until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert any(line == "started\n" for line in process.stdout)
            yield process
        finally:
            process.kill()


def started(instance: dg.DagsterInstance, owner_of: str = "") -> str:
    """Return the id of a run that a process has made and not ended."""
    run = instance.create_run_for_job(nothing)
    if owner_of:
        instance.add_run_tags(run.run_id, {OWNER_TAG: f"{run.run_id} {owner_of}"})
    return run.run_id


def status_of(instance: dg.DagsterInstance, dagster_run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(dagster_run_id)
    assert run is not None
    return run.status


@pytest.fixture
def elsewhere() -> str:
    """A process of another machine."""
    return f"other-machine {owner.token().replace('/pid:', '/other:')}"


def test_run_of_a_process_that_was_killed_fails_with_that_reason(
    configured: Settings, process: subprocess.Popen[str]
) -> None:
    with open_instance(configured) as instance:
        assert status_of(instance, RUN) is dg.DagsterRunStatus.STARTED
        process.kill()
        process.wait()
        assert end_abandoned(instance) == [RUN]
        assert status_of(instance, RUN) is dg.DagsterRunStatus.FAILURE
        said = [event.message for event in instance.all_logs(RUN)][-1]
        assert "has ended without a word: it was killed" in said
        assert end_abandoned(instance) == []


def test_run_of_a_process_that_was_killed_is_ended_by_whoever_opens_the_instance(
    configured: Settings, process: subprocess.Popen[str]
) -> None:
    process.kill()
    process.wait()
    with open_instance(configured) as instance:
        assert status_of(instance, RUN) is dg.DagsterRunStatus.FAILURE


def test_run_of_this_process_is_left_alone(configured: Settings) -> None:
    with open_instance(configured) as instance:
        run = started(instance, f"this-machine {owner.token()}")
        assert end_abandoned(instance) == []
        assert status_of(instance, run) is dg.DagsterRunStatus.NOT_STARTED


def test_run_that_says_nothing_of_its_process_is_left_alone(configured: Settings) -> None:
    with open_instance(configured) as instance:
        started(instance)
        started(instance, "no token at all")
        assert end_abandoned(instance) == []


@pytest.mark.parametrize(("silent_s", "ends"), [(30, False), (1200, True)])
def test_run_of_another_machine_is_judged_by_its_signs_of_life(
    configured: Settings, elsewhere: str, silent_s: float, ends: bool
) -> None:
    with open_instance(configured) as instance:
        run = started(instance, elsewhere)
        sign = Path(instance.root_directory) / "alive" / run
        sign.parent.mkdir()
        sign.touch()
        said = time.time() - silent_s
        os.utime(sign, (said, said))
        assert end_abandoned(instance) == ([run] if ends else [])
        if ends:
            reason = [event.message for event in instance.all_logs(run)][-1]
            assert "other-machine" in reason
            assert "for 20 minutes" in reason
            assert not sign.exists()


def test_run_of_another_machine_that_never_gave_a_sign_is_left_alone(
    configured: Settings, elsewhere: str
) -> None:
    with open_instance(configured) as instance:
        started(instance, elsewhere)
        assert end_abandoned(instance) == []


def test_run_that_repeats_one_whose_process_is_gone_is_left_alone(configured: Settings) -> None:
    gone = f"this-machine {owner.token().rpartition('|')[0]}|1"
    with open_instance(configured) as instance:
        first = started(instance, gone)
        copied = {OWNER_TAG: f"{first} {gone}"}
        again = instance.create_run_for_job(nothing, tags=copied).run_id
        assert end_abandoned(instance) == [first]
        assert status_of(instance, again) is dg.DagsterRunStatus.NOT_STARTED


def test_signs_of_life_end_with_the_run(configured: Settings) -> None:
    with open_instance(configured) as instance:
        folder = Path(instance.root_directory) / "alive"
        with owned(instance, "some-run"):
            assert [sign.name for sign in folder.iterdir()] == ["some-run"]
        assert not list(folder.iterdir())
