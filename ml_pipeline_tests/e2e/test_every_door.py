"""One parameter set through every door: one run id, one computation, each door's origin."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, expect

from ml_pipeline_tests.e2e import by_hand
from ml_pipeline_tests.e2e.dagster_ui import looking_at, run_config
from ml_pipeline_tests.e2e.server import ASSETS, Server, serving, tool, wait_until

pytestmark = pytest.mark.long

DAY = "1998-06-30"
"""The last day of the calendar: what the schedule runs."""
DAY_BEFORE = "1998-06-29"
PARAMS = {"training": {"learning_rate": 0.2, "max_iter": 20}}
TYPED = ("--param", "learning_rate=0.2", "--param", "max_iter=20")
NAMES = ("training.learning_rate", "training.max_iter")

ORIGINS = {
    "schedule": "settings",
    "launchpad": "launchpad",
    "backfill": "backfill",
    "command line": "command line",
    "parameter file": "door.yaml",
    "launch": "launch: command line",
    "request file": "sensor requests (door.yaml)",
    "GraphQL": "GraphQL",
    "re-execution": "GraphQL",
    "dagster command": "dagster command",
}

_START_SCHEDULE = """
mutation($of: ScheduleSelector!) { startSchedule(scheduleSelector: $of) { __typename } }"""
_START_SENSOR = """
mutation($of: SensorSelector!) { startSensor(sensorSelector: $of) { __typename } }"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose schedule runs every minute, with the parameters of all the other doors."""
    home = tmp_path_factory.mktemp("home")
    with serving(
        [tool("ml-pipeline"), "ui"],
        home,
        cwd=home,
        ML_PIPELINE_PARAMS=json.dumps(PARAMS),
        ML_PIPELINE_DAILY_CRON="* * * * *",
        ML_PIPELINE_DAILY_DAYS="1",
        ML_PIPELINE_INBOX_INTERVAL_S="1",
        ML_PIPELINE_INBOX_SETTLE_S="0",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def through(
    site: Server, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Dagster's id of the run that came through each door."""
    folder = tmp_path_factory.mktemp("doors")
    config = run_config(**PARAMS)
    found: dict[str, str] = {}

    # The schedule goes first: it asks for nothing that is published already.
    site.graphql(_START_SCHEDULE, of={**by_hand.REPOSITORY, "scheduleName": "daily_window"})
    found["schedule"] = _tagged(site, "dagster/schedule_name")
    site.finished_run(found["schedule"])

    with looking_at(site, browser, folder) as ui:
        backfill = ui.backfill(f"[{DAY_BEFORE}...{DAY}]", config)
        (site.home / "inbox").mkdir(exist_ok=True)
        (site.home / "inbox" / "door.yaml").write_text(
            yaml.safe_dump({"as_of": DAY, "params": PARAMS})
        )
        site.graphql(_START_SENSOR, of={**by_hand.REPOSITORY, "sensorName": "requests"})

        ui.launch(DAY, config)
        found["launchpad"] = ui.launched_run()
        launched = by_hand.launch(site, by_hand.config_of(PARAMS), DAY)
        found["GraphQL"] = launched["run"]["runId"]

        file = folder / "door.yaml"
        file.write_text(yaml.safe_dump(PARAMS))
        for door, command in {
            "command line": ("run", "--as-of", DAY, *TYPED),
            "parameter file": ("run", "--as-of", DAY, "--params-file", str(file)),
            "launch": ("launch", "--url", site.url, "--as-of", DAY, *TYPED),
        }.items():
            (run,) = site.command(*command)["runs"]
            found[door] = run["dagster_run_id"]
        found["dagster command"] = _materialized(site, folder / "config.yaml", config)

        site.finished_run(found["GraphQL"])
        found["re-execution"] = ui.reexecute(found["GraphQL"])
        expect(ui.run_status).to_have_text("Success", timeout=90_000)

    found["request file"] = _tagged(site, "dagster/sensor_name")
    (made,) = site.finished_backfill(backfill)["runs"]
    found["backfill"] = made["id"]
    for dagster_run_id in found.values():
        assert site.finished_run(dagster_run_id)["status"] == "SUCCESS"
    return found


def test_every_door_leads_to_one_run_id_and_one_computation(
    site: Server, through: dict[str, str]
) -> None:
    assert set(through) == set(ORIGINS)
    identified = site.command("id", "--as-of", DAY, *TYPED)
    run_ids = {asset["asset"]: asset["run_id"] for asset in identified["assets"]}
    made = {door: _made(site, through[door]) for door in through}
    for door, assets in made.items():
        assert {asset: one["run_id"] for asset, one in assets.items()} == run_ids, door
    computed = Counter(
        asset for assets in made.values() for asset, one in assets.items() if not one["reused"]
    )
    assert computed == dict.fromkeys(ASSETS, 1)
    assert not any(one["reused"] for one in made["schedule"].values())
    assert len({one["path"] for assets in made.values() for one in assets.values()}) == len(ASSETS)
    (directory,) = Path(made["schedule"]["model"]["path"]).parent.parent.iterdir()
    assert directory == Path(made["schedule"]["model"]["path"]).parent


@pytest.mark.parametrize("door", ORIGINS)
def test_every_door_is_told_as_origin(site: Server, through: dict[str, str], door: str) -> None:
    for asset in ("model", "evaluation"):
        origins = json.loads(_made(site, through[door])[asset]["origins"])
        assert origins == dict.fromkeys(NAMES, ORIGINS[door])


def _made(site: Server, dagster_run_id: str) -> dict[str, dict[str, Any]]:
    return {
        one.asset: one.metadata
        for one in site.materializations(dagster_run_id)
        if one.partition == DAY
    }


def _tagged(site: Server, tag: str) -> str:
    """Wait for the run that has a tag and return its id."""

    def tagged() -> list[str]:
        return [run["runId"] for run in site.runs() if tag in run["tags"]]

    wait_until(lambda: bool(tagged()), 120, f"run with the tag {tag}")
    (found,) = tagged()
    return found


def _materialized(site: Server, file: Path, config: str) -> str:
    """Materialize with Dagster's own command and return the run's id."""
    before = {run["runId"] for run in site.runs()}
    file.write_text(config)
    done = site.materialize(ASSETS, DAY, file)
    assert done.returncode == 0, done.stderr
    (new,) = {
        run["runId"]
        for run in site.runs()
        if run["runId"] not in before and "dagster/partition_set" in run["tags"]
    }
    return new
