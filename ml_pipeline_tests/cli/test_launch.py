"""`launch`: hands a run to a real webserver, waits or not, and tells what came of it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.server import Server, environment, free_port

pytestmark = pytest.mark.long

DAY = "1998-05-31"
FAST = ("--param", "max_iter=5")


@pytest.fixture
def asked(server: Server) -> tuple[str, ...]:
    """A launch of one date."""
    return ("launch", "--url", server.url, "--as-of", DAY, *FAST)


def test_launch_waits_and_prints_address_and_results(
    cli: CommandLine, server: Server, asked: tuple[str, ...]
) -> None:
    done = cli(*asked)
    assert done.code == 0, done.err
    (address,) = [line for line in done.out.splitlines() if line.startswith("http")]
    dagster_run_id = address.removeprefix(f"{server.url}/runs/")
    assert "max_iter = 5 (launch: command line)" in done.out
    for one in server.materializations(dagster_run_id):
        assert one.metadata["run_id"] in done.out
        assert one.metadata["path"] in done.out
    assert "mape" in done.out
    assert not (cli.folder / ".ml_pipeline" / "artifacts").exists()


def test_launch_json_has_the_shape_of_a_run(server: Server, asked: tuple[str, ...]) -> None:
    launched = server.command(*asked)
    run = server.command("run", *asked[3:])
    assert launched["status"] == "SUCCESS"
    (there,), (here,) = launched["runs"], run["runs"]
    assert launched["url"] == f"{server.url}/runs/{there['dagster_run_id']}"
    assert set(there) == set(here)
    assert (there["run_id"], there["params"]) == (here["run_id"], here["params"])
    assert there["metrics"] == here["metrics"]
    assert there["checks"] == here["checks"]
    for made, found in zip(there["artifacts"], here["artifacts"], strict=True):
        assert {**made, "reused": True} == found
    assert launched["origins"] == {"training.max_iter": "launch: command line"}


def test_launch_without_waiting_leaves_a_run_that_ends_well(
    cli: CommandLine, server: Server, asked: tuple[str, ...]
) -> None:
    done = cli(*asked, "--no-wait", "--priority", "-1", "--json")
    assert done.code == 0, done.err
    assert done.document["status"] == "QUEUED"
    (run,) = done.document["runs"]
    found = server.finished_run(run["dagster_run_id"])
    assert found["status"] == "SUCCESS"
    assert found["tags"]["dagster/priority"] == "-1"
    assert found["tags"]["ml_pipeline/run_id"] == run["run_id"]


def test_launch_of_a_range_that_fails_tells_dates_and_reason(
    cli: CommandLine, server: Server, tmp_path: Path
) -> None:
    source = tmp_path / "orders.csv"
    source.write_text("nothing,of,use\n1,2,3\n")
    options = ("--from", "1998-05-30", "--to", DAY, "--param", f"source={source}")
    done = cli("launch", "--url", server.url, *options, "--json")
    assert done.code == 1
    assert done.document["status"] == "FAILURE"
    assert [failed["as_of"] for failed in done.document["failures"]] == ["1998-05-30", DAY]
    assert "1998-05-30, 1998-05-31 failed: " in done.err
    assert f"The whole story: {server.url}/runs/" in done.err


@pytest.mark.parametrize("varied", [(), ("--param", "learning_rate=0.1,0.2")])
def test_launch_of_a_source_that_is_not_there_is_refused_as_on_the_command_line(
    cli: CommandLine, server: Server, varied: tuple[str, ...]
) -> None:
    missing = ("--as-of", DAY, "--param", "source=/there/is/nothing", *varied)
    before = len(server.runs())
    launched = cli("launch", "--url", server.url, *missing, *(["--sweep"] if varied else []))
    here = cli("sweep" if varied else "run", *missing)
    assert "A source must exist" in here.err
    assert (launched.code, here.code) == (2, 2)
    assert launched.err == here.err.replace("Nothing was launched", "Nothing was computed")
    assert len(server.runs()) == before


def test_launch_stopped_while_waiting_leaves_the_run_alone(
    server: Server, asked: tuple[str, ...], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "ml-pipeline"), *asked, "--force"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = next(line for line in process.stdout if line.startswith("http")).strip()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"Left alone; the run goes on: {address}" in said
    assert server.finished_run(address.rpartition("/")[2])["status"] == "SUCCESS"


def test_launch_with_bad_parameters_is_refused_as_run_refuses_it(
    cli: CommandLine, server: Server
) -> None:
    bad = ("--param", "lerning_rate=0.1", "--param", "max_depth=0", "--select", "modl")
    before = len(server.runs())
    launched, run = cli("launch", "--url", server.url, *bad), cli("run", *bad)
    assert (launched.code, launched.err) == (run.code, run.err) == (2, run.err)
    assert len(server.runs()) == before


def test_launch_refused_by_the_server_says_why(cli: CommandLine, server: Server) -> None:
    done = cli("launch", "--url", server.url, "--location", "elsewhere")
    assert done.code == 2
    assert "must have the code location 'elsewhere'" in done.err
    assert "Traceback" not in done.err


def test_launch_where_nobody_listens_is_refused(cli: CommandLine) -> None:
    done = cli("launch", "--url", f"http://127.0.0.1:{free_port()}", "--json")
    assert done.code == 2
    assert "`ml-pipeline ui` starts one" in done.err
    assert done.out == ""
