"""`run`, `id` and `params`."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine

pytestmark = pytest.mark.long

ASSETS = ["orders", "features", "model", "evaluation"]


def test_run_json_is_the_only_output_and_names_what_exists(used: CommandLine) -> None:
    done = used("run", "--as-of", "1998-05-31", "--param", "max_iter=20", "--json")
    assert done.code == 0, done.err
    (run,) = done.document["runs"]
    keys = {"as_of", "run_id", "dagster_run_id", "params", "metrics", "artifacts", "checks"}
    assert set(run) == keys
    assert run["as_of"] == "1998-05-31"
    assert run["params"]["training"]["max_iter"] == 20
    assert 0 < run["metrics"]["mape"] < 1
    assert [made["asset"] for made in run["artifacts"]] == ASSETS
    assert [made["reused"] for made in run["artifacts"]] == [True, True, False, False]
    for made in run["artifacts"]:
        path = Path(made["uri"])
        assert path.is_file()
        record = json.loads((path.parent / "record.json").read_text())
        assert (record["run_id"], record["revision"]) == (made["run_id"], made["revision"])
        assert f"/run={made['run_id']}/rev={made['revision']}/" in made["uri"]
    origins = json.loads((Path(run["artifacts"][2]["uri"]).parent / "record.json").read_text())
    assert origins["origins"] == {"training.max_iter": "command line"}


def test_run_again_is_reused_and_says_so(used: CommandLine) -> None:
    done = used("run", "--as-of", "1998-05-31", "--json")
    (run,) = done.document["runs"]
    assert all(made["reused"] for made in run["artifacts"])
    table = used("run", "--as-of", "1998-05-31")
    assert table.out.count("reused") == 4
    assert run["run_id"] in table.out


def test_id_agrees_with_run_and_touches_nothing(used: CommandLine, cli: CommandLine) -> None:
    told = cli("id", "--as-of", "1998-05-31", "--param", "learning_rate=0.30", "--json")
    assert told.code == 0
    assert list(cli.folder.iterdir()) == []
    document = told.document
    assert set(document) == {"run_id", "as_of", "params", "assets"}
    same = cli("id", "--as-of", "1998-05-31", "-p", "training.learning_rate=3e-1", "--json")
    assert same.document == document
    default = cli("id", "--as-of", "1998-05-31", "--json").document
    assert default["run_id"] != document["run_id"]
    by_asset = {asset["asset"]: asset for asset in document["assets"]}
    unchanged = {asset["asset"]: asset for asset in default["assets"]}
    assert by_asset["features"] == unchanged["features"]
    assert by_asset["model"]["run_id"] != unchanged["model"]["run_id"]
    (run,) = used("run", "--as-of", "1998-05-31", "--json").document["runs"]
    assert run["run_id"] == default["run_id"]
    for made, asset in zip(run["artifacts"], default["assets"], strict=True):
        assert made["run_id"] == asset["run_id"]
        assert f"/{asset['path']}/rev=" in made["uri"]


def test_id_model_path_has_the_designed_shape(cli: CommandLine) -> None:
    document = cli("id", "--as-of", "1998-05-31", "--json").document
    model = next(asset for asset in document["assets"] if asset["asset"] == "model")
    assert model["path"] == (
        f"model/dataset=orders/as_of=1998-05-31/model_version=v1/run={model['run_id']}"
    )


def test_run_customers_beats_recency(used: CommandLine) -> None:
    done = used("run", "--as-of", "1998-05-31", "--param", "dataset=customers", "--json")
    assert done.code == 0, done.err
    (run,) = done.document["runs"]
    assert run["params"]["features"]["horizon_days"] == 30
    assert run["metrics"]["auc"] > run["metrics"]["recency_auc"] > 0.5


def test_run_range_one_dagster_run_with_metrics_for_each_date(used: CommandLine) -> None:
    done = used("run", "--from", "1998-05-29", "--to", "1998-05-31", "--json")
    assert done.code == 0, done.err
    runs = done.document["runs"]
    assert [run["as_of"] for run in runs] == ["1998-05-29", "1998-05-30", "1998-05-31"]
    assert len({run["dagster_run_id"] for run in runs}) == 1
    assert len({run["run_id"] for run in runs}) == 3
    assert all("mape" in run["metrics"] for run in runs)


def test_run_range_with_bad_dates_keeps_the_good_ones(cli: CommandLine) -> None:
    lines = ["customer_id,ordered_at,amount"]
    lines += [f"{n % 7},2009-{1 + n // 28:02}-{1 + n % 28:02},{10 + n % 5}" for n in range(140)]
    (cli.folder / "orders.csv").write_text("\n".join(lines))
    environment = {"ML_PIPELINE_START_DATE": "2009-01-01", "ML_PIPELINE_END_DATE": "2009-05-28"}
    arguments = ("--param", "source=./orders.csv", "--param", "holdout_days=14", "--json")
    found = [
        cli("run", "--from", first, "--to", last, *arguments, environment=environment)
        for first, last in (("2009-05-27", "2009-05-28"), ("2009-01-01", "2009-01-02"))
    ]
    good, bad = found
    assert (good.code, len(good.document["runs"])) == (0, 2), good.err
    assert bad.code == 1
    assert bad.document["runs"] == []
    assert [failure["as_of"] for failure in bad.document["failures"]] == [
        "2009-01-01",
        "2009-01-02",
    ]
    assert "days" in bad.err
    assert "Traceback" not in bad.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--param", "epochs"], ["'epochs' does not exist"]),
        (["--param", "max_depth"], ["type --param max_depth=3"]),
        (["--param", "=1"], ["type --param NAME=VALUE"]),
        (["--param", "lerning_rate=1"], ["Did you mean 'learning_rate'?"]),
        (["--param", "lr=1"], ["Did you mean 'learning_rate'?"]),
        (["--param", "data.learning_rate=1"], ["Did you mean 'training.learning_rate'?"]),
        (["--param", "max_depth=deep"], ["must be integer >= 1 and <= 32, but got 'deep'"]),
        (["--param", "model_version=../../x"], ["model_version"]),
        (["--param", "model_version="], ["model_version"]),
        (["--param", "model_version=é"], ["model_version"]),
        (["--param", "model_version=" + "v" * 300], ["model_version", "(300 characters)"]),
        (["--param", "model_version=a\nb"], ["model_version"]),
        (
            ["--param", "max_depth=0", "--param", "learning_rate=nan", "--as-of", "2031-01-01"],
            ["3 problems", "max_depth", "learning_rate", "from 1997-01-01 to 1998-06-30"],
        ),
        (["--as-of", "yesterday"], ["must be a date such as 1998-05-31"]),
        (["--from", "1998-05-01"], ["--from needs --to"]),
        (["--from", "1998-05-02", "--to", "1998-05-01"], ["--from must not be after --to"]),
        (["--as-of", "1998-05-01", "--from", "1998-05-02"], ["type one or the other"]),
        (["--select", "modle"], ["Did you mean 'model'?"]),
        (["--max-age", "old"], ["like 30d"]),
        (["--pram", "x=1"], ["--param"]),
    ],
)
def test_run_bad_request_exits_2_and_launches_nothing(
    cli: CommandLine, arguments: list[str], expected: list[str]
) -> None:
    done = cli("run", *arguments)
    assert (done.code, done.out) == (2, ""), done.err
    for text in expected:
        assert text in done.err
    assert "Traceback" not in done.err
    assert not (cli.folder / ".ml_pipeline").exists()


def test_command_misspelt_names_the_nearest(cli: CommandLine) -> None:
    done = cli("rnu")
    assert done.code == 2
    assert "Did you mean 'run'?" in done.err


@pytest.mark.parametrize(
    ("source", "advice"), [("warehose", "under [sources]"), ("./order.csv", "nothing at ")]
)
def test_run_of_a_source_that_is_not_there_is_refused_before_there_is_a_run(
    source: str, advice: str, cli: CommandLine
) -> None:
    assert cli("id", "--as-of", "1998-05-31", "-p", f"source={source}").code == 0
    for command in ("run", "sweep"):
        options = ["-p", "learning_rate=0.1,0.2"] if command == "sweep" else ["--json"]
        done = cli(command, "--as-of", "1998-05-31", "-p", f"source={source}", *options)
        assert (done.code, done.out) == (2, "")
        assert "data.source: " in done.err
        assert advice in done.err
    assert not list((cli.folder / ".ml_pipeline").glob("dagster/history/runs/????????-*.db"))


def test_run_unusable_settings_are_all_reported(cli: CommandLine) -> None:
    environment = {"ML_PIPELINE_START_DATE": "soon", "ML_PIPELINE_DATES_PER_RUN": "0"}
    done = cli("run", environment=environment)
    assert done.code == 2
    assert "start_date" in done.err
    assert "dates_per_run" in done.err


def test_run_unreachable_store_is_one_clear_error(cli: CommandLine) -> None:
    (cli.folder / "file").write_text("")
    done = cli("run", environment={"ML_PIPELINE_STORE": str(cli.folder / "file" / "store")})
    assert done.code == 1
    assert "ML_PIPELINE_STORE" in done.err
    assert "Traceback" not in done.err


def test_run_stopped_by_ctrl_c_keeps_what_is_done(cli: CommandLine) -> None:
    command = [str(Path(sys.executable).parent / "ml-pipeline"), "run"]
    process = subprocess.Popen(
        [*command, "--from", "1998-01-01", "--to", "1998-06-30"],
        cwd=cli.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(cli.artifacts.glob("evaluation/**/record.json")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "the same command goes on from there" in err.replace("\n", " ")
    assert "Traceback" not in err
    again = cli("run", "--as-of", "1998-01-01", "--json")
    assert all(made["reused"] for made in again.document["runs"][0]["artifacts"])
    assert not list((cli.artifacts / ".claims").glob("*"))


def test_params_lists_every_parameter_and_its_schema(cli: CommandLine) -> None:
    table = cli("params").out
    for text in ("learning_rate", "number > 0 and <= 1", "shrinkage", "one of orders, customers"):
        assert text in table
    schema = cli("params", "--json").document
    rate = schema["properties"]["training"]["properties"]["learning_rate"]
    assert (rate["exclusiveMinimum"], rate["maximum"], rate["default"]) == (0, 1, 0.1)
    assert rate["description"]
