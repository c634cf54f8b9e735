"""What Dagster provides to stages, in real runs: resources, the context, assets that are no stages.

The pipeline is `toys/asking.py`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.hosts import WithInstance
from ml_pipeline.errors import ArtifactMissing, PipelineError
from ml_pipeline.runs.decisions import Decision
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import OtherAsset
from ml_pipeline_tests.toys import asking
from ml_pipeline_tests.toys.asking import DAY, PIPELINE, noted
from ml_pipeline_tests.toys.asking_site import WARNINGS, Site, asking_site
from ml_pipeline_tests.toys.dagster_site import QUIET, events, failure

pytestmark = [pytest.mark.long, *WARNINGS]

NEXT = "2026-01-06"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with asking_site(tmp_path, monkeypatch) as site:
        yield site


def reasons(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    assert result.success, failure(result)
    return {
        name: str(made.metadata["reason"].value).partition(" (")[0].partition(": run ")[0]
        for (name, _), made in events(result).items()
        if "reason" in made.metadata
    }


def test_stage_gets_what_it_asks_for_and_is_reused_while_that_is_the_same(site: Site) -> None:
    dg.Definitions.validate_loadable(asking.defs(site.folder))
    site.upstream(DAY, prices=5, rates=2)
    result = site.run("table", "score")
    assert reasons(result) == {
        "table": "table: computed: nothing is published yet",
        "score": "score: computed: nothing is published yet",
    }
    made = events(result)
    assert made["score", DAY].metadata["sum"].value == (4 + 3) * 2 * (5 + 1)
    assert noted("said") == [f"{DAY} table"]
    assert noted("shop") == ["open", "load bank/rates", "closed"]
    (record,) = site.records()
    rates = record.others["bank/rates"]
    assert record.others["prices"] == OtherAsset(partition=DAY, version="5")
    assert rates.partition is None
    tags = made["table", DAY].tags
    assert tags["dagster/input_data_version/prices"] == "5"
    assert tags["dagster/input_data_version/bank/rates"] == rates.version
    # The same version from another run of upstream is the same input; nothing is loaded.
    assert site.run("prices").success
    assert reasons(site.run("table", "score")) == {
        "table": "table: reused",
        "score": "score: reused",
    }
    assert noted("shop") == ["open", "closed"]
    assert noted("said") == []


def test_new_version_of_an_asset_upstream_is_a_new_revision_that_says_why(site: Site) -> None:
    site.upstream(DAY)
    assert site.run("table", "score").success
    site.upstream(prices=1, rates=1)
    told = reasons(site.run("table", "score"))
    assert told["table"] == "table: computed: asset bank/rates changed"
    assert told["score"] == "score: reused", "the value is the same"
    site.upstream(DAY, prices=7)
    told = reasons(site.run("table", "score"))
    assert told["table"] == "table: computed: asset bank/rates changed, asset prices changed"
    assert told["score"] == "score: computed: input table changed"
    assert len({record.revision for record in site.records()}) == 3
    assert len({record.run_id for record in site.records()}) == 1


@pytest.mark.parametrize(
    ("days", "rates", "words"),
    [
        ((), True, "'prices' must be materialized before 'table' can read it, but never was. Mat"),
        ((NEXT,), True, rf"'prices' for {DAY} must .* other partitions, such as {NEXT}"),
        ((DAY,), False, "'bank/rates' must be materialized before 'table' can read it"),
    ],
    ids=["never", "another day", "without partitions"],
)
def test_asset_that_is_not_there_is_refused_before_anything_is_computed(
    site: Site, days: Sequence[str], rates: bool, words: str
) -> None:
    for day in days:
        assert site.run("prices", day=day).success
    if rates:
        assert site.run("bank/rates", day=None).success
    with pytest.raises(AssertionError, match=words):
        reasons(site.run("table"))
    assert not noted("said")
    host = WithInstance(site.instance)
    store = ArtifactStore(str(site.folder / "store"))
    with pytest.raises(ArtifactMissing, match=words):
        list(Materializer(PIPELINE, store, host=host).plan(PIPELINE.params.defaults, _day(DAY)))


def test_assets_of_one_run_are_made_before_the_stages_that_read_them(site: Site) -> None:
    assert site.run("bank/rates", day=None).success
    assert site.run("prices", "table", "score").success
    assert site.records()[0].others["prices"].version == "1"


def test_run_of_many_dates_gives_each_its_own_partition_and_fails_the_one_without(
    site: Site,
) -> None:
    site.upstream(DAY, "2026-01-07", prices=3)
    result = site.run("table", "score", until="2026-01-07")
    assert "1 of 3 dates failed, the others are done:" in failure(result)
    assert f"{NEXT}: 'prices' for {NEXT} must be materialized" in failure(result)
    assert noted("said") == [f"{DAY} table", "2026-01-07 table"]
    assert noted("shop").count("open") == 1, "one run, one shop"
    assert {record.others["prices"].partition for record in site.records()} == {DAY, "2026-01-07"}


def test_resource_is_begun_only_where_a_stage_that_takes_it_is_selected(site: Site) -> None:
    site.upstream(DAY)
    assert site.run("alone").success
    assert noted("shop") == []
    assert site.run("table", "score", "alone").success
    assert "open" in noted("shop")
    assert site.run("score").success
    assert noted("shop") == []


def test_config_of_a_resource_is_a_runs_and_no_identity(site: Site) -> None:
    site.upstream(DAY)
    shop = {"shop": {"config": {"folder": str(site.folder), "url": "ab"}}}
    made = events(site.run("table", "score", resources=shop))
    assert made["score", DAY].metadata["sum"].value == (2 + 3) * 2
    assert reasons(site.run("table"))["table"] == "table: reused", "what it holds, reads= tells"
    assert len(site.records()) == 1


@pytest.mark.parametrize(("failures", "attempts"), [(2, 3), (3, 3)])
def test_stage_that_fails_is_tried_again_as_its_policy_says(
    site: Site, failures: int, attempts: int
) -> None:
    site.upstream(DAY)
    (site.folder / "fail").write_text(str(failures))
    result = site.run("table", "score")
    assert len(noted("said")) == attempts
    if failures < attempts:
        # Every attempt has values of its own, whatever the last one has done to them.
        assert events(result)["score", DAY].metadata["sum"].value == 14
        assert "it took 3 attempts" in events(result)["table", DAY].metadata["reason"].value
    else:
        assert failure(result) == "ConnectionError: the shop is busy"


def test_context_has_what_is_the_stages_and_refuses_the_rest(site: Site) -> None:
    seen: dict[str, Any] = {}
    own = asking.Pipeline("watching", PIPELINE.params)

    @own.asset(key_prefix="deep")
    def watch(context: dg.AssetExecutionContext) -> int:
        seen[context.partition_key] = (
            context.asset_key.to_user_string(),
            context.partition_keys,
            str(context.partition_time_window.start.date()),
            context.run.run_id,
            context.has_partition_key,
            context.job_name,
            context.instance is not None,
        )
        if context.partition_key == NEXT:
            context.add_output_metadata({"rows": 1})
        return 1

    defs = asking.code_location(own, asking.DAILY, lambda: str(site.folder / "s"), site.folder)
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={"loggers": QUIET},
        instance=site.instance,
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": DAY,
            "dagster/asset_partition_range_end": NEXT,
        },
    )
    assert seen[DAY] == ("deep/watch", [DAY], DAY, result.run_id, True, "__ASSET_JOB", True)
    assert f"{NEXT}: What a stage takes from its context must be one of" in failure(result)
    assert "takes 'add_output_metadata'" in failure(result)


def test_what_stages_take_is_refused_outside_dagster_before_anything_is_computed(
    site: Site,
) -> None:
    store = ArtifactStore(str(site.folder / "store"))
    with pytest.raises(PipelineError) as refused:
        next(Materializer(PIPELINE, store).run(PIPELINE.params.defaults, _day(DAY)))
    assert str(refused.value) == (
        "What stages take must be there where they are computed, but 'table' takes resource"
        " 'shop', asset 'prices', asset 'bank/rates', the context, which a run in Dagster provides"
        " and this is none. Materialize it in Dagster."
    )
    alone = Materializer(PIPELINE, store).run(PIPELINE.params.defaults, _day(DAY), ["alone"])
    assert next(alone).record.asset == "alone"


def test_plan_of_a_stage_that_reads_others_computes_and_loads_nothing(site: Site) -> None:
    site.upstream(DAY)
    host = WithInstance(site.instance)
    planner = Materializer(PIPELINE, ArtifactStore(str(site.folder / "store")), host=host)
    first, *_ = planner.plan(PIPELINE.params.defaults, _day(DAY))
    assert isinstance(first, Decision)
    assert first.action == "compute"
    assert noted("shop") == []


def _day(text: str) -> Any:
    return asking.date.fromisoformat(text)
