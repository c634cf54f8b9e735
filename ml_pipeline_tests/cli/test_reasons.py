"""`why` with the options of `run`, and checks of what is not the pipeline's or is gone."""

import shutil
from pathlib import Path

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine

pytestmark = pytest.mark.long

DAY = ("--as-of", "1998-05-31")


@pytest.fixture
def own(used: CommandLine, cli: CommandLine) -> CommandLine:
    """A copy of the home in which 1998-05-31 has been run, to change at will."""
    shutil.copytree(used.folder / ".ml_pipeline", cli.folder / ".ml_pipeline")
    return cli


def test_why_with_force_says_that_it_was_asked_for(used: CommandLine) -> None:
    lines = used("why", *DAY, "--force").out.splitlines()
    assert lines[0] == "1998-05-31  orders: computed: asked for with force"


def test_why_with_an_age_says_how_old_the_result_is(used: CommandLine) -> None:
    lines = used("why", *DAY, "--max-age", "0s").out.splitlines()
    assert lines[0].startswith("1998-05-31  orders: computed: the published result is 0.0 days old")
    assert "orders: reused: " in used("why", *DAY, "--max-age", "1d").out


def test_why_of_selected_assets_tells_of_those_alone(used: CommandLine) -> None:
    done = used("why", *DAY, "--select", "evaluation", "--select", "features", "--json")
    assert [step["asset"] for step in done.document["steps"]] == ["features", "evaluation"]
    refused = used("why", *DAY, "--select", "modle")
    assert refused.code == 2
    assert "Did you mean 'model'?" in refused.err


def test_why_after_another_path_label_names_it(used: CommandLine) -> None:
    run_id = used("id", *DAY, "--json").document["run_id"]
    lines = used("why", *DAY, "--param", "model_version=v2").out.splitlines()
    assert lines[2].startswith(
        f"1998-05-31  model: computed: model_version v1 -> v2 since run {run_id}"
    )


def test_reproduce_with_an_upstream_original_gone_says_so_and_agrees(own: CommandLine) -> None:
    run_id = own("id", *DAY, "--json").document["run_id"]
    shutil.rmtree(own.artifacts / "orders")
    done = own("reproduce", run_id)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == (
        f"Run {run_id} is reproduced, byte for byte, in all that can be compared: the original of"
        " orders is gone."
    )
    document = own("reproduce", run_id, "--json").document
    assert document["agrees"]
    assert [one["agrees"] for one in document["assets"]] == [None, True, True, True]


def test_verify_checks_what_is_no_stage_of_the_pipeline_and_tells_what_was_put_elsewhere(
    own: CommandLine,
) -> None:
    assert own("verify", "--json").document == {"checked": 4, "damaged": []}
    (features,) = own.artifacts.glob("features/**/data.parquet")
    renamed: Path = own.artifacts / "caf%C3%A9" / "old" / features.relative_to(own.artifacts)
    shutil.copytree(features.parent, renamed.parent)
    hidden = own.artifacts / ".staging" / "left" / "rev=1"
    shutil.copytree(features.parent, hidden)
    checked = own("verify", "--json")
    assert checked.code == 1
    assert checked.document["checked"] == 5
    (problem,) = checked.document["damaged"]
    assert problem["path"].startswith("caf%C3%A9/old/features/")
