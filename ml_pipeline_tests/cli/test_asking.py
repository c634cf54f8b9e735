"""The commands serve a pipeline whose stages take resources and assets that are no stages.

The pipeline is `toys/asking.py`, in a project of its own.
"""

from pathlib import Path

import dagster as dg
import pytest

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.toys import asking
from ml_pipeline_tests.toys.asking import DAY, noted
from ml_pipeline_tests.toys.asking_site import WARNINGS, Site

pytestmark = [pytest.mark.long, *WARNINGS]

AS_OF = ("--as-of", DAY)
SWEPT = ("--from", DAY, "--to", DAY, "-p", "rows=1,2")

DEFINITIONS = """from pathlib import Path
from ml_pipeline_tests.toys.asking import defs as made
defs = made(Path(__file__).parent)
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("ASKING_HOME", str(tmp_path))
    (tmp_path / "asked.py").write_text(DEFINITIONS)
    (tmp_path / "pyproject.toml").write_text('[tool.ml_pipeline]\nmodule = "asked"\n')
    return CommandLine(tmp_path)


def materialize(cli: CommandLine, prices: int) -> None:
    """Materialize what is no stage, on the instance that the commands use."""
    folder = str(cli.folder / ".ml_pipeline" / "dagster")
    with dg.DagsterInstance.from_config(folder) as instance:
        Site(cli.folder, instance).upstream(DAY, prices=prices)


def test_commands_serve_stages_that_take_what_dagster_provides(cli: CommandLine) -> None:
    missing = "'prices' must be materialized before 'table' can read it, but never was."
    ran = cli("run", *AS_OF)
    assert ran.code == 1
    assert missing in ran.err
    why = cli("why", *AS_OF)
    assert why.code != 0
    assert missing in why.err
    materialize(cli, prices=5)
    planned = cli("sweep", *SWEPT, "--plan")
    assert "0 reused, 2 to run" in planned.out, planned.err
    ran = cli("run", *AS_OF, "--json")
    assert ran.code == 0, ran.err
    (run,) = ran.document["runs"]
    assert noted("said") == [f"{DAY} table"]
    assert "reused" in cli("why", *AS_OF, "--select", "table").out
    swept = cli("sweep", *SWEPT, "--json")
    assert swept.code == 0, swept.err
    assert noted("said") == [f"{DAY} table"], "the other trial is the run"
    score = next(one["run_id"] for one in run["artifacts"] if one["asset"] == "score")
    shown = cli("runs", "show", score)
    assert f"prices of {DAY}" in shown.out
    assert "bank/rates" in shown.out
    again = cli("reproduce", score)
    assert again.code == 0, again.err
    assert "is reproduced, byte for byte" in again.out
    assert noted("shop")[-1] == "closed"
    assert cli("promote", score, "--to", "staging").code == 0
    assert "0 damaged" in cli("verify").out
    assert cli("gc", "--older-than", "1d", "--json").document["items"] == []
    noted("said")
    materialize(cli, prices=6)
    assert (
        "table: computed: asset bank/rates changed, asset prices changed" in cli("why", *AS_OF).out
    )
    again = cli("reproduce", score)
    assert again.code == 1
    assert "asset prices changed" in again.out
    assert cli("run", *AS_OF).code == 0
    differing = cli("runs", "diff", score, f"{score}/{_first_revision(cli, score)}", "--json")
    assert differing.document["differences"]["input"][f"prices of {DAY}"] == ["6", "5"]


def _first_revision(cli: CommandLine, run: str) -> str:
    revisions = cli("runs", "show", run, "--json").document["revisions"]
    assert len(revisions) == 2
    return str(revisions[-1])


def test_toy_and_definitions_are_one_pipeline(cli: CommandLine) -> None:
    assert cli("params", "--json").document["title"] == asking.PIPELINE.name
