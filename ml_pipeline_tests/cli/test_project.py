"""The commands serve any pipeline: here the README's, as a package of its own."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.server import Server, serving, tool
from ml_pipeline_tests.toys.readme import write_houses

pytestmark = pytest.mark.long

OWN = '[tool.ml_pipeline]\nmodule = "houses.definitions"\n'
OF_DG = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "houses"\n'
TARGET = 'code_location_target_module = "houses.definitions"\n'
SERVED = ("-m", "houses.definitions")
AS_OF = ("--as-of", "2026-01-05")


def project(folder: Path, document: str = OWN, beside: str = "") -> CommandLine:
    """Return the command line in a subfolder of a project."""
    package = write_houses(folder, beside)
    (folder / "pyproject.toml").write_text(document)
    inside = package / "notebooks"
    inside.mkdir()
    return CommandLine(inside)


@pytest.mark.parametrize("document", [OWN, OF_DG, OF_DG + TARGET])
def test_project_pyproject_in_a_subfolder_serves_its_pipeline_and_home(
    tmp_path: Path, document: str
) -> None:
    cli = project(tmp_path, document)
    ran = cli("run", *AS_OF, "-p", "alpha=2", "--json")
    assert ran.code == 0, ran.err
    (made,) = ran.document["runs"]
    told = cli("id", *AS_OF, "-p", "fit.alpha=2.0", "--json").document
    assert made["run_id"] == told["run_id"]
    assert {path.name for path in tmp_path.iterdir()} == {
        ".ml_pipeline", "houses", "pyproject.toml"
    }  # fmt: skip
    assert list(cli.folder.iterdir()) == []


def test_project_module_without_a_pyproject_serves_its_pipeline_here(tmp_path: Path) -> None:
    write_houses(tmp_path)
    cli = CommandLine(tmp_path)
    assert cli(*SERVED, "run", *AS_OF).code == 0
    assert (tmp_path / ".ml_pipeline" / "artifacts" / "score").is_dir()
    assert (tmp_path / ".ml_pipeline" / "dagster").is_dir()
    (run,) = cli(*SERVED, "runs", "list", "--json").document["runs"]
    assert run["params"]["houses"] == {"city": "Oslo"}


def test_project_every_command_of_a_week_works_and_shares_its_runs(tmp_path: Path) -> None:
    cli = project(tmp_path)
    week = ("--from", "2026-01-05", "--to", "2026-01-08")
    assert cli("run", *AS_OF).code == 0
    planned = cli("sweep", *week, "-p", "alpha=0.1,1,10", "--plan")
    assert "1 reused" in planned.out, planned.err
    swept = cli("sweep", *week, "-p", "alpha=0.1,1,10", "--json")
    assert swept.code == 0, swept.err
    board = cli("leaderboard", "--city", "Oslo", "--json").document
    (group,) = board["groups"]
    assert len(group["rows"]) == 3
    best = group["rows"][0]["run_ids"]["2026-01-08"]
    assert "reused" in cli("why", *AS_OF).out
    assert cli("promote", best, "--to", "staging").code == 0
    assert cli("runs", "show", "@staging", "--json").document["run_id"] == best
    assert cli("promotions", "--json").document["promotions"][0]["run_id"] == best
    assert cli("verify").out.startswith("28 artifacts checked, 0 damaged.")
    assert cli("reproduce", best).code == 0
    assert cli("params", "--json").document["title"] == "houses"
    assert cli("gc", "--older-than", "1d", "--json").document["items"] == []


def test_project_settings_are_those_of_the_project(tmp_path: Path) -> None:
    cli = project(tmp_path)
    home = tmp_path / ".ml_pipeline"
    home.mkdir()
    (home / "settings.toml").write_text('environments = ["prod"]\n')
    refused = cli("promote", "00", "--to", "staging")
    assert refused.code == 2
    assert "must be one of prod" in refused.err


def test_project_messages_recommend_what_works(tmp_path: Path) -> None:
    write_houses(tmp_path)
    cli = CommandLine(tmp_path)
    unknown = cli(*SERVED, "run", *AS_OF, "-p", "alhpa=2")
    assert unknown.code == 2
    assert "`ml-pipeline -m houses.definitions params` lists every parameter" in unknown.err
    early = cli(*SERVED, "run", "--as-of", "2025-12-31")
    assert "the partitions of pipeline 'houses' are the calendar" in early.err
    assert "ML_PIPELINE_START_DATE" not in early.err
    idle = cli(*SERVED, "id", *AS_OF, environment={"ML_PIPELINE_START_DATE": "1998-01-01"})
    assert "ML_PIPELINE_START_DATE has no effect here: the partitions of pipeline" in idle.err
    done = cli(*SERVED, "run", *AS_OF, "--select", "score")
    for upstream in ("price_model", "sales"):
        assert f"--select {upstream}" in done.err
        done = cli(*_recommended(done.err))
    assert done.code == 0, done.err


def _recommended(text: str) -> list[str]:
    (command,) = [line for line in text.splitlines() if line.strip().startswith("ml-pipeline")]
    return shlex.split(command)[1:]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("hauses.definitions", "there is no hauses for 'hauses.definitions'"),
        ("houses.definition", "there is no houses.definition for 'houses.definition'"),
        ("houses", "houses must be a code location: No Definitions"),
        ("houses.bare", "must have a pipeline in them, made with `ml_pipeline.code_location`"),
        ("houses.two", "serve one pipeline, but houses.two has houses, flats."),
        ("houses.two:flat", "and no 'flat'. Did you mean 'flats'?"),
        ("houses.kept", "has houses, by_params. `-m houses.kept:houses` names one."),
    ],
)
def test_project_module_that_cannot_be_served_is_refused(
    tmp_path: Path, module: str, said: str
) -> None:
    package = write_houses(tmp_path)
    (package / "bare.py").write_text("import dagster as dg\ndefs = dg.Definitions()\n")
    (package / "two.py").write_text(TWO)
    (package / "kept.py").write_text(KEPT)
    refused = CommandLine(tmp_path)("-m", module, "params")
    assert refused.code == 2
    assert said in refused.err
    assert "Traceback" not in refused.err


KEPT = """
import dagster as dg
import ml_pipeline as mp
from houses.definitions import defs as _houses

