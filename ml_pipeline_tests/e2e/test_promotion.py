"""From staging to production: two buckets, and two deployments with a home each."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_pipeline import scorers
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.ledger import add, current, history
from ml_pipeline_tests.cli.conftest import CommandLine, Ran
from ml_pipeline_tests.toys.s3_server import serving_s3

pytestmark = pytest.mark.long

SETTINGS = """
environment = "{own}"
writable = ["{own}"]
[environments.staging]
store = "s3://staging-models/ml"
[environments.prod]
store = "s3://prod-models/ml"
gate = {{ criteria = ["mape <= 0.25", "mape within 2%"], min_dates = 14 }}
"""
WINDOW = "--from", "1998-05-18", "--to", "1998-05-31"
SECOND = datetime(1998, 6, 8, 12, tzinfo=UTC)
SERVE, SCORED = ("-m", ":serving"), "1998-06-01"
WORSE = "-p", "model_version=v2", "-p", "max_iter=3"


@pytest.fixture(scope="module")
def s3() -> Iterator[Mapping[str, str]]:
    with serving_s3("staging-models", "prod-models") as variables:
        yield variables


def scored(line: CommandLine, s3: Mapping[str, str]) -> dict[str, str]:
    """Score a day; return what became of it."""
    run = "run", "--as-of", SCORED, "--select", "predictions", "--json"
    done = line(*SERVE, *run, environment=s3)
    assert done.code == 0, done.err
    (made,) = done.document["runs"][0]["artifacts"]
    action = "reused" if made["reused"] else "computed"
    return {"action": action, "run_id": made["run_id"], "revision": made["revision"]}


def deployment(folder: Path, own: str) -> CommandLine:
    (folder / own / ".ml_pipeline").mkdir(parents=True)
    (folder / own / ".ml_pipeline" / "settings.toml").write_text(SETTINGS.format(own=own))
    return CommandLine(folder / own)


def test_model_goes_to_production_is_kept_from_worse_ones_and_goes_back(
    tmp_path: Path, s3: Mapping[str, str]
) -> None:
    staging, prod = deployment(tmp_path, "staging"), deployment(tmp_path, "prod")

    def at(line: CommandLine, *arguments: str) -> Ran:
        return line(*arguments, environment=s3)

    for more in ((), WORSE):
        done = at(staging, "run", *WINDOW, *more)
        assert done.code == 0, done.err
    compared = at(staging, "compare", "model_version=v1", "model_version=v2,max_iter=3", "--json")
    assert compared.code == 0, compared.err
    # Staging may not write to production.
    refused = at(staging, "promote", "model_version=v1", "--to", "prod")
    assert refused.code == 2
    assert "this deployment may write to" in refused.err
    first = at(prod, "promote", "model_version=v1", "--from", "staging", "--to", "prod", "--json")
    assert first.code == 0, first.err
    assert (first.document["checked"], first.document["copied"]) == (4, 4)
    assert first.document["now"]["gate"]["passed"]
    champion = first.document["now"]["run_id"]
    hinted = at(prod, "run", "--select", "predictions")
    assert "`ml-pipeline -m :serving run --select predictions`" in hinted.err
    one = scored(prod, s3)
    assert one["action"] == "computed"
    again = at(prod, "promote", "model_version=v1", "--from", "staging", "--to", "prod", "--json")
    assert (again.document["is_new"], again.document["copied"]) == (False, 0)
    worse = "promote", "model_version=v2,max_iter=3", "--from", "staging", "--to", "prod"
    refused = at(prod, *worse)
    assert refused.code == 1
    assert "mape 0.2" in refused.err
    assert "within 2% of the champion's 0.2" in refused.err
    assert f"'prod' still has {champion}" in refused.err
    assert at(prod, "runs", "show", "@prod", "--json").document["run_id"] == champion
    forced = at(prod, *worse, "--force", "--note", "a trial", "--json")
    assert forced.code == 0, forced.err
    # What both were made from was there already.
    assert (forced.document["checked"], forced.document["copied"]) == (4, 2)
    assert forced.document["now"]["forced"]
    why = at(prod, *SERVE, "why", "--as-of", SCORED, "--select", "predictions").out
    assert f"champion {champion}/" in why
    assert f" -> {forced.document['now']['run_id']}/" in why
    two = scored(prod, s3)
    assert (two["action"], two["run_id"]) == ("computed", one["run_id"])
    assert two["revision"] != one["revision"]
    back = at(prod, "rollback", "--to", "prod", "--json")
    assert back.code == 0, back.err
    assert back.document["now"]["run_id"] == champion
    assert scored(prod, s3) == {**one, "action": "reused"}
    entries = at(prod, "promotions", "prod", "--json").document["promotions"]
    assert [one["number"] for one in entries] == [3, 2, 1]
    assert [one["source"] for one in entries] == [None, "staging", "staging"]
    assert at(prod, "verify").out.startswith("8 artifacts checked, 0 damaged.")
    tried = at(prod, *worse, "--alias", "challenger", "--force", "--note", "beside it", "--json")
    assert tried.code == 0, tried.err
    challenger = tried.document["now"]["run_id"]
    shown = at(prod, "env", "show", "prod", "--json").document["promoted"]
    assert {line: one["run_id"] for line, one in shown.items()} == {
        "prod": champion,
        "prod.challenger": challenger,
    }
    assert "prod.challenger" in at(prod, "runs", "show", "@prod.challenger").out
    (only,) = at(prod, "promotions", "prod.challenger", "--json").document["promotions"]
    assert len(at(prod, "promotions", "--json").document["promotions"]) == 4
    assert at(staging, "promotions").err == ""
    won = at(prod, "promote", "@prod.challenger", "--to", "prod", "--force", "--note", "it won")
    assert f"'prod' has run {only['run_id']}" in won.out, won.err
    assert at(prod, "rollback", "--to", "prod").code == 0
    # A champion serves from its own store alone.
    like = at(prod, "run", "--like", "@prod", "--json")
    assert like.code == 0, like.err
    assert like.document["runs"][0]["run_id"] == champion
    champions_of_the_day_score_a_fortnight(prod, s3)


def champions_of_the_day_score_a_fortnight(prod: CommandLine, s3: Mapping[str, str]) -> None:
    """Score days of 1998 as if both runs had been promoted then."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.items():
            patch.setenv(name, value)
        store = ArtifactStore("s3://prod-models/ml")
        first, second, *_ = history(store)
        for entry, at in ((first, datetime(1998, 6, 1, 12, tzinfo=UTC)), (second, SECOND)):
            about = entry.model_dump(exclude={"environment", "number", "at", "id", "flags"})
            add(store, "prod", current(store)["prod"], **about, at=at)
        window = "--from", "1998-05-31", "--to", "1998-06-13"
        asked = "--select", "predictions", "-p", "champion=of_the_day", "--json"
        done = prod(*SERVE, "run", *window, *asked, environment=s3)
        assert done.code == 1
        assert [one["as_of"] for one in done.document["failures"]] == ["1998-05-31"]
        assert "when 1998-05-31 ended, but got its first at 1998-06-01 12:00" in done.err
        by_day = {}
        for run in done.document["runs"]:
            (made,) = run["artifacts"]
            found = next(p for p in store.directories("predictions") if made["run_id"] in p)
            by_day[run["as_of"]] = [*scorers(store.read_record(found))]
    assert by_day == {
        f"1998-06-{day:02}": [first.run_id if day < SECOND.day else second.run_id]
        for day in range(1, 14)
    }
