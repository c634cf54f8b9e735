"""What a run and a sweep need goes away in the middle: a clear failure or a good end.

Nothing is lost, nothing is there twice, and the same command goes on from there.
"""

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_pipeline_tests.e2e.server import ASSETS, environment, tool, wait_until
from ml_pipeline_tests.toys import seaweed
from ml_pipeline_tests.toys.postgres import Postgres, postgres

pytestmark = pytest.mark.long

MOST_S = 300
DAYS = ("--from", "1998-05-01", "--to", "1998-05-06")


@dataclass
class Site:
    """A bucket and a database that hold everything."""

    folder: Path
    bucket: seaweed.Seaweed
    database: Postgres

    @property
    def variables(self) -> dict[str, str]:
        return {
            **environment(self.folder / "home"),
            **seaweed.environment(self.bucket.url),
            "ML_PIPELINE_STORE": f"s3://{seaweed.BUCKET}/ml",
            "ML_PIPELINE_INDEX": self.database.url,
        }

    def started(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [tool("ml-pipeline"), *arguments],
            env=self.variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self, *arguments: str) -> Any:
        process = self.started(*arguments, "--json")
        out, err = process.communicate(timeout=MOST_S)
        assert process.returncode == 0, err
        return json.loads(out)

    def published(self, asset: str) -> list[str]:
        """Return the folder of each run of an asset, as often as there are records in it."""
        keys = self.bucket.keys(f"ml/{asset}/")
        return [key.rpartition("/rev=")[0] for key in keys if key.endswith("/record.json")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "weed").mkdir()
    with seaweed.seaweed(folder / "weed") as bucket, postgres() as database:
        instance = folder / "home" / "dagster"
        instance.mkdir(parents=True)
        storage = {"postgres_url": database.url.replace("ql:", "ql+psycopg2:")}
        telling = {"telemetry": {"enabled": False}, "storage": {"postgres": storage}}
        (instance / "dagster.yaml").write_text(yaml.safe_dump(telling))
        yield Site(folder, bucket, database)


def in_the_middle(site: Site, *arguments: str) -> "subprocess.Popen[str]":
    """Start a command and wait until it has published more."""
    before = len(site.published("evaluation"))
    process = site.started(*arguments)

    def is_at_work() -> bool:
        assert process.poll() is None, process.communicate()
        return len(site.published("evaluation")) >= before + 2

    wait_until(is_at_work, MOST_S, "first results")
    return process


def test_sweep_goes_on_through_a_store_and_a_database_that_are_restarted(site: Site) -> None:
    sweep = ("sweep", *DAYS, "-p", "max_iter=3,4,5")
    process = in_the_middle(site, *sweep)
    site.bucket.stop()
    site.database.stop()
    site.database.start()
    site.bucket.start()
    _, err = process.communicate(timeout=MOST_S)
    # On a slow machine it is away for longer than anybody waits.
    assert process.returncode == 0 or "does not answer" in err
    assert "Traceback" not in err
    again = site.told(*sweep)
    assert [len(trial["cells"]) for trial in again["trials"]] == [6, 6, 6]
    made = {name: site.published(name) for name in ASSETS}
    assert {name: len(made[name]) for name in ASSETS} == {
        "orders": 6, "features": 6, "model": 18, "evaluation": 18,
    }  # fmt: skip
    assert {len(found) - len(set(found)) for found in made.values()} == {0}


def test_run_whose_database_goes_says_so_in_a_sentence_and_loses_nothing(site: Site) -> None:
    run = ("run", *DAYS, "-p", "max_iter=6")
    process = in_the_middle(site, *run)
    site.database.stop()
    try:
        _, err = process.communicate(timeout=MOST_S)
    finally:
        site.database.start()
    assert process.returncode == 1
    assert "The databases of the Dagster instance in" in err
    assert "Traceback" not in err
    assert "INSERT" not in err
    assert len(site.told(*run)["runs"]) == 6
    assert max(Counter(site.published("evaluation")).values()) == 1


def test_run_whose_bucket_vanishes_says_so_and_goes_on_when_it_is_back(site: Site) -> None:
    run = ("run", *DAYS, "-p", "max_iter=7")
    process = in_the_middle(site, *run)
    site.bucket.remove_bucket()
    _, err = process.communicate(timeout=MOST_S)
    assert process.returncode == 1
    assert err.count("there is no bucket 'bucket'") == 1
    site.bucket.make_bucket()
    assert len(site.told(*run)["runs"]) == 6


FULL = """
set -e
mount -t tmpfs -o size={size} tmpfs {place}
set +e
{command} > first.out 2> first.err; echo $? > first.code
set -e
mount -o remount,size=200m {place}
{command} --json > second.out
"""


@pytest.mark.parametrize(
    ("filled", "size", "told"),
    [
        ("store", "600k", r"Could not write to the store .* and that it has space"),
        ("home", "1200k", r"[Mm]ake room|databases of the Dagster instance"),
    ],
)
def test_run_that_fills_a_disk_says_so_and_goes_on_when_there_is_room(
    tmp_path: Path, filled: str, size: str, told: str
) -> None:
    may = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False)
    if may.returncode:
        pytest.skip("a small disk is a mount, which this user may not make")
    for name in ("store", "home"):
        (tmp_path / name).mkdir()
    command = "ml-pipeline run --from 1998-05-01 --to 1998-05-10 -p max_iter=3"
    script = FULL.format(size=size, place=tmp_path / filled, command=command)
    subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env={
            **environment(tmp_path / "home"),
            "ML_PIPELINE_STORE": str(tmp_path / "store"),
            "PATH": os.pathsep.join([str(Path(tool("python")).parent), os.environ["PATH"]]),
        },
        cwd=tmp_path,
        check=True,
        timeout=MOST_S,
    )
    err = (tmp_path / "first.err").read_text()
    assert (tmp_path / "first.code").read_text().strip() in ("1", "2")
    assert re.search(told, err)
    assert "Traceback" not in err
    assert len(json.loads((tmp_path / "second.out").read_text())["runs"]) == 10
