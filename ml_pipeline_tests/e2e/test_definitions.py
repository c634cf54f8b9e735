"""Dagster's own commands load the code location from the root of the repository."""

import json
import subprocess
from pathlib import Path

import pytest

from ml_pipeline_tests.e2e.server import (
    ASSETS,
    BESIDE,
    REPOSITORY,
    SCORING,
    environment,
    serving,
    tool,
)

pytestmark = pytest.mark.long


@pytest.fixture
def dagster_home(tmp_path: Path) -> Path:
    folder = tmp_path / "dagster_home"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return folder


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
            "All code locations passed validation",
        ),
        (["dg", "check", "defs"], "All definitions loaded successfully"),
    ],
    ids=["dagster", "dg"],
)
def test_definitions_checked_at_root_are_valid(
    command: list[str], said: str, tmp_path: Path, dagster_home: Path
) -> None:
    done = _run(command, tmp_path, dagster_home)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout + done.stderr


def test_definitions_listed_by_dg_are_the_assets(tmp_path: Path, dagster_home: Path) -> None:
    done = _run(["dg", "list", "defs", "--json"], tmp_path, dagster_home)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert {asset["asset_key"] for asset in listed["assets"]} == {*ASSETS, *BESIDE, *SCORING}


@pytest.mark.parametrize("command", [["dagster", "dev"], ["dg", "dev"]], ids=["dagster", "dg"])
def test_dev_server_started_at_root_loads_code_location(
    command: list[str], tmp_path: Path, dagster_home: Path
) -> None:
    started = [tool(command[0]), *command[1:]]
    home = tmp_path / "home"
    with serving(started, home, cwd=REPOSITORY, DAGSTER_HOME=str(dagster_home)) as server:
        assert server.runs() == []


def _run(
    command: list[str], tmp_path: Path, dagster_home: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool(command[0]), *command[1:]],
        cwd=REPOSITORY,
        env={**environment(tmp_path), "DAGSTER_HOME": str(dagster_home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
