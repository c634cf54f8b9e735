from datetime import date

import dagster as dg

from ml_pipeline.dagster.automation import run_request
from ml_pipeline.launch.run_request import requested_run
from ml_pipeline_tests.toys.pipeline import PARAMS, toy


def test_run_handed_to_dagster_keeps_everything() -> None:
    run = requested_run(toy(), PARAMS.parse({"rows": 9}), [date(2026, 1, 5)], ["table", "model"])
    request = run_request(run, "key", {"more": "tags"})
    assert (request.run_key, request.partition_key) == ("key", "2026-01-05")
    assert request.run_config == run.config
    assert request.tags == {**run.tags, "more": "tags", "dagster/priority": "-1"}
    assert request.asset_selection == [dg.AssetKey("table"), dg.AssetKey("model")]
