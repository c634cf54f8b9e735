"""A pipeline in a code location that has other things: neither changes the other."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.run_request import requested_run
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import Objective
from ml_pipeline_tests.toys import asking
from ml_pipeline_tests.toys.dagster_site import DAILY, DAY, QUIET, temporary_instance

UNTIL = "2026-01-06"


class Size(ParamGroup):
    """How much."""

    rows: int = 2


class Wish(dg.Config):
    """What somebody else's op or asset takes."""

    times: int = 1


class Kept(dg.InMemoryIOManager):
    """An IO manager of somebody else."""


def pipeline(name: str, prefixed: bool) -> Pipeline:
    made = Pipeline(name, ParamModel(size=Size), prefixed=prefixed)

    @made.asset(objective=Objective(metric="height", direction="maximize"), key_prefix=name)
    def score(as_of: date, size: Size) -> Result:
        return Result({"rows": size.rows}, metrics={"height": size.rows})

    return made


# Worker processes of sweeps find pipelines by the names that they have in their module.
HOUSES = pipeline("houses", prefixed=False)
APART = pipeline("houses", prefixed=True)
BOATS = pipeline("boats", prefixed=True)


def location(of: Pipeline, folder: Path) -> dg.Definitions:
    return code_location(
        of, DAILY, lambda: str(folder / of.name), folder, studies=lambda: str(folder / "studies")
    )


@dg.op
def greet(config: Wish) -> int:
    return config.times


@dg.job
def greeting() -> None:
    greet()


@dg.asset
def plain(config: Wish) -> int:
    return config.times


@dg.asset(name="leaderboard")
def their_leaderboard() -> int:
    return 1


@dg.asset(name="sweep")
def their_sweep() -> int:
    return 1


def theirs(**resources: Any) -> dg.Definitions:
    return dg.Definitions(
        assets=[plain],
        jobs=[greeting],
        resources={"io_manager": Kept(), **resources},  # type: ignore[no-untyped-call]
    )


OTHERS: Mapping[str, tuple[bool, dg.Definitions]] = {
    "jobs, ops with config, assets and an io_manager": (False, theirs()),
    "an executor": (False, dg.Definitions(assets=[plain], executor=dg.multiprocess_executor)),
    "a resource called params": (True, theirs(params=dg.ResourceDefinition.hardcoded_resource(7))),
    "assets called leaderboard and sweep": (
        True,
        dg.Definitions(assets=[plain, their_leaderboard, their_sweep]),
    ),
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path_factory.mktemp("dagster") / "instance") as instance:
        yield instance


def ran(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    config: Mapping[str, Any],
    selection: list[dg.AssetKey] | None = None,
    until: str | None = None,
    day: str | None = DAY,
) -> dg.ExecuteInProcessResult:
    return job.execute_in_process(
        run_config={"loggers": QUIET, **config},
        instance=instance,
        asset_selection=selection,
        partition_key=None if until else day,
        tags={
            "dagster/asset_partition_range_start": str(day),
            "dagster/asset_partition_range_end": until,
        }
        if until
        else {},
    )


def check(defs: dg.Definitions, of: Pipeline, instance: dg.DagsterInstance) -> None:
    """Run the pipeline by the job of all assets, over several dates, and by its own job."""
    asked = requested_run(of, of.params.parse({"rows": 3}), [date.fromisoformat(DAY)])
    before = f"{of.name}_" if of.is_prefixed else ""
    assert asked.config == {} or list(asked.config["resources"]) == [f"{before}params"]
    config = {"resources": {f"{before}params": {"config": {"size": {"rows": 3}}}}}
    keys = [dg.AssetKey([of.name, "score"])]
    every = defs.resolve_implicit_global_asset_job_def()
    runs = [
        ran(every, instance, config, keys),
        ran(every, instance, config, keys, until=UNTIL),
        ran(defs.resolve_job_def(f"{before}run_pipeline"), instance, config),
    ]
    for result, days in zip(runs, (1, 2, 1), strict=True):
        made = [event.materialization for event in result.get_asset_materialization_events()]
        assert [one.metadata["height"].value for one in made] == [3] * days
    swept = {"resources": {f"{before}sweep": {"config": {"size": {"rows": "1,2"}}}}}
    if of.is_prefixed:  # Other tests sweep under the plain name, and workers take seconds.
        assert ran(every, instance, swept, [dg.AssetKey(f"{before}sweep")]).success
    assert ran(every, instance, {}, [dg.AssetKey(f"{before}leaderboard")], day=None).success
    bad = {"resources": {f"{before}params": {"config": {"size": {"rows": "many"}}}}}
    with pytest.raises(ParamsError, match="rows must be integer"):
        ran(every, instance, bad, keys)


