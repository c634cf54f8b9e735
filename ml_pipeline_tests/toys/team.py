"""What a team has: a bucket, a database, a broker with Celery workers, and a Dask cluster."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import ml_pipeline
from ml_pipeline_tests.e2e.server import REPOSITORY, environment, tool
from ml_pipeline_tests.toys import seaweed
from ml_pipeline_tests.toys.postgres import Postgres, postgres
from ml_pipeline_tests.toys.rabbitmq import RabbitMQ, rabbitmq

SHIPPED = Path(ml_pipeline.__file__).parent / "deploy"


@dataclass
class Team:
    """The servers, each one real, and the processes that work with them.

    Attributes:
        folder: of this machine; nothing of what is computed is in it.
        root: URI of the store.
        workers: running Celery workers, each the first of its session.
    """

    folder: Path
    bucket: seaweed.Seaweed
    database: Postgres
    broker: RabbitMQ
    root: str = f"s3://{seaweed.BUCKET}/ml"
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        config = yaml.safe_load((SHIPPED / "celery.yaml").read_text())["execution"]["config"]
        return {
            **seaweed.environment(self.bucket.url),
            "PYTHONPATH": str(REPOSITORY),
            "PATH": os.pathsep.join([str(Path(tool("python")).parent), os.environ["PATH"]]),
            "DAGSTER_HOME": str(self.folder / "instance"),
            "ML_PIPELINE_INSTANCE": str(self.folder / "instance"),
            "ML_PIPELINE_STORE": self.root,
            "ML_PIPELINE_INDEX": self.database.url,
            "ML_PIPELINE_DATES_PER_RUN": "4",
            "ML_PIPELINE_EXECUTOR": "celery",
            "ML_PIPELINE_EXECUTOR_CONFIG": json.dumps(config),
            "ML_BROKER": self.broker.url,
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(self.database.port),
            "DAGSTER_PG_USERNAME": "postgres",
            "DAGSTER_PG_PASSWORD": "not asked for",
            "DAGSTER_PG_DB": "postgres",
        }

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment of every process of the team."""
        return {**environment(self.folder / "home"), **self.variables}

    def start_worker(self) -> "subprocess.Popen[bytes]":
        command = ["dagster-celery", "worker", "start", "-A", "dagster_celery.app"]
        command += ["-y", str(SHIPPED / "celery.yaml"), "-n", f"w{len(self.workers)}"]
        with (self.folder / "workers.log").open("ab") as log:
            started = subprocess.Popen(
                [tool(command[0]), *command[1:], "--", "--concurrency=1"],
                env=self.surroundings,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(started)
        return started

    def started(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start `ml-pipeline`."""
        return subprocess.Popen(
            [tool("ml-pipeline"), *arguments],
            env={**self.surroundings, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run `ml-pipeline` to its end."""
        process = self.started(*arguments, **variables)
        out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def told(self, *arguments: str, **variables: str) -> Any:
        """Run `ml-pipeline` to its good end and return the JSON that it prints."""
        done = self.command(*arguments, "--json", **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stop_workers(self) -> None:
        for worker in self.workers:
            kill(worker)
        self.workers.clear()


def kill(process: "subprocess.Popen[Any]") -> None:
    """End a process with all of its session, as a machine does that is switched off."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def team(folder: Path) -> Iterator[Team]:
    """Run the servers for as long as somebody needs them; workers and clusters start later."""
    (folder / "instance").mkdir()
    (folder / "instance" / "dagster.yaml").write_text((SHIPPED / "dagster.yaml").read_text())
    (folder / "weed").mkdir()
    with (
        seaweed.seaweed(folder / "weed") as bucket,
        postgres() as database,
        rabbitmq() as broker,
    ):
        made = Team(folder, bucket, database, broker)
        try:
            yield made
        finally:
            made.stop_workers()
