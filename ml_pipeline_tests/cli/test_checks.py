"""What checks have found, at the command line."""

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine

pytestmark = pytest.mark.long

CHECKS = {
    "orders": ["schema", "freshness", "volume", "duplicates", "negative_amounts"],
    "features": ["no_future"],
    "model": ["drift_of_scores"],
    "evaluation": ["not_worse_than_naive"],
}


def test_run_warns_of_what_does_not_pass_and_tells_all_in_json(used: CommandLine) -> None:
    again = ("run", "--as-of", "1998-05-31", "-p", "drift=0.001", "-p", "volume_weeks=8")
    done = used(*again, "-p", "better_than_naive_by=0.9")
    assert done.code == 0, done.err
    warnings = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 2
    assert warnings[0].startswith(
        "warning: 1998-05-31: model: drift_of_scores: the population stability index"
    )
    assert "mape must be better than naive_mape by 0.9 over the last dates" in warnings[1]
    (run,) = used(*again, "--json").document["runs"]
    assert run["run_id"] == "162ad1ceb5bd28a1"
    assert all(made["reused"] for made in run["artifacts"])
    told = [(one["asset"], one["check"]) for one in run["checks"]]
    assert told == [(asset, check) for asset, checks in CHECKS.items() for check in checks]
    found = {one["check"]: one for one in run["checks"]}
    assert [one["check"] for one in run["checks"] if not one["passed"]] == ["drift_of_scores"]
    assert found["drift_of_scores"]["severity"] == "warn"
    assert found["drift_of_scores"]["thresholds"]["checks.drift"] == 0.001
    assert len(found["drift_of_scores"]["metadata"]["shares"]) == 5
    assert found["duplicates"]["metadata"]["repeated"] > 200


def test_date_that_may_not_be_used_fails_with_what_was_found(cli: CommandLine) -> None:
    day = "{0},1998-05-{1:02},5"
    rows = [day.format(who, at) for at in range(1, 32) for who in range(3)]
    (cli.folder / "twice.csv").write_text("\n".join(["customer_id,ordered_at,amount", *rows * 2]))
    asked = ("--param", "source=./twice.csv", "--json")
    done = cli("run", "--as-of", "1998-05-31", *asked)
    assert done.code == 1
    (failure,) = done.document["failures"]
    assert failure["error"].startswith(
        "orders of 1998-05-31 must pass its checks before anything is made of it, but does not pass"
        " 'duplicates': at most 2.00% of the orders may repeat another, and 50.00% do, 93 of 186"
    )
    assert [one["check"] for one in failure["checks"]] == CHECKS["orders"]
    made = {path.name for path in cli.artifacts.iterdir() if path.name[0] != "."}
    assert made == {"orders"}
    planned = cli("run", "--as-of", "1998-05-31", *asked, "--dry-run").document
    assert [step["action"] for step in planned["steps"]] == ["reuse", *["blocked"] * 3]
    assert (planned["blocked"], planned["estimated_s"]) == (3, 0.0)
    why = cli("why", "--as-of", "1998-05-31", *asked[:2])
    assert f"features: blocked: {failure['error'][:60]}" in " ".join(why.out.split())
    several = cli("run", "--from", "1998-05-30", "--to", "1998-05-31", *asked)
    assert several.code == 1
    assert [one["as_of"] for one in several.document["failures"]] == ["1998-05-30", "1998-05-31"]