@pytest.mark.parametrize("row", OTHERS)
def test_pipeline_merged_with_others_runs_and_leaves_them_as_they_were(
    tmp_path: Path, instance: dg.DagsterInstance, row: str
) -> None:
    prefixed, others = OTHERS[row]
    of = APART if prefixed else HOUSES
    defs = dg.Definitions.merge(location(of, tmp_path), others)
    dg.Definitions.validate_loadable(defs)
    assert defs.executor is others.executor
    assert (defs.resources or {}).get("io_manager") is (others.resources or {}).get("io_manager")
    check(defs, of, instance)
    job = defs.resolve_implicit_global_asset_job_def()
    config = {"ops": {"plain": {"config": {"times": 4}}}}
    result = ran(job, instance, config, [dg.AssetKey("plain")], day=None)
    assert result.output_for_node("plain") == 4
    assert not (tmp_path / "houses" / "plain").exists()


def test_two_pipelines_in_one_location_run_side_by_side(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    first, second = HOUSES, BOATS
    defs = dg.Definitions.merge(location(first, tmp_path), location(second, tmp_path))
    dg.Definitions.validate_loadable(defs)
    check(defs, first, instance)
    check(defs, second, instance)


def test_config_of_somebody_elses_unselected_asset_is_let_pass(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    of = HOUSES
    defs = dg.Definitions.merge(location(of, tmp_path), theirs())
    job = defs.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(["houses", "score"])]
    others = {"ops": {"plain": {"config": {"times": 4}}}, "resources": {"warehouse": {}}}
    assert ran(job, instance, others, keys).success
    with pytest.raises(ParamsError, match=r"'ops: leaderbord' does not exist. Did you mean"):
        ran(job, instance, {"ops": {"leaderbord": {}}}, keys)


@pytest.mark.parametrize(
    ("partitions", "key"),
    [
        (dg.WeeklyPartitionsDefinition("2026-01-01", end_date="2026-03-01"), "2026-01-04"),
        (dg.MonthlyPartitionsDefinition("2026-01-01", end_date="2026-03-01"), "2026-02-01"),
        (dg.StaticPartitionsDefinition(["2026-01-05", "2026-01-09"]), "2026-01-09"),
    ],
)
def test_partitions_that_a_date_names_are_made_as_of_it(
    tmp_path: Path,
    instance: dg.DagsterInstance,
    partitions: dg.PartitionsDefinition[str],
    key: str,
) -> None:
    of = HOUSES
    defs = code_location(of, partitions, lambda: str(tmp_path), tmp_path)
    job = defs.resolve_implicit_global_asset_job_def()
    result = ran(job, instance, {}, [dg.AssetKey(["houses", "score"])], day=key)
    (made,) = (event.materialization for event in result.get_asset_materialization_events())
    assert made.partition == key
    run_id = of.run_slot(of.params.defaults, date.fromisoformat(key)).run_id
    assert made.metadata["run_id"].value == run_id


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Parameter `data_version`")
@pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")
def test_pipeline_that_takes_what_others_have_runs_beside_one_that_takes_nothing(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKING_HOME", str(tmp_path))
    keeps = {"io_manager": dg.FilesystemIOManager(base_dir=str(tmp_path / "kept"))}
    defs = dg.Definitions.merge(
        location(APART, tmp_path),
        asking.defs(tmp_path),
        dg.Definitions(assets=[plain], jobs=[greeting], resources=keeps),
    )
    dg.Definitions.validate_loadable(defs)
    check(defs, APART, instance)
    assert asking.noted("shop") == [], "nobody has asked for the shop"
    every = defs.resolve_implicit_global_asset_job_def()
    assert ran(every, instance, {}, [dg.AssetKey(["bank", "rates"])], day=None).success
    for day in (DAY, UNTIL):
        assert ran(every, instance, {}, [dg.AssetKey("prices")], day=day).success
    config = {"resources": {"params": {"config": {"size": {"rows": 3}}}}}
    keys = [dg.AssetKey(name) for name in ("table", "score")]
    runs = [
        ran(every, instance, config, keys),
        ran(every, instance, config, keys, until=UNTIL),
        ran(defs.resolve_job_def("run_pipeline"), instance, config, keys),
    ]
    reused = [
        [event.materialization.metadata["reused"].value for event in events]
        for events in (result.get_asset_materialization_events() for result in runs)
    ]
    assert reused == [[False] * 2, [True] * 2 + [False] * 2, [True] * 2]
    assert asking.noted("said") == [f"{DAY} table", f"{UNTIL} table"]
    assert {"shop", "lake", "houses_params", "params"} <= set(every.resource_defs)
    swept = {"resources": {"sweep": {"config": {"size": {"rows": "3,4"}}}}}
    assert ran(every, instance, swept, [dg.AssetKey("sweep")]).success
    assert asking.noted("said") == [f"{DAY} table"], "one of two trials is a run"
    misspelt = {"resources": {"parms": {"config": {}}, "shop": {"config": {}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="Missing required config"):
        ran(every, instance, misspelt, keys)
    with pytest.raises(ParamsError, match=r"'resources: parms' does not exist. Did you mean"):
        ran(every, instance, {"resources": {"parms": {"config": {}}}}, keys)
