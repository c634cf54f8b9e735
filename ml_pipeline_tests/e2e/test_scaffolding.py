"""What `dg` scaffolds into the defs folder of the project is alive."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import ml_pipeline.defs
from ml_pipeline import definitions
from ml_pipeline_tests.e2e.server import REPOSITORY, environment, tool

pytestmark = pytest.mark.long


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to scaffold into."""
    copy = tmp_path / "project"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "workspace.yaml"):
        shutil.copy(REPOSITORY / name, copy / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "ml_pipeline", copy / "ml_pipeline", ignore=ignored)
    return copy


def dg(project: Path, *arguments: str) -> str:
    home = project.parent / "dagster_home"
    home.mkdir(exist_ok=True)
    own = {"DAGSTER_HOME": str(home), "PYTHONPATH": str(project)}
    done = subprocess.run(
        [tool("dg"), *arguments],
        cwd=project,
        env={**environment(project.parent / "home"), **own, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_asset_and_schedule_that_are_scaffolded_are_listed_and_checked(project: Path) -> None:
    dg(project, "scaffold", "defs", "dagster.asset", "foo.py")
    dg(project, "scaffold", "defs", "dagster.schedule", "nightly.py")
    file = project / "ml_pipeline" / "defs" / "foo.py"
    assert file.is_file()
    listed = json.loads(dg(project, "list", "defs", "--json"))
    assets = {asset["asset_key"] for asset in listed["assets"]}
    assert "foo" in assets
    assert {"orders", "features", "model", "evaluation", "sweep", "leaderboard"} <= assets
    assert "nightly" in {schedule["name"] for schedule in listed["schedules"]}
    dg(project, "check", "defs")


def test_modules_that_are_no_scaffolds_are_known_and_need_no_loader() -> None:
    folder = Path(ml_pipeline.defs.__file__).parent
    known = {Path(str(module.__file__)) for module in definitions.OWN}
    assert known == set(folder.glob("*.py")) - {folder / "__init__.py"}
