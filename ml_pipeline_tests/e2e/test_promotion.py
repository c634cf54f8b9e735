"""From staging to production: two buckets, and two deployments with a home each."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

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
WORSE = "-p", "model_version=v2", "-p", "max_iter=3"


@pytest.fixture(scope="module")
def s3() -> Iterator[Mapping[str, str]]:
    with serving_s3("staging-models", "prod-models") as variables:
        yield variables


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
    back = at(prod, "rollback", "--to", "prod", "--json")
    assert back.code == 0, back.err
    assert back.document["now"]["run_id"] == champion
    entries = at(prod, "promotions", "prod", "--json").document["promotions"]
    assert [one["number"] for one in entries] == [3, 2, 1]
    assert [one["source"] for one in entries] == [None, "staging", "staging"]
    assert at(prod, "verify").out.startswith("6 artifacts checked, 0 damaged.")
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
