import statistics
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dagster as dg
import pytest
from pydantic import Field

from ml_pipeline.dagster.assets import pipeline_assets
from ml_pipeline.dagster.io_manager import io_manager_resource
from ml_pipeline.dagster.resources import params_resource
from ml_pipeline.launch.names import names_of
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.date_result import ArtifactResult, DateResult
from ml_pipeline.runs.range_report import RangeReport
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Objective
from ml_pipeline_tests.toys.cells import ERROR, days
from ml_pipeline_tests.toys.dagster_site import DAILY, QUIET, temporary_instance

ERRORS = [0.2, 0.1, 0.4]


def result(
    day: AsOf,
    metrics: Mapping[str, float] | None = None,
    objective: Objective | None = None,
    reused: bool = False,
) -> DateResult:
    judged = ArtifactResult(
        "judged", "ab", "cd", "judged/data.json", reused, metrics or {}, objective
    )
    read = ArtifactResult("table", "ef", "01", "table/data.parquet", reused)
    return DateResult(day, "ab", "dagster's", [read, judged])


def failed(day: date, error: str) -> DateResult:
    return DateResult(day, "ab", "dagster's", error=error)


def done(day: date, error: float, reused: bool = False) -> DateResult:
    return result(day, {"rows": 3.0, "error": error, "naive_error": 0.5}, ERROR, reused)


@pytest.fixture
def report() -> RangeReport:
    first, second, third, *bad = days(11)
    results = [
        done(first, ERRORS[0], reused=True),
        done(second, ERRORS[1]),
        done(third, ERRORS[2]),
    ]
    results += [failed(day, "too few rows") for day in bad[:7]]
    return RangeReport([*results, failed(bad[7], "ValueError: x")])


def test_report_sentence_counts_dates_and_tells_the_metric(report: RangeReport) -> None:
    assert report.sentence == (
        "11 dates: 3 done (1 reused), 8 failed; error mean 0.2333, sd 0.1528, worst 0.4 on"
        " 2026-01-07 (naive_error mean 0.5)"
    )


def test_report_of_good_dates_without_objective_only_counts() -> None:
    assert RangeReport([result(day, reused=True) for day in days(2)]).sentence == (
        "2 dates: 2 done (2 reused)"
    )


def test_report_of_partitions_that_are_no_dates_calls_them_so() -> None:
    report = RangeReport([result(key, reused=True) for key in ("oslo", "bergen")])
    assert report.sentence == "2 partitions: 2 done (2 reused)"
    assert report.document()["dates"] == 2


def test_report_sentence_of_one_done_date_has_no_deviation() -> None:
    report = RangeReport([done(days(1)[0], 0.2)])
    assert report.sentence == (
        "1 date: 1 done (0 reused); error mean 0.2, worst 0.2 on 2026-01-05 (naive_error mean 0.5)"
    )


def test_report_worst_follows_the_direction() -> None:
    objective = Objective(metric="error", direction="maximize")
    report = RangeReport(
        [
            result(day, {"error": error}, objective)
            for day, error in zip(days(3), ERRORS, strict=True)
        ]
    )
    assert report.figures["error"].worst == (days(3)[1], 0.1)


def test_report_gives_each_reason_once_with_its_dates(report: RangeReport) -> None:
    assert report.reasons == [
        f"{', '.join(map(str, days(8)[3:]))} and 2 more failed: too few rows",
        "2026-01-15 failed: ValueError: x",
    ]


def test_report_table_has_the_objective_first(report: RangeReport) -> None:
    columns, rows = report.table()
    assert len(set(columns)) == len(columns)
    assert [row[0] for row in rows] == ["error", "naive_error", "rows"]
    assert rows[0][1] == pytest.approx(statistics.fmean(ERRORS))
    assert rows[0][2] == pytest.approx(statistics.stdev(ERRORS))
    assert rows[0][3:] == [0.1, days(2)[1], 0.4, days(3)[2]]


def test_report_document_is_plain(report: RangeReport) -> None:
    document = report.document()
    assert [document[name] for name in ("dates", "done", "reused", "failed")] == [11, 3, 1, 8]
    assert document["failures"]["ValueError: x"] == ["2026-01-15"]
    assert document["metrics"]["error"]["worst"] == {"date": "2026-01-07", "value": 0.4}
    assert document["metrics"]["rows"]["worst"] is None


