import json
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.partitions import calendar_of
from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.request_document import Rules, example, read_request
from ml_pipeline.launch.run_config import ORIGINS_TAG, RUN_ID_TAG
from ml_pipeline.launch.run_request import requested_run
from ml_pipeline_tests.toys.pipeline import PARAMS, toy

DAY = date(2026, 1, 5)
RULES = Rules(toy())


def problems(document: Any, rules: Rules = RULES) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        read_request(document, "test", rules)
    return list(caught.value.problems)


def test_run_of_one_date_has_its_partition_and_run_id() -> None:
    pipeline = toy()
    params = PARAMS.parse({"learning_rate": 0.5}, "somewhere")
    run = requested_run(pipeline, params, [DAY], ["model"])
    assert run.partition_key == "2026-01-05"
    assert run.asset_paths == [["model"]]
    assert run.config == {"resources": {"params": {"config": {"fit": {"learning_rate": 0.5}}}}}
    assert run.tags == {
        "ml_pipeline/region": "north",
        RUN_ID_TAG: pipeline.run_slot(params, DAY).run_id,
        ORIGINS_TAG: json.dumps({"fit.learning_rate": "somewhere"}),
    }


def test_run_of_a_range_is_one_run_told_by_tags() -> None:
    dates = [DAY + timedelta(days=n) for n in range(3)]
    run = requested_run(toy(), PARAMS.defaults, dates)
    assert run.partition_key is None
    assert run.tags == {
        "ml_pipeline/region": "north",
        "dagster/asset_partition_range_start": "2026-01-05",
        "dagster/asset_partition_range_end": "2026-01-07",
    }
    assert list(run.run_ids) == dates
    assert run.assets == ["table", "features", "model", "score"]


@pytest.mark.parametrize(
    "params",
    [{"fit": {"learning_rate": 0.5}}, {"learning_rate": 0.5}, {"fit.learning_rate": 0.5}],
    ids=["nested", "flat", "dotted"],
)
def test_request_written_any_way_is_the_same_run(params: dict[str, Any]) -> None:
    asked = read_request({"as_of": "2026-01-05", "params": params}, "test", RULES)
    wanted = requested_run(RULES.pipeline, PARAMS.parse({"learning_rate": 0.5}, "test"), [DAY])
    assert asked == wanted


def test_days_that_are_written_as_text_are_days() -> None:
    run = requested_run(toy(), PARAMS.defaults, ["2026-01-05", "2026-01-06"])
    assert list(run.run_ids) == list(run.dates) == [DAY, date(2026, 1, 6)]


def test_request_for_a_range_with_a_selection_is_one_run() -> None:
    document = {"from": "2026-01-05", "to": "2026-01-07", "select": ["table", "features"]}
    run = read_request(document, "test", RULES)
    assert [day.day for day in run.dates] == [5, 6, 7]
    assert run.assets == ["table", "features"]
    assert run.config == {}


def test_request_without_a_name_gets_the_standing_value() -> None:
    rules = Rules(toy(), standing={"fit": {"learning_rate": 0.5, "workers": 2}})
    run = read_request({"as_of": "2026-01-05", "params": {"workers": 3}}, "test", rules)
    assert run.config["resources"]["params"]["config"] == {
        "fit": {"learning_rate": 0.5, "workers": 3}
    }
    assert json.loads(run.tags[ORIGINS_TAG]) == {
        "fit.learning_rate": "settings",
        "fit.workers": "test; overrides 2 of settings",
    }


