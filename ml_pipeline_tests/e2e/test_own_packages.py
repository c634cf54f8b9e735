"""Two packages of teams on the public API alone, installed into an environment of their own."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline_tests.e2e.server import REPOSITORY

pytestmark = pytest.mark.long

PACKAGES = Path(__file__).parents[1] / "own_packages"
NAMES = ("rain", "transit")
MOST_LINES = 100


def modules(name: str) -> list[Path]:
    return sorted((PACKAGES / name / name).glob("*.py"))


def run(python: Path, folder: Path, *arguments: str, **variables: str) -> str:
    """Run Python in a folder, where nothing but that environment can be imported."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ML_PIPELINE_", "DAGSTER_"))}
    kept.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(python), *arguments],
        cwd=folder,
        env={**kept, **variables, "PATH": f"{python.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the toolkit and both packages, and what they need from this one."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(Path(sys.executable), folder.parent, "-m", "venv", "--without-pip", str(folder))
    (libraries,) = folder.glob("lib/python*/site-packages")
    needed = [path for path in sys.path if Path(path).name == "site-packages"]
    (libraries / "needed.pth").write_text("\n".join(needed))
    python = folder / "bin" / "python"
    for project in (REPOSITORY, *(PACKAGES / name for name in NAMES)):
        copy = folder.parent / project.name
        shutil.copytree(
            project, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "ml_pipeline_tests")
        )
        run(python, folder.parent, "-m", "pip", "install", "--quiet", "--no-deps",
            "--no-build-isolation", "--disable-pip-version-check", str(copy))  # fmt: skip
    return python


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A checkout without the package itself, so that the one that is installed is meant."""
    name = request.param
    ignored = shutil.ignore_patterns("__pycache__", name)
    return Path(shutil.copytree(PACKAGES / name, tmp_path / "project", ignore=ignored))


@pytest.mark.parametrize("name", NAMES)
def test_package_is_short_and_uses_the_public_name_alone(name: str) -> None:
    counted = [
        line
        for module in modules(name)
        if module.name != "model.py"
        for line in module.read_text().splitlines()
        if line.strip()
    ]
    assert len(counted) <= MOST_LINES
    for module in modules(name):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                assert not [one for one in node.names if one.name.startswith("ml_pipeline.")]
            if isinstance(node, ast.ImportFrom):
                assert not str(node.module).startswith("ml_pipeline")


@pytest.mark.parametrize("folder", NAMES, indirect=True)
def test_package_passes_its_tests_and_a_strict_checker_where_it_is_installed(
    python: Path, folder: Path
) -> None:
    assert " passed" in run(python, folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert not (folder / ".ml_pipeline").exists()
    name = "rain" if (folder / "tests" / "test_rain.py").exists() else "transit"
    # What is not typed in scikit-learn and LightGBM is no matter of ours.
    beside = ("--ignore-missing-imports", "--allow-subclassing-any")
    run(python, python.parents[2] / name, "-m", "mypy", "--strict", *beside, name)


@pytest.mark.parametrize("folder", ["rain"], indirect=True)
def test_weeks_run_sweep_rank_and_are_promoted_from_the_command_line(
    python: Path, folder: Path
) -> None:
    database = {"RAIN_DATABASE": str(folder / "weather.db")}
    run(python, folder, "tests/conftest.py", **database)

    def cli(*arguments: str) -> Any:
        script = str(python.parent / "ml-pipeline")
        return json.loads(run(python, folder / "tests", script, *arguments, "--json", **database))

    weeks = ("--from", "2015-05-03", "--to", "2015-05-17")
    ran = cli("run", *weeks)
    assert [one["as_of"] for one in ran["runs"]] == ["2015-05-03", "2015-05-10", "2015-05-17"]
    swept = cli("sweep", *weeks, "-p", "leaves=4,7")
    assert len(swept["trials"]) == 2
    (group,) = cli("leaderboard")["groups"]
    assert len(group["rows"]) == 2
    best = group["rows"][0]["run_ids"]["2015-05-17"]
    cli("promote", best, "--to", "staging")
    assert cli("runs", "show", "@staging")["run_id"] == best
    cli("reproduce", best)
    assert {one.name for one in folder.iterdir()} == {
        ".ml_pipeline", "pyproject.toml", "tests", "weather.db"
    }  # fmt: skip


@pytest.mark.parametrize("folder", ["transit"], indirect=True)
def test_location_of_all_degrees_is_valid_to_dagster(python: Path, folder: Path) -> None:
    run(python, folder, "-m", "dagster", "definitions", "validate", "-m", "transit.definitions")
