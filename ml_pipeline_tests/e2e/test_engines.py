"""The reference pipeline on what a team has, as the shipped files configure it.

A bucket, Postgres, RabbitMQ with Celery workers and a Dask cluster, all real; workers are killed.
What comes of it is what comes of one process with a folder.
"""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.dagster.webserver import Webserver
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.launch.run_request import requested_run
from ml_pipeline_tests.e2e.server import (
    ASSETS,
    REPOSITORY,
    Server,
    environment,
    serving,
    tool,
    wait_until,
)
from ml_pipeline_tests.toys.dask_site import dask_site
from ml_pipeline_tests.toys.team import Team, kill, team

pytestmark = pytest.mark.long

FIRST = date(1998, 5, 1)
BACKFILLED, SWEPT = 28, 14
RATES, DEPTHS, STEPS = (0.05, 0.1, 0.2), (2, 3), (4, 6)
MOST_S = 300

IN_PROCESS = """
import json, sys
from datetime import date, timedelta
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.settings import settings

materializer = Materializer(PIPELINE, ArtifactStore(settings().store_root))
for first, count, values in json.loads(sys.argv[1]):
    for day in range(count):
        as_of = date.fromisoformat(first) + timedelta(days=day)
        list(materializer.run(PIPELINE.params.parse(values), as_of))
"""
BACKFILL = """
mutation($asked: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $asked) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
  }
}"""
WARNINGS = """
query($id: ID!) {
  logsForRun(runId: $id) {
    ... on EventConnection { events { ... on MessageEvent { level message } } }
  }
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("team")) as made:
        yield made


@pytest.fixture(scope="module")
def server(site: Team) -> Iterator[Server]:
    command = [tool("ml-pipeline"), "ui"]
    with serving(command, site.folder / "home", cwd=site.folder, **site.variables) as running:
        yield running


@pytest.fixture(scope="module")
def backfill(server: Server) -> str:
    """Launch as the UI does, and leave the daemon its time to look."""
    asked = {
        "assetSelection": [{"path": [name]} for name in ASSETS],
        "partitionNames": [str(FIRST + timedelta(days=day)) for day in range(BACKFILLED)],
        "runConfigData": {"resources": {"params": {"config": {"training": {"max_iter": 5}}}}},
    }
    begun = server.graphql(BACKFILL, asked=asked)["launchPartitionBackfill"]
    return str(begun["backfillId"])


def test_sweep_on_dask_is_that_of_one_process_though_a_worker_is_killed(
    site: Team, server: Server, backfill: str
) -> None:
    grid = [f"learning_rate={','.join(map(str, RATES))}"]
    grid += [f"max_depth={','.join(map(str, DEPTHS))}", f"max_iter={','.join(map(str, STEPS))}"]
    last = FIRST + timedelta(days=SWEPT - 1)
    asked = [
        "--from",
        str(FIRST),
        "--to",
        str(last),
        *(part for one in grid for part in ("-p", one)),
    ]
    with dask_site(site.folder, 2, **site.surroundings) as dask:
        sweep = site.started("sweep", *asked, "--json", ML_PIPELINE_SCHEDULER=str(dask.file))
        wait_until(lambda: len(published(site)["evaluation"]) >= 40, MOST_S, "part of the sweep")
        kill(dask.processes[-1])
        done = len(published(site)["evaluation"])
        out, err = sweep.communicate(timeout=MOST_S)
    assert sweep.returncode == 0, err
    cells = SWEPT * len(RATES) * len(DEPTHS) * len(STEPS)
    assert done < cells
    told = json.loads(out)
    assert [len(trial["cells"]) for trial in told["trials"]] == [SWEPT] * (cells // SWEPT)
    assert server.run(told["dagster_run_id"])["status"] == "SUCCESS"
    made = published(site)
    assert {name: len(made[name]) for name in ASSETS} == {
        name: len(set(made[name])) for name in ASSETS
    }
    assert {name: len(made[name]) for name in ASSETS} == {
        **dict.fromkeys(("orders", "features"), SWEPT),
        **dict.fromkeys(("model", "evaluation"), cells),
    }
    everything = [
        [str(FIRST), SWEPT, training(learning_rate=rate, max_depth=depth, max_iter=steps)]
        for rate in RATES
        for depth in DEPTHS
        for steps in STEPS
    ]
    assert board(site) == board_of_one_process(site.folder / "swept", everything)
    # The instance is in the database, and nowhere else.
    assert not list((site.folder / "instance").rglob("*.db"))


def test_backfill_on_celery_is_that_of_one_process_though_a_worker_is_killed(
    site: Team, server: Server, backfill: str
) -> None:
    before = len(published(site)["evaluation"])

    def warned() -> bool:
        runs = server.backfill(backfill)["runs"]
        return any("No Celery worker answers" in text for one in runs for text in told(server, one))

    wait_until(warned, MOST_S, "warning that there is no worker")
    victim, _ = site.start_worker(), site.start_worker()
    wait_until(lambda: len(published(site)["evaluation"]) >= before + 3, MOST_S, "first dates")
    kill(victim)
    one_process = board_of_one_process(
        site.folder / "filled", [[str(FIRST), BACKFILLED, training(max_iter=5)]]
    )
    over = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED"}
    wait_until(lambda: server.backfill(backfill)["status"] in over, MOST_S, "end of the backfill")
    ended = server.backfill(backfill)
    assert ended["status"] == "COMPLETED_SUCCESS"
    assert [run["status"] for run in ended["runs"]] == ["SUCCESS"] * (BACKFILLED // 4)
    made = published(site)
    assert {name: len(made[name]) for name in ASSETS} == {
        name: len(set(made[name])) for name in ASSETS
    }
    assert len(made["evaluation"]) - before == len(made["orders"]) == BACKFILLED
    assert board(site, "--where", "max_iter=5") == one_process


def test_sweep_on_celery_makes_each_cell_once(site: Team, server: Server) -> None:
    asked = requested_run(PIPELINE, PIPELINE.params.parse({}), [FIRST])
    config = {"resources": {"sweep": {"config": {"training": {"max_iter": "7,8"}}}}}
    sweep = replace(asked, config=config, assets=["sweep"])
    before = Counter(published(site)["evaluation"])
    site.start_worker()
    done = server.finished_run(Webserver(server.url).launch(sweep))
    assert done["status"] == "SUCCESS"
    assert sorted((Counter(published(site)["evaluation"]) - before).values()) == [1, 1]


@pytest.mark.parametrize(("restarted", "steps"), [("broker", 9), ("database", 10)])
def test_run_on_celery_is_ended_though_what_it_needs_is_restarted(
    site: Team, server: Server, restarted: str, steps: int
) -> None:
    before = len(published(site)["evaluation"])
    days = [FIRST + timedelta(days=day) for day in range(10)]
    params = PIPELINE.params.parse(training(max_iter=steps))
    site.start_worker()
    Webserver(server.url).launch(requested_run(PIPELINE, params, days))
    wait_until(lambda: len(published(site)["evaluation"]) >= before + 2, MOST_S, "first dates")
    component: Any = getattr(site, restarted)
    component.stop()
    component.start()
    wait_until(
        lambda: len(published(site)["evaluation"]) >= before + len(days) and ended(server),
        MOST_S,
        "end of the run, or of the one that takes its place",
    )
    made = published(site)["evaluation"]
    assert len(made) == len(set(made)) == before + len(days)


def ended(server: Server) -> bool:
    """Whether the last run is over; it failed if the broker was still away at its retry."""
    with contextlib.suppress(AssertionError, KeyError, TypeError):
        return server.runs()[0]["status"] in ("SUCCESS", "FAILURE")
    return False


def published(site: Team) -> dict[str, list[str]]:
    """Return for each asset the folders of its runs, as often as there are records in them."""
    keys = [key for key in site.bucket.keys("ml") if key.endswith("/record.json")]
    return {
        name: [key.rpartition("/rev=")[0] for key in keys if key.startswith(f"ml/{name}/")]
        for name in ASSETS
    }


def training(**values: Any) -> dict[str, Any]:
    return {f"training.{name}": value for name, value in values.items()}


def told(server: Server, run: dict[str, Any]) -> list[str]:
    events = server.graphql(WARNINGS, id=run["id"])["logsForRun"]["events"]
    return [event["message"] for event in events if event.get("level") == "WARNING"]


def board(site: Team, *conditions: str) -> Any:
    return without_times(site.told("leaderboard", *conditions)["groups"])


def board_of_one_process(home: Path, everything: list[Any]) -> Any:
    surroundings = {**environment(home), "PYTHONPATH": str(REPOSITORY)}
    line = [sys.executable, "-c", IN_PROCESS, json.dumps(everything)]
    subprocess.run(line, env=surroundings, check=True, timeout=MOST_S)
    line = [tool("ml-pipeline"), "leaderboard", "--json"]
    done = subprocess.run(line, env=surroundings, check=True, timeout=60, stdout=subprocess.PIPE)
    return without_times(json.loads(done.stdout)["groups"])


def without_times(groups: Any) -> Any:
    """Return a leaderboard but for how long things took."""
    for group in groups:
        for row in group["rows"]:
            assert row.pop("seconds") > 0
    return groups