def test_report_picture_shows_metric_and_baseline_over_all_dates(report: RangeReport) -> None:
    picture = report.picture()
    assert picture is not None
    texts = [element.text for element in ElementTree.fromstring(picture).iter() if element.text]
    assert {report.sentence, "error", "naive_error"} <= set(texts)


def test_report_without_two_judged_dates_has_no_picture() -> None:
    assert RangeReport([done(days(1)[0], 0.2)]).picture() is None
    assert RangeReport([result(day) for day in days(2)]).picture() is None


def test_report_of_dates_judged_by_several_objectives_tells_none_of_them() -> None:
    first, second = days(2)
    objective = Objective(metric="auc", direction="maximize")
    other = result(second, {"auc": 0.8}, objective)
    report = RangeReport([done(first, 0.2), other])
    assert report.sentence == "2 dates: 2 done (0 reused)"
    assert set(report.figures) == {"rows", "error", "naive_error", "auc"}


# In Dagster


class Only(ParamGroup):
    """All there is."""

    bad_day: int = Field(0, description="day of the month that fails")


PIPELINE = Pipeline("ranged", ParamModel(only=Only))
NAMES = names_of(PIPELINE)


@PIPELINE.asset
def numbers(as_of: date) -> list[int]:
    return [as_of.day]


@PIPELINE.asset(objective=ERROR)
def score(numbers: list[int], only: Only) -> Result:
    if numbers == [only.bad_day]:
        raise ValueError("<b>bad</b> | [x](javascript:alert(1))\nday\x1b[31m")
    return Result({}, {"error": numbers[0] / 10, "naive_error": 1.0})


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path / "instance") as instance:
        yield instance


def ran(
    instance: dg.DagsterInstance, store: Path, first: str, last: str, **config: Any
) -> dg.ExecuteInProcessResult:
    defs = dg.Definitions(
        assets=[pipeline_assets(PIPELINE, DAILY)],
        resources={
            NAMES.params: params_resource(PIPELINE),
            NAMES.io_manager: io_manager_resource(
                PIPELINE, lambda _: ArtifactStore(str(store)), store
            ),
        },
    )
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={"resources": {NAMES.params: {"config": {"only": config}}}, "loggers": QUIET},
        instance=instance,
        partition_key=first if first == last else None,
        raise_on_error=False,
        tags={} if first == last else tags,
    )


def observed(instance: dg.DagsterInstance) -> list[Any]:
    found = instance.fetch_observations(dg.AssetKey("score"), limit=10).records
    return [record.asset_observation.metadata for record in found if record.asset_observation]


def test_run_of_many_dates_reports_on_them_together(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    assert ran(instance, tmp_path / "store", "2026-01-05", "2026-01-05").success
    assert observed(instance) == []
    assert ran(instance, tmp_path / "store", "2026-01-05", "2026-01-07").success
    (metadata,) = observed(instance)
    assert metadata["summary"].value == (
        "3 dates: 3 done (1 reused); error mean 0.6, sd 0.1, worst 0.7 on 2026-01-07"
        " (naive_error mean 1)"
    )
    assert (metadata["dates_done"].value, metadata["dates_failed"].value) == (3, 0)
    first = metadata["metrics_over_dates"].value.records[0].data
    assert (first["metric"], first["mean"], first["highest on"]) == ("error", 0.6, "2026-01-07")
    assert metadata["picture"].value.startswith("![result](data:image/svg+xml;base64,")
    assert "failures" not in metadata


def test_run_of_many_dates_reports_though_some_fail(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    result = ran(instance, tmp_path / "store", "2026-01-05", "2026-01-07", bad_day=6)
    assert not result.success
    (metadata,) = observed(instance)
    assert metadata["summary"].value.startswith("3 dates: 2 done (0 reused), 1 failed; error mean")
    assert metadata["failures"].value == (
        r"- 2026-01-06 failed: ValueError: \<b\>bad\</b\> \| \[x\](javascript:alert(1))"
        r" day\\x1b\[31m"
    )
    told = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any(message.startswith("3 dates: 2 done") for message in told)
    key = dg.AssetKey("score")
    assert instance.get_materialized_partitions(key) == {"2026-01-05", "2026-01-07"}