def test_request_with_many_problems_names_all_of_them() -> None:
    rules = Rules(
        toy(),
        calendar_of("toy", dg.DailyPartitionsDefinition("2026-01-06", "2026-01-08"), "see there"),
        refuses=lambda values: [f"{name} is not for you" for name in values if "region" in name],
    )
    document = {
        "as_of": "2026-01-05",
        "parms": {},
        "rows": 3,
        "params": {"fit": {"learning_rate": 99, "worker": 1}, "region": "moon"},
        "select": ["modle"],
    }
    assert problems(document, rules) == [
        "'parms' does not exist. Did you mean 'params'?",
        "'rows' belongs under params",
        "as_of must be a day from 2026-01-06 to 2026-01-07, but got 2026-01-05; see there",
        "select: 'modle' is no asset. Did you mean 'model'?",
        "data.region is not for you",
        "'fit.worker' does not exist. Did you mean 'workers'?",
        "fit.learning_rate must be number > 0 and <= 10, but got 99",
    ]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "a request must be names and values, but is []"),
        ("text", "a request must be names and values, but is 'text'"),
        ({}, "a request needs as_of, or from and to, but has neither"),
        ({"from": "2026-01-05"}, "a request needs as_of, or from and to, but has from"),
        (
            {"as_of": "2026-01-05", "to": "2026-01-06"},
            "a request needs as_of, or from and to, but has as_of and to",
        ),
        ({"as_of": "soon"}, "as_of must be a date such as 1998-05-31, but got 'soon'"),
        ({"as_of": 20260105}, "as_of must be a date such as 1998-05-31, but got 20260105"),
        ({"as_of": ["2026-01-05"]}, "as_of must be a date such as 1998-05-31"),
        (
            {"from": "2026-01-06", "to": "2026-01-05"},
            "from must not be after to, but got 2026-01-06 and 2026-01-05",
        ),
        ({"as_of": "2026-01-05", "params": ["x"]}, "params must be names and values"),
        ({"as_of": "2026-01-05", "select": []}, "select must be a list of assets, but got []"),
        ({"as_of": "2026-01-05", "select": [1]}, "select must be a list of assets, but got [1]"),
    ],
)
def test_request_that_is_none_says_what_must_hold(document: Any, told: str) -> None:
    (problem,) = problems(document)
    assert problem.startswith(told)


def test_request_with_a_search_is_a_run_of_the_sweep() -> None:
    document = {
        "from": "2026-01-05",
        "to": "2026-01-06",
        "params": {"learning_rate": "0.1,0.2", "rows": 9},
        "search": {"metric": "r2", "direction": "maximize"},
    }
    run = read_request(document, "test", RULES)
    assert run.asset_paths == [["sweep"]]
    assert run.config == {
        "resources": {
            "sweep": {
                "config": {
                    "fit": {"learning_rate": "0.1,0.2"},
                    "data": {"rows": 9},
                    "search": {"metric": "r2", "direction": "maximize"},
                }
            }
        }
    }
    assert run.tags["dagster/asset_partition_range_end"] == "2026-01-06"
    assert json.loads(run.tags[ORIGINS_TAG]) == {"fit.learning_rate": "test", "data.rows": "test"}


def test_sweep_has_tags_of_the_labels_that_its_trials_share() -> None:
    searched = {"metric": "r2", "direction": "maximize"}
    tags = {
        region: read_request(
            {
                "as_of": "2026-01-05",
                "params": {"region": region, "rows": "8,9"},
                "search": searched,
            },
            "test",
            RULES,
        ).tags
        for region in ("south", "south,east")
    }
    assert tags["south"]["ml_pipeline/region"] == "south"
    assert "ml_pipeline/region" not in tags["south,east"]


def test_request_with_a_bad_search_names_all_problems() -> None:
    document = {
        "as_of": "2026-01-05",
        "params": {"learning_rate": "0.1,99", "rows": 0},
        "search": {"n_trails": 3, "metric": "r2", "direction": "maximize"},
        "select": ["model"],
    }
    told = "; ".join(problems(document))
    assert "select does not go with search" in told
    assert "Did you mean 'n_trials'?" in told
    assert "data.rows must be integer >= 2" in told


def test_every_parameter_set_of_a_search_is_asked_about() -> None:
    rules = Rules(
        toy(), refuses=lambda values: ["no moon"] if values["data.region"] == "moon" else []
    )
    document = {
        "as_of": "2026-01-05",
        "params": {"region": "north,moon"},
        "search": {"metric": "r2", "direction": "maximize"},
    }
    assert problems(document, rules) == ["no moon"]


def test_example_is_accepted() -> None:
    days = calendar_of("toy", dg.DailyPartitionsDefinition("2026-01-01", "2026-01-06"), "")
    text = example(toy(), days)
    assert text == 'as_of: 2026-01-05\nparams:\n  data:\n    region: "north"\n'