@dg.asset(io_manager_key="by_params")
def kept() -> int:
    return 1

_kept = mp.reusing(dg.Definitions(assets=[kept]))
defs = dg.Definitions.merge(_kept, _houses)
del _kept, _houses
"""

TWO = """
from pathlib import Path
import dagster as dg
from houses import definitions as one
from ml_pipeline import ParamModel, Pipeline, code_location

flats = Pipeline("flats", ParamModel(fit=one.FitParams))

@flats.asset
def rent(as_of: one.date, fit: one.FitParams) -> dict:
    return {"alpha": fit.alpha}

def metadata(pipeline):
    location = code_location(
        pipeline, dg.DailyPartitionsDefinition("2026-01-01"), lambda: "flats", Path(".")
    )
    return dg.Definitions(metadata=location.metadata)

defs = dg.Definitions.merge(metadata(one.pipeline), metadata(flats))
"""


def test_project_module_of_two_pipelines_serves_the_one_that_is_named(tmp_path: Path) -> None:
    package = write_houses(tmp_path)
    (package / "two.py").write_text(TWO)
    cli = CommandLine(tmp_path)
    assert cli("-m", "houses.two:flats", "params", "--json").document["title"] == "flats"
    assert cli("-m", "houses.two:flats", "run", *AS_OF).code == 0
    assert (tmp_path / "flats" / "rent").is_dir()


def test_project_merged_and_lazy_definitions_are_served(tmp_path: Path) -> None:
    beside = """
@dg.asset
def other():
    return 1

days = dg.DailyPartitionsDefinition("2026-01-01")
location = mp.code_location(pipeline, days, lambda: "houses-store")
whole = dg.Definitions.merge(location, dg.Definitions(assets=[other]))
del defs, location

@dg.definitions
def everything():
    return whole
"""
    cli = project(tmp_path, beside=beside)
    assert cli("run", *AS_OF).code == 0
    assert (tmp_path / "houses-store" / "score").is_dir()
    swept = cli("sweep", *AS_OF, "-p", "alpha=1,2", "--json")
    assert swept.code == 0, swept.err


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("[tool.ml_pipeline]\n", "must name a code location such as houses.definitions"),
        ("[tool.ml_pipeline]\nmodul = 'x'\n", "has 'modul'. Did you mean 'module'?"),
        ("[tool.ml_pipeline]\nmodule = 3\n", "but is 3"),
        ("[tool.ml_pipeline\n", "must be a TOML file, but cannot be read"),
    ],
)
def test_project_pyproject_that_says_nothing_is_refused(
    tmp_path: Path, document: str, said: str
) -> None:
    refused = project(tmp_path, document)("params")
    assert refused.code == 2
    assert said in refused.err


def test_project_pyproject_without_a_code_location_is_none(tmp_path: Path) -> None:
    cli = project(tmp_path, "[project]\nname = 'other'\n")
    assert "history_days" in cli("params").out
    cli("promotions")
    assert (cli.folder / ".ml_pipeline").is_dir()


def test_project_partitions_that_do_not_serve_are_refused(tmp_path: Path) -> None:
    refused = project(tmp_path, beside="defs = mp.code_location(pipeline, None)\n")("id")
    assert refused.code == 1
    assert "'as_of' of 'sales' is a date, but there are no partitions" in refused.err


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Server]:
    cli = project(tmp_path)
    home = tmp_path / ".ml_pipeline"
    with serving([tool("ml-pipeline"), "ui"], home, cwd=cli.folder) as server:
        yield server


def test_project_ui_serves_its_code_location(tmp_path: Path, houses: Server) -> None:
    cli = CommandLine(tmp_path)
    launched = cli("launch", *AS_OF, "--url", houses.url, "--json")
    assert launched.code == 0, launched.err + launched.out
    assert json.loads(launched.out)["status"] == "SUCCESS"
    assert (tmp_path / ".ml_pipeline" / "artifacts" / "score").is_dir()


def test_project_of_the_code_is_worked_for_where_the_process_is_in_none(tmp_path: Path) -> None:
    cli = project(tmp_path / "project")
    elsewhere = CommandLine(tmp_path)
    done = elsewhere(*SERVED, "run", *AS_OF, environment={"PYTHONPATH": str(tmp_path / "project")})
    assert done.code == 0, done.err
    assert {path.name for path in tmp_path.iterdir()} == {"project"}
    assert len(cli("runs", "list", "--json").document["runs"]) == 1
