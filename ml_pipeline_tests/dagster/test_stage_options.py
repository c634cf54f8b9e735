"""What a stage may ask for and be told of, as far as that is decided when it is defined."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline import ParamModel, Pipeline, PipelineError, code_location
from ml_pipeline.dagster.arguments import Context, OtherValue, Resource, asked_by
from ml_pipeline_tests.toys.dagster_site import DAILY
from ml_pipeline_tests.toys.pipeline import PARAMS, Data


class Db(dg.ConfigurableResource[Any]):
    """A resource."""

    url: str = "somewhere"


@dg.asset
def prices() -> int:
    return 1


@dg.asset(partitions_def=dg.WeeklyPartitionsDefinition("2026-01-01"))
def weekly() -> int:
    return 1


@dg.multi_asset(specs=[dg.AssetSpec("one"), dg.AssetSpec("two")])
def several() -> Iterator[Any]:
    yield dg.MaterializeResult("one")
    yield dg.MaterializeResult("two")


def pipeline() -> Pipeline:
    made = Pipeline("own", PARAMS)

    @made.asset
    def start(data: Data) -> int:
        return data.rows

    return made


@pytest.mark.parametrize(
    ("annotation", "asked"),
    [
        (Db, Resource("given")),
        (dg.ResourceParam[Db], Resource("given")),
        (dg.ResourceParam[int], Resource("given")),
        (dg.PipesSubprocessClient, Resource("given")),
        (dg.ConfigurableIOManager, Resource("given")),
        (dg.AssetExecutionContext, Context()),
        (int, None),
        (list[int], None),
        ("Db", None),
    ],
    ids=str,
)
def test_argument_is_told_by_its_annotation(annotation: Any, asked: object) -> None:
    assert asked_by("given", annotation, {}) == asked


@pytest.mark.parametrize("annotation", [int, list[int], "int"])
def test_argument_named_in_ins_is_that_asset_whatever_it_is_annotated_with(annotation: Any) -> None:
    kind = annotation if annotation is int else None
    key = dg.AssetKey(["lake", "prices"])
    assert asked_by("given", annotation, {"given": key}) == OtherValue(key, kind)


def yields(data: Data) -> Iterator[int]:
    yield data.rows


async def yields_later(data: Data) -> AsyncIterator[int]:
    yield data.rows


def of_op(context: dg.OpExecutionContext) -> int:
    return 1


def misspelt(strat: int) -> int:
    return strat


def params_resource(params: Db) -> int:
    return 1


def reads(prices: int) -> int:
    return prices


REFUSED: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "generator": (yields, {}, "'yields' must return one value, which is kept, but it yields"),
    "asynchronous generator": (yields_later, {}, "'yields_later' must return one value"),
    "context of an op": (of_op, {}, "annotated with dg.AssetExecutionContext"),
    "misspelt": (misspelt, {}, "Did you mean 'start'?.* named by the option ins"),
    "resource of ours": (params_resource, {}, "'params' is one of pipeline 'own'. Rename"),
    "unknown option": (reads, {"retries": 1}, "there is no 'retries'"),
    "option of Dagster's asset": (
        reads,
        {"check_specs": [], "partitions_def": None},
        r"'check_specs'. A check is .* There is no 'partitions_def'. code_location takes",
    ),
    "ins of no argument": (reads, {"ins": {"price": prices}}, r"Did you mean 'prices'\?"),
    "ins of a stage": (misspelt, {"ins": {"strat": "start"}}, "Call the argument start"),
    "several assets": (reads, {"ins": {"prices": several}}, "one asset, its spec or its key"),
    "mapping": (
        reads,
        {"ins": {"prices": dg.AssetIn("p", partition_mapping=dg.LastPartitionMapping())}},
        "a partition_mapping is not taken",
    ),
    "no asset": (reads, {"ins": {"prices": 7}}, "one asset, its spec or its key, but is 7"),
    "dep of nothing": (misspelt, {"deps": [reads]}, "must be a stage before it or one asset"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_stage_that_dagster_could_not_serve_is_refused_when_defined(case: str) -> None:
    function, options, words = REFUSED[case]
    with pytest.raises(PipelineError, match=words):
        pipeline().asset(**options)(function)


def test_stages_of_two_pools_are_refused(tmp_path: Path) -> None:
    own = pipeline()
    own.asset(pool="gpu")(nobody)
    with pytest.raises(PipelineError, match=r"names 'gpu' and 'reads' names 'shop'\. Name"):
        own.asset(pool="shop", ins={"prices": prices})(reads)


def nobody() -> int:
    return 1


def test_upstream_with_other_partitions_is_refused_when_the_location_is_made(
    tmp_path: Path,
) -> None:
    own = pipeline()
    own.asset(ins={"prices": weekly})(reads)
    with pytest.raises(PipelineError, match="'reads' reads 'weekly', which has Weekly"):
        code_location(own, DAILY, lambda: str(tmp_path), tmp_path)


def test_stage_told_everything_shows_it_in_dagster(tmp_path: Path) -> None:
    own = pipeline()
    eager = dg.AutomationCondition.eager()
    fresh = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=2))

    @own.asset(
        ins={"price": dg.AssetIn(["lake", "price"])},
        deps=[prices, "start", dg.AssetKey("elsewhere"), dg.AssetSpec(["a", "b"])],
        metadata={"owner_page": "wiki"},
        pool="gpu",
        automation_condition=eager,
        freshness_policy=fresh,
        retry_policy=dg.RetryPolicy(max_retries=3),
        tags={"tier": "gold"},
    )
    def told(price: int, db: Db, context: dg.AssetExecutionContext) -> int:
        return price

    stage = own.stage("told")
    assert stage.upstream == ("start",)
    assert stage.others == ("lake/price", "prices", "elsewhere", "a/b")
    assert stage.scope == ("data",)
    (made,) = code_location(own, DAILY, lambda: str(tmp_path), tmp_path).assets or ()
    assert isinstance(made, dg.AssetsDefinition)
    spec = made.specs_by_key[dg.AssetKey("told")]
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == {"start", *stage.others}
    assert spec.automation_condition == eager
    assert spec.freshness_policy == fresh
    assert spec.metadata["owner_page"] == "wiki"
    assert spec.metadata["parameter_groups"] == "data"
    assert spec.tags["tier"] == "gold"
    assert made.op.pool == "gpu"
    assert made.op.required_resource_keys == {"own_io", "db"}
    part = made.subset_for({dg.AssetKey("start")}, None)
    assert part.op.pool is None
    assert part.op.required_resource_keys == {"own_io"}


def test_stage_named_as_a_dep_by_its_function_counts_and_is_no_argument() -> None:
    own = Pipeline("own", ParamModel(data=Data))

    @own.asset
    def first(data: Data) -> int:
        return data.rows

    @own.asset(deps=[first])
    def second() -> int:
        return 1

    assert own.stage("second").upstream == ("first",)
    assert own.stage("second").scope == ("data",)


@pytest.mark.parametrize(
    ("policy", "error", "waits"),
    [
        (None, OSError(), [None]),
        (dg.RetryPolicy(max_retries=2), OSError(), [0, 0, None]),
        (dg.RetryPolicy(2, delay=3, backoff=dg.Backoff.EXPONENTIAL), OSError(), [3, 9, None]),
        (dg.RetryPolicy(max_retries=2), dg.Failure("no", allow_retries=False), [None]),
        (dg.RetryPolicy(max_retries=1), dg.Failure("no"), [0, None]),
        (None, dg.RetryRequested(max_retries=2, seconds_to_wait=7), [7, 7, None]),
    ],
    ids=["none", "plain", "growing", "failure for good", "failure", "asked for by the stage"],
)
def test_policy_of_a_stage_tells_when_it_is_tried_again(
    policy: dg.RetryPolicy | None, error: Exception, waits: list[float | None]
) -> None:
    own = pipeline()
    own.asset(retry_policy=policy)(nobody)
    retry = own.stage("nobody").extras.retry
    assert [retry(error, attempt) for attempt in range(1, len(waits) + 1)] == waits


@pytest.mark.parametrize(
    "value",
    [
        dg.Output(1),
        dg.MaterializeResult(),
        iter([1]),
        (row for row in [1]),
        dg.AssetCheckResult(passed=True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_that_is_none_to_keep_is_refused_with_what_to_return(value: object) -> None:
    with pytest.raises(PipelineError, match=r"'start' must return .*value, which is kept.* Return"):
        pipeline().result_of("start", value)
