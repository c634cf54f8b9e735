"""A team's instance on Postgres with Celery workers, as the shipped files configure them."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import yaml

import ml_pipeline
from ml_pipeline.dagster.webserver import Webserver
from ml_pipeline.launch.run_request import requested_run
from ml_pipeline_tests.e2e.server import REPOSITORY, Server, environment, serving, tool, wait_until
from ml_pipeline_tests.toys import engines
from ml_pipeline_tests.toys.postgres import Postgres, postgres
from ml_pipeline_tests.toys.rabbitmq import rabbitmq

pytestmark = pytest.mark.long

SHIPPED = Path(ml_pipeline.__file__).parent / "deploy"
FIRST = date(2026, 1, 5)
RUNS, DATES = 3, 2


@dataclass
class Team:
    """What a team has: a database, a broker, and the hosts that share them.

    Attributes:
        workers: running Celery workers, each the first of its session.
    """

    folder: Path
    database: Postgres
    broker: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        config = yaml.safe_load((SHIPPED / "celery.yaml").read_text())["execution"]["config"]
        return {
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(REPOSITORY)]),
            "PATH": os.pathsep.join([str(Path(tool("python")).parent), os.environ["PATH"]]),
            "DAGSTER_HOME": str(self.folder / "instance"),
            "ML_PIPELINE_INSTANCE": str(self.folder / "instance"),
            "ML_PIPELINE_EXECUTOR": "celery",
            "ML_PIPELINE_EXECUTOR_CONFIG": json.dumps(config),
            "ML_BROKER": self.broker,
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(self.database.port),
            "DAGSTER_PG_USERNAME": "postgres",
            "DAGSTER_PG_PASSWORD": "not asked for",
            "DAGSTER_PG_DB": "postgres",
            engines.FOLDER: str(self.folder),
            engines.PAUSE: "1",
        }

    def worker(self) -> None:
        command = ["dagster-celery", "worker", "start", "-A", "dagster_celery.app"]
        command += ["-y", str(SHIPPED / "celery.yaml"), "-n", f"w{len(self.workers)}"]
        with (self.folder / "workers.log").open("ab") as log:
            started = subprocess.Popen(
                [tool(command[0]), *command[1:], "--", "--concurrency=1"],
                env={**environment(self.folder / "home"), **self.variables},
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(started)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tool("ml-pipeline"), "-m", "flow", *arguments],
            env={**environment(self.folder / "home"), **self.variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @property
    def told(self) -> list[str]:
        return sorted(file.name for file in self.folder.glob("told/*"))


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    (folder / "instance").mkdir()
    (folder / "instance" / "dagster.yaml").write_text((SHIPPED / "dagster.yaml").read_text())
    source = "from ml_pipeline_tests.toys.engines import location\n\ndefs = location()\n"
    (folder / "flow.py").write_text(source)
    with postgres() as database, rabbitmq() as broker:
        made = Team(folder, database, broker)
        try:
            yield made
        finally:
            for worker in made.workers:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()


@pytest.fixture(scope="module")
def server(team: Team) -> Iterator[Server]:
    command = [tool("ml-pipeline"), "-m", "flow", "ui"]
    with serving(command, team.folder / "home", cwd=team.folder, **team.variables) as running:
        yield running


def launched(server: Server, dates: Sequence[date], rows: int) -> str:
    params = engines.PIPELINE.params.parse({"size.rows": rows})
    return Webserver(server.url).launch(requested_run(engines.PIPELINE, params, dates))


def test_instance_on_postgres_serves_commands_and_ui(team: Team, server: Server) -> None:
    done = team.command("run", "--as-of", "2026-01-20", "--json")
    assert done.returncode == 0, done.stderr
    (run,) = server.runs()
    assert run["status"] == "SUCCESS"
    assert not list((team.folder / "instance").rglob("*.db"))
    engine = sqlalchemy.create_engine(team.database.url.replace("ql:", "ql+psycopg2:"))
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT count(*) FROM runs")) == 1
    engine.dispose()


def test_runs_on_celery_end_though_a_worker_is_killed(team: Team, server: Server) -> None:
    days = [FIRST + timedelta(days=day) for day in range(RUNS * DATES)]
    ids = [launched(server, days[n : n + DATES], 4) for n in range(0, len(days), DATES)]
    time.sleep(1)
    team.worker()
    wait_until(lambda: bool(told(team, 4)), 90, "computation")
    os.killpg(team.workers[0].pid, signal.SIGKILL)
    interrupted = told(team, 4)
    team.worker()
    team.worker()
    assert {server.finished_run(one)["status"] for one in ids} == {"SUCCESS"}
    assert sorted(made(server, ids)) == sorted(str(day) for day in days)
    assert [len(records(team, day)) for day in days] == [1] * len(days)
    # What the killed worker had published is not computed again, and nobody else's is.
    assert len(told(team, 4)) <= len(days) + len(interrupted)


def test_sweep_on_celery_makes_each_cell_once(team: Team, server: Server) -> None:
    team.worker()
    days = [FIRST, FIRST + timedelta(days=1)]
    asked = requested_run(engines.PIPELINE, engines.PIPELINE.params.parse({}), days)
    config = {"resources": {"sweep": {"config": {"size": {"rows": "6,7"}}}}}
    sweep = replace(asked, config=config, assets=["sweep"])
    done = server.finished_run(Webserver(server.url).launch(sweep))
    assert done["status"] == "SUCCESS"
    assert [len(told(team, rows)) for rows in (6, 7)] == [2, 2]


def records(team: Team, day: date) -> list[Path]:
    return list(team.folder.glob(f"store/tower/**/as_of={day}/**/record.json"))


def told(team: Team, rows: int) -> list[str]:
    return [one for one in team.told if f"-{rows}-" in one]


def made(server: Server, ids: Sequence[str]) -> list[str]:
    query = (
        "query($id: ID!) {runOrError(runId: $id) {... on Run {assetMaterializations {partition}}}}"
    )
    found: list[Any] = [server.graphql(query, id=one)["runOrError"] for one in ids]
    return [event["partition"] for run in found for event in run["assetMaterializations"]]


def test_instance_whose_database_is_gone_is_told_in_a_sentence(team: Team) -> None:
    team.database.stop()
    try:
        done = team.command("run", "--as-of", "2026-01-21")
    finally:
        team.database.start()
    assert done.returncode != 0
    assert "The databases of the Dagster instance in" in done.stderr
    assert "Traceback" not in done.stderr
