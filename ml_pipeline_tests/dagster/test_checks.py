import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster import private_checks
from ml_pipeline.dagster.checks import in_full, report_in
from ml_pipeline.dagster.code_location import code_location
from ml_pipeline_tests.toys import checked
from ml_pipeline_tests.toys.dagster_site import DAILY, QUIET, events, failure, temporary_instance

pytestmark = pytest.mark.filterwarnings("ignore:.* is currently in beta")

ENOUGH = dg.AssetCheckKey(dg.AssetKey("sales"), "enough")


def range_of(first: str, last: str) -> dict[str, str]:
    return {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }


class Site:
    """The pipeline with checks, a store and an instance."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.store = folder / "store"
        self.defs = code_location(checked.PIPELINE, DAILY, lambda: str(self.store))

    def run(
        self,
        first: str,
        last: str | None = None,
        *others: dg.AssetsDefinition,
        selection: tuple[str, ...] = ("sales", "total"),
        more: int = 0,
        **limits: int,
    ) -> dg.ExecuteInProcessResult:
        defs = dg.Definitions.merge(self.defs, dg.Definitions(assets=others))
        job = defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            run_config={
                "resources": {"params": {"config": {"limits": limits, "lot": {"more": more}}}},
                "loggers": QUIET,
            },
            instance=self.instance,
            partition_key=None if last else first,
            raise_on_error=False,
            asset_selection=[*map(dg.AssetKey, selection), *(other.key for other in others)],
            tags=range_of(first, last) if last else {},
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("TOY_HOME", str(tmp_path))
    with temporary_instance(tmp_path / "instance") as instance:
        yield Site(tmp_path, instance)


def found(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], bool]:
    return {(e.check_name, e.partition): e.passed for e in result.get_asset_check_evaluations()}


def statuses(site: Site, key: dg.AssetCheckKey) -> dict[str | None, str]:
    """What the UI shows of a check by partition; what an older artifact had is marked."""
    infos = site.instance.event_log_storage.get_asset_check_partition_info([key])
    return {
        info.partition_key: info.latest_execution_status.value if info.is_current else "OLD"
        for info in infos
    }


def test_checks_are_told_beside_their_assets_with_partitions(site: Site) -> None:
    graph = site.defs.resolve_asset_graph()
    specs = {key.name: graph.get_check_spec(key) for key in graph.asset_check_keys}
    assert set(specs) == {"enough", "values", "grows"}
    assert specs["enough"].asset_key == dg.AssetKey("sales")
    assert specs["enough"].description == "There are enough rows."
    assert [specs[name].blocking for name in ("enough", "values")] == [True, False]
    assert specs["grows"].partitions_def == DAILY


def test_run_of_one_date_tells_what_was_found_with_numbers_rows_and_thresholds(site: Site) -> None:
    result = site.run("2026-01-05", most=3)
    assert result.success, failure(result)
    assert found(result) == {
        ("enough", "2026-01-05"): True,
        ("values", "2026-01-05"): False,
        ("grows", "2026-01-05"): True,
    }
    enough, values, _ = result.get_asset_check_evaluations()
    assert values.severity is dg.AssetCheckSeverity.WARN
    assert values.description is not None
    assert "breaks less_than_or_equal_to(3) in 1 row" in values.description
    rows = values.metadata["first_bad_rows"]
    assert isinstance(rows, dg.TableMetadataValue)
    assert dict(rows.records[0].data)["found"] == "4"
    limits = {"limits.least": 2, "limits.most": 3, "limits.days": 3}
    assert values.metadata["thresholds"].value == limits
    assert (enough.blocking, enough.metadata["rows"].value) == (True, 5)
    made = {event.asset_key.to_user_string(): event for event in _materialized(site)}
    target = enough.target_materialization_data
    assert target is not None
    assert target.storage_id == made["sales"].storage_id
    again = site.run("2026-01-05", most=3)
    assert found(again) == found(result)
    assert checked.asked() == ["enough", "values", "grows"]
    assert statuses(site, ENOUGH) == {"2026-01-05": "SUCCEEDED"}


def stored(site: Site, result: dg.ExecuteInProcessResult) -> list[dg.EventLogEntry]:
    """Return what Dagster keeps of checks and assets."""
    log = site.instance.all_logs(result.run_id)
    return [one for one in log if one.asset_materialization or one.asset_check_evaluation]


def test_what_passes_of_many_dates_is_kept_in_short(site: Site) -> None:
    first = site.run("2026-01-05")
    again = site.run("2026-01-05")
    known = site.run("2026-01-05", "2026-01-06")
    many = site.run("2026-01-04", "2026-01-06", most=3)

    def told(result: dg.ExecuteInProcessResult, check: str, day: int) -> list[set[str]]:
        """Return what is told of a check by those who run it, and by what is kept."""
        kept = [one.asset_check_evaluation for one in stored(site, result)]
        at = f"2026-01-0{day}"
        return [
            set(one.metadata)
            for one in (*result.get_asset_check_evaluations(), *kept)
            if one is not None and (one.check_name, one.partition) == (check, at)
        ]

    whole = {"rows", "found_at", "found_by_this_run", "few", "thresholds"}
    assert told(first, "enough", 5) == [whole, whole]
    assert told(again, "enough", 5) == [whole, whole]
    assert told(many, "enough", 6) == [whole, {"rows"}]
    # Found by the first run.
    assert told(known, "enough", 5) == [whole, {"rows", "found_at"}]
    for entry in stored(site, known):
        short, at = entry.asset_check_evaluation, datetime.fromtimestamp(entry.timestamp, UTC)
        if short is None or short.check_name != "enough":
            continue
        is_new = short.partition == "2026-01-06"
        report = report_in(checked.PIPELINE, in_full(short, at))
        assert report is not None
        assert (report.is_new, set(report.finding.metadata)) == (is_new, {"rows"})
        assert (report.finding.at == at) is is_new
    # What does not pass is kept whole.
    assert "first_bad_rows" in told(many, "values", 5)[1] == told(many, "values", 5)[0]
    for result in (first, again, many):
        for event in stored(site, result):
            kept = event.dagster_event
            assert kept is not None
            assert (kept.step_key, kept.job_name) == (event.step_key, event.job_name)
            assert (kept.step_key, kept.step_handle, kept.logging_tags) == ("checked", None, {})
            assert event.message.startswith(("Materialized value", "Asset check '"))
            assert "Description" not in event.message
    made = [one.asset_materialization for one in stored(site, many)]
    assert [one for one in made if one is not None] == list(events(many).values())
    stats = site.instance.get_run_step_stats(many.run_id)
    assert [len(one.materialization_events) for one in stats] == [6]
    assert not any("reason" in one.metadata for one in events(many).values())
    made_by = events(many)["sales", "2026-01-05"].metadata["made_by"]
    assert made_by == dg.MetadataValue.dagster_run(first.run_id)
    assert 1_500 < max(sizes(site, many, "ASSET_MATERIALIZATION")) < 1_900
    assert 900 < max(sizes(site, known, "ASSET_CHECK_EVALUATION")) < 1_100


def sizes(site: Site, result: dg.ExecuteInProcessResult, kind: str) -> list[int]:
    """Return how many bytes Dagster's database has of each event but for the store's folder."""
    (index,) = Path(site.instance.root_directory).rglob("index.db")
    texts = "SELECT event FROM event_logs WHERE run_id = ? AND dagster_event_type = ?"
    with contextlib.closing(sqlite3.connect(index)) as database:
        rows = database.execute(texts, [result.run_id, kind]).fetchall()
    return [len(text.replace(str(site.store), "").encode()) for (text,) in rows]


def _materialized(site: Site) -> list[Any]:
    return [
        record
        for name in ("sales", "total")
        for record in site.instance.fetch_materializations(dg.AssetKey(name), limit=1).records
    ]


def test_date_that_does_not_pass_fails_alone_and_the_others_go_on(site: Site) -> None:
    result = site.run("2026-01-03", "2026-01-06", least=5)
    assert not result.success
    assert set(events(result)) == {
        (name, day) for name in ("sales", "total") for day in ("2026-01-05", "2026-01-06")
    }
    assert failure(result).startswith(
        "2 of 4 dates failed, the others are done:\n  2026-01-03: sales of 2026-01-03 must pass its"
        " checks before anything is made of it, but does not pass 'enough': there must be 5 rows,"
        " but there are 3."
    )
    assert found(result) == {
        **{("enough", f"2026-01-0{day}"): day >= 5 for day in range(3, 7)},
        **{("values", f"2026-01-0{day}"): True for day in range(3, 7)},
        **{("grows", f"2026-01-0{day}"): True for day in (5, 6)},
    }
    assert statuses(site, ENOUGH) == {
        f"2026-01-0{day}": "SUCCEEDED" if day >= 5 else "FAILED" for day in range(3, 7)
    }
    missing = site.run("2026-01-03", selection=("total",), least=5)
    assert "must pass its checks" in failure(missing)
    assert site.run("2026-01-03", "2026-01-06").success
    assert statuses(site, ENOUGH) == {f"2026-01-0{day}": "SUCCEEDED" for day in range(3, 7)}
    # The materialization of the date that fails is still the one of fewer rows, and no other.
    others = site.run("2026-01-03", "2026-01-04", more=1, least=5).get_asset_check_evaluations()
    judged = {
        e.partition: str(e.metadata["judged"].value) for e in others if "judged" in e.metadata
    }
    assert list(judged) == ["2026-01-03"]
    assert judged["2026-01-03"].endswith("materialization that this is shown with is of another")
    assert statuses(site, ENOUGH)["2026-01-03"] == "FAILED"


def test_single_date_that_does_not_pass_shows_its_artifact_and_why(site: Site) -> None:
    result = site.run("2026-01-04", least=5)
    assert not result.success
    assert failure(result).startswith("sales of 2026-01-04 must pass its checks")
    assert set(events(result)) == {("sales", "2026-01-04")}
    assert found(result)["enough", "2026-01-04"] is False
    assert statuses(site, ENOUGH) == {"2026-01-04": "FAILED"}


def test_assets_of_others_follow_what_passes_and_not_what_does_not(site: Site) -> None:
    ran = []

    @dg.asset(partitions_def=DAILY, backfill_policy=dg.BackfillPolicy.single_run(), deps=["sales"])
    def report(context: dg.AssetExecutionContext) -> None:
        ran.extend(context.partition_keys)

    assert site.run("2026-01-05", None, report).success
    assert not site.run("2026-01-04", None, report, least=5).success
    assert site.run("2026-01-05", "2026-01-06", report, most=1).success
    assert ran == ["2026-01-05", "2026-01-05", "2026-01-06"]


def test_checks_alone_judge_what_is_published_and_make_nothing(site: Site) -> None:
    job = dg.define_asset_job("ask", dg.AssetSelection.checks(ENOUGH))
    defs = dg.Definitions.merge(site.defs, dg.Definitions(jobs=[job]))
    ask = defs.resolve_job_def("ask")

    def asked_for(last: str | None = None, **limits: int) -> dg.ExecuteInProcessResult:
        one, several = {"dagster/partition": "2026-01-05"}, range_of("2026-01-04", str(last))
        return ask.execute_in_process(
            run_config={
                "resources": {"params": {"config": {"limits": limits}}},
                "loggers": QUIET,
            },
            instance=site.instance,
            tags=several if last else one,
            raise_on_error=False,
        )

    assert "must be published" in failure(asked_for())
    site.run("2026-01-05")
    checked.asked()
    again = asked_for()
    assert again.success
    assert found(again) == {("enough", "2026-01-05"): True}
    assert not asked_for(least=9).success
    assert events(again) == {}
    assert checked.asked() == ["enough", "values"]
    # A date of which nothing is published fails alone.
    site.run("2026-01-06")
    several = asked_for("2026-01-06")
    assert failure(several).startswith(
        "1 of 3 dates failed, the others are done:\n  2026-01-04: 'sales' must be published"
    )
    assert found(several) == {("enough", f"2026-01-0{day}"): True for day in (5, 6)}


def test_pipeline_without_partitions_has_checks_without(tmp_path: Path) -> None:
    import ml_pipeline as mp

    pipeline = mp.Pipeline("flat", mp.ParamModel())

    @pipeline.asset
    def three() -> int:
        return 3

    @pipeline.asset_check(three, blocking=True)
    def is_three(three: int) -> bool:
        return three == 3

    @pipeline.asset_check("three")
    def is_four(three: int) -> bool:
        return three == 4

    location = code_location(pipeline, None, lambda: str(tmp_path / "store"))
    with temporary_instance(tmp_path / "instance") as instance:
        job = location.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, run_config={"loggers": QUIET})
    assert result.success
    assert found(result) == {("is_three", None): True, ("is_four", None): False}


def test_checks_of_partitions_without_one_are_refused_in_words(site: Site) -> None:
    defs = dg.Definitions.merge(
        site.defs,
        dg.Definitions(jobs=[dg.define_asset_job("ask", dg.AssetSelection.checks(ENOUGH))]),
    )
    result = defs.resolve_job_def("ask").execute_in_process(
        instance=site.instance, raise_on_error=False, run_config={"loggers": QUIET}
    )
    assert "must be asked for a partition, but this run has none" in failure(result)


def test_materialization_of_a_partition_is_found_by_the_private_name(site: Site) -> None:
    key = dg.AssetKey("sales")
    assert private_checks.checked_materialization(site.instance, key, "2026-01-05") is None
    site.run("2026-01-05")
    site.run("2026-01-06")
    found = private_checks.checked_materialization(site.instance, key, "2026-01-05")
    (newest,) = site.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=["2026-01-05"]), limit=1
    ).records
    assert found is not None
    assert (found.data.storage_id, found.data.run_id) == (newest.storage_id, newest.run_id)
