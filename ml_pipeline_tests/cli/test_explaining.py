"""Commands that explain, compare, reproduce and clean up."""

import shutil
from pathlib import Path

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine

pytestmark = pytest.mark.long

DAY = ("--as-of", "1998-05-31")


def test_why_changed_parameter_names_the_field_and_the_reused_input(used: CommandLine) -> None:
    (run,) = used("run", *DAY, "--json").document["runs"]
    features = run["artifacts"][1]["run_id"]
    lines = used("why", *DAY, "--param", "learning_rate=0.25").out.splitlines()
    assert lines[1].startswith("1998-05-31  features: reused: ")
    assert lines[2] == (
        "1998-05-31  model: computed: learning_rate 0.1 -> 0.25 since run"
        f" {run['run_id']} (features reused from {features})"
    )
    assert lines[3].startswith("1998-05-31  evaluation: computed: learning_rate 0.1 -> 0.25")


def test_dry_run_tells_counts_and_runs_nothing(used: CommandLine) -> None:
    before = sorted(used.artifacts.rglob("*"))
    done = used("run", *DAY, "--param", "seed=77", "--dry-run", "--json")
    assert (done.document["compute"], done.document["reuse"]) == (2, 2)
    assert done.document["estimated_s"] > 0
    assert "2 to compute, 2 to reuse" in used("run", *DAY, "-p", "seed=77", "--dry-run").out
    assert sorted(used.artifacts.rglob("*")) == before


def test_runs_list_filters_sorts_and_refuses_what_does_not_exist(used: CommandLine) -> None:
    assert used("run", *DAY, "--param", "learning_rate=0.05", "--param", "max_iter=30").code == 0
    listed = used("runs", "list", "--where", "learning_rate<0.1 and dataset=orders", "--json")
    assert [run["params"]["training"]["learning_rate"] for run in listed.document["runs"]] == [0.05]
    everything = used("runs", "list", "--sort", "mape", "--json").document["runs"]
    errors = [run["metrics"]["mape"] for run in everything if "mape" in run["metrics"]]
    assert errors == sorted(errors)
    bad = used("runs", "list", "--where", "lerning_rate<1", "--sort", "mpae")
    assert bad.code == 2
    assert "Did you mean 'learning_rate'?" in bad.err


def test_runs_show_and_diff_by_prefix(used: CommandLine) -> None:
    first = used("id", *DAY, "--json").document["run_id"]
    assert used("run", *DAY, "--param", "max_depth=2", "--param", "max_iter=30").code == 0
    changed = ("-p", "max_depth=2", "-p", "max_iter=30", "--json")
    second = used("id", *DAY, *changed).document["run_id"]
    shown = used("runs", "show", first[:10])
    assert shown.code == 0, shown.err
    assert first in shown.out
    assert "learning_rate" in shown.out
    differences = used("runs", "diff", first[:10], second[:10], "--json").document["differences"]
    assert differences["parameter"] == {"max_depth": [3, 2], "max_iter": [100, 30]}
    assert set(differences["input"]) == {"model"}
    assert differences["code"] == {}
    assert differences["package"] == {}
    missing = used("runs", "show", "0000000000000000")
    assert missing.code == 1
    assert "runs list" in missing.err


def test_reproduce_agrees_byte_for_byte(used: CommandLine) -> None:
    run_id = used("id", *DAY, "--json").document["run_id"]
    done = used("reproduce", run_id[:8], "--json")
    assert done.code == 0, done.err
    assert done.document["agrees"]
    assert [asset["asset"] for asset in done.document["assets"]] == [
        "orders",
        "features",
        "model",
        "evaluation",
    ]


def test_verify_names_a_damaged_artifact_and_the_next_run_repairs_it(
    used: CommandLine, cli: CommandLine
) -> None:
    shutil.copytree(used.folder / ".ml_pipeline", cli.folder / ".ml_pipeline")
    assert cli("verify").code == 0
    run_id = cli("id", *DAY, "--json").document["assets"][1]["run_id"]
    (features,) = cli.artifacts.glob(f"features/**/run={run_id}/**/data.parquet")
    damaged = bytearray(features.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    features.unlink()
    features.write_bytes(damaged)
    checked = cli("verify", "--json")
    assert checked.code == 1
    (problem,) = checked.document["damaged"]
    assert run_id in problem["path"]
    rerun = cli("run", *DAY, "--param", "seed=5", "--json")
    assert rerun.code == 0, rerun.err
    assert cli("verify").code == 0


def test_gc_removes_only_what_is_replaced_and_only_when_told(
    used: CommandLine, cli: CommandLine
) -> None:
    shutil.copytree(used.folder / ".ml_pipeline", cli.folder / ".ml_pipeline")
    model = next(cli.artifacts.glob("model/**/model.skops"))
    orphan: Path = model.parent.parent / "rev=0123456789abcdef"
    orphan.mkdir()
    (orphan / "model.skops").write_bytes(b"half")
    assert cli("gc", "--older-than", "1d", "--json").document["items"] == []
    (item,) = cli("gc", "--older-than", "0s", "--json").document["items"]
    assert item["why"] == "orphan: files without a record"
    assert orphan.joinpath("model.skops").exists()
    assert cli("gc", "--older-than", "0s", "--delete").code == 0
    assert not orphan.joinpath("model.skops").exists()
    again = cli("run", *DAY, "--json").document["runs"][0]["artifacts"]
    assert all(made["reused"] for made in again)


def test_promote_goes_forward_and_back(used: CommandLine, cli: CommandLine) -> None:
    shutil.copytree(used.folder / ".ml_pipeline", cli.folder / ".ml_pipeline")
    first = cli("id", *DAY, "--json").document["run_id"]
    promoted = cli("promote", first[:10], "--to", "production", "--note", "the first", "--json")
    assert promoted.code == 0, promoted.err
    assert promoted.document["is_new"]
    assert promoted.document["checked"] == 4
    assert cli("run", *DAY, "--param", "learning_rate=0.3").code == 0
    second = cli("id", *DAY, "-p", "learning_rate=0.3", "--json").document["run_id"]
    done = cli("promote", second, "--to", "production")
    assert f"before: {first}" in done.out
    assert f"now: {second}" in done.out
    (back,) = [line for line in done.out.splitlines() if line.endswith(f"goes back to {first}.")]
    assert back.split("`")[1] == "ml-pipeline rollback --to production"
    again = cli("promote", second, "--to", "production", "--note", "another")
    assert again.out.endswith("already. Nothing is added.\n")
    assert cli("runs", "show", "@production", "--json").document["run_id"] == second
    assert cli("id", "--like", "@production", "--json").document["run_id"] == second
    assert cli("rollback", "--to", "production").code == 0
    entries = cli("promotions", "--json").document["promotions"]
    assert [(one["run_id"], one["is_now"]) for one in entries] == [
        (first, True),
        (second, False),
        (first, False),
    ]
    assert "the first" in cli("promotions", "production").out
    assert "production (earlier)" in cli("runs", "show", second).out
    assert cli("gc", "--older-than", "0s", "--keep-promoted", "--json").document["items"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("promote", "@staging", "--to", "prodction"), 2, "Did you mean 'production'?"),
        (("promote", "@staging", "--to", "production"), 1, "promote RUN_ID --to staging"),
        (("promote", "0123", "--to", "production"), 1, "`ml-pipeline runs list` shows"),
        (("promote", "0123"), 2, "Missing option '--to'"),
        (("promote", "00", "--to", "staging", "--force"), 2, "force needs a note that says why"),
        (("promote", "00", "--to", "staging", "--flag", "A"), 2, "must be NAME=VALUE, but got 'A'"),
        (("promote", "00", "--to", "staging", "--gate", "mape 3"), 2, "mape 3"),
        (("promote", "00", "--to", "staging", "--from", "dev"), 2, "no environments are conf"),
        (("rollback", "--to", "stagin"), 2, "Did you mean 'staging'?"),
        (("rollback", "--to", "staging"), 1, "`ml-pipeline promote RUN_ID --to staging` does that"),
        (("promotions", "stagin"), 2, "Did you mean 'staging'?"),
        (("runs", "show", "@staging"), 1, "(promoted to: nothing)"),
        (("runs", "show", "@"), 2, "a run id is 1 to 16 hexadecimal digits, but got '@'"),
        (("promote", "8fdf", "--to", "staging"), 2, "must be a run of evaluation, with all that"),
    ],
)
def test_promote_of_what_cannot_be_is_refused(
    used: CommandLine, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = used(*arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


COMMANDS = "run id params runs why promote promotions gc verify ui"


@pytest.mark.parametrize("command", COMMANDS.split())
def test_help_of_every_command_says_what_it_does(cli: CommandLine, command: str) -> None:
    done = cli(command, "--help")
    assert done.code == 0
    assert "Usage: " in done.out
