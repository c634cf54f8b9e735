"""Sweeps as Dagster runs them: refused before they start, over many dates, their metadata."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.dagster.sweep_asset import listening
from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.request_document import requested_sweep
from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import Record
from ml_pipeline.sweeps.attempts import SweepProgress
from ml_pipeline.sweeps.combinations import combine
from ml_pipeline.sweeps.plan import Plan
from ml_pipeline.sweeps.swept import Swept
from ml_pipeline_tests.toys import sweeps as toy
from ml_pipeline_tests.toys.dagster_site import DAILY, QUIET, events, failure, temporary_instance
from ml_pipeline_tests.toys.sweep_bench import Bench, days

DAY = "2026-01-01"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path_factory.mktemp("dagster") / "instance") as made:
        yield made


@dataclass(frozen=True)
class Site:
    """The toy pipeline as a code location."""

    bench: Bench
    instance: dg.DagsterInstance
    partitions: dg.PartitionsDefinition[str] | None = DAILY

    @property
    def defs(self) -> dg.Definitions:
        return code_location(
            toy.PIPELINE,
            self.partitions,
            lambda: self.bench.store.uri,
            Path(__file__).parent,
            studies=lambda: str(self.bench.studies),
        )

    def run(
        self,
        day: str | None = DAY,
        *,
        until: str | None = None,
        resources: Any = None,
        ops: Any = None,
        tags: dict[str, str] | None = None,
        **values: Any,
    ) -> dg.ExecuteInProcessResult:
        config = {"sweep": {"config": self.bench.values(**values)}}
        dates = {
            "dagster/asset_partition_range_start": str(day),
            "dagster/asset_partition_range_end": str(until),
        }
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"resources": resources or config, "ops": ops or {}, "loggers": QUIET},
            instance=self.instance,
            partition_key=None if until else day,
            raise_on_error=False,
            asset_selection=[dg.AssetKey("sweep")],
            tags={**(tags or {}), **(dates if until else {})},
        )

    def records(self, asset: str = "model") -> list[Record]:
        found = (self.bench.store.read_record(d) for d in self.bench.store.directories(asset))
        return [record for record in found if record is not None]


@pytest.fixture
def site(bench: Bench, instance: dg.DagsterInstance) -> Site:
    return Site(bench, instance)


def shown(result: dg.ExecuteInProcessResult, day: str | None = DAY) -> dict[str, Any]:
    assert result.success, failure(result)
    metadata = events(result)["sweep", day].metadata
    return {name: value.value for name, value in metadata.items()}


# One run


def test_sweep_of_one_date_tells_plan_and_best(site: Site) -> None:
    result = site.run(learning_rate="0.1,0.2", depth=[3, 4])
    metadata = shown(result)
    assert metadata["plan"].startswith("4 combinations x 1 date: 0 reused, 4 to run")
    assert metadata["trials"] == 4
    assert metadata["failed"] == 0
    assert metadata["best"] == {"learning_rate": 0.1, "depth": 4}
    assert metadata["best_loss"] == pytest.approx(0.011)
    assert (site.bench.studies / f"{metadata['study']}.log").exists()
    run = site.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["ml_pipeline/sweep"] == metadata["study"]
    assert run.tags["ml_pipeline/region"] == "north"


def test_sweep_records_the_run_and_where_values_came_from(site: Site) -> None:
    result = site.run(learning_rate="0.1,0.2", depth=5, tags={"dagster/from_ui": "true"})
    assert result.success
    assert len(site.records()) == 2
    for record in site.records():
        assert record.provenance.dagster_run_id == result.run_id
        assert record.origins["fit.learning_rate"] == "sweep"
        assert record.origins["fit.depth"] == "launchpad"


def test_sweep_and_the_assets_themselves_find_what_the_other_made(site: Site) -> None:
    assert site.run(depth="1,2").success
    site.bench.calls()
    params = {"around": {"home": str(site.bench.home)}, "fit": {"depth": 2}}
    result = site.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={"resources": {"params": {"config": params}}, "loggers": QUIET},
        instance=site.instance,
        partition_key=DAY,
        asset_selection=[dg.AssetKey(name) for name in toy.PIPELINE.stages],
    )
    assert all(event.metadata["reused"].value for event in events(result).values())
    assert site.bench.calls() == []
    assert shown(site.run(depth="2,1"))["plan"] == ("2 combinations x 1 date: 2 reused, 0 to run")


def test_sweep_over_a_range_is_one_run_with_every_date(site: Site) -> None:
    result = site.run(until="2026-01-03", learning_rate="0.1,0.2", on_day=2, act="compute,fail")
    assert result.success, failure(result)
    made = events(result)
    assert list(made) == [("sweep", str(day)) for day in days(3)]
    for (_, day), event in made.items():
        rows = event.metadata["at_this_date"].value
        assert str(rows).count("RuntimeError: told to fail") == (2 if day == "2026-01-02" else 0)
    for event in made.values():
        assert event.metadata["trials"].value == 4
        assert event.metadata["failed"].value == 2
        assert event.metadata["failures"].value == {
            "RuntimeError: told to fail": ["trial 1 at 2026-01-02", "trial 3 at 2026-01-02"]
        }
        assert "leaderboard" not in event.metadata
        assert len(dg.serialize_value(event)) < 12_000
    (told,) = [e for e in result.all_events if e.event_type_value == "ASSET_OBSERVATION"]
    seen = told.asset_observation_data.asset_observation.metadata
    assert "0.1" in str(seen["leaderboard"].value)
    assert seen["report"] == made["sweep", "2026-01-01"].metadata["report"]
    assert "<html" in Path(str(seen["report"].value)).read_text()


def test_sweep_without_partitions(bench: Bench, instance: dg.DagsterInstance) -> None:
    result = Site(bench, instance, None).run(None, depth="1,2,4")
    assert shown(result, None)["best"] == {"depth": 4}


def test_sweep_whose_cells_all_fail_fails(site: Site) -> None:
    result = site.run(depth="1,2", act="fail")
    assert failure(result) == "All 2 cells failed: RuntimeError: told to fail"


def test_sweep_that_ran_out_of_time_says_so(site: Site) -> None:
    result = site.run(depth="range(1,9)", search={"timeout_s": 1e-9})
    assert shown(result)["stopped"] == "the time limit is reached"


def test_sweep_by_search_in_the_launchpad_with_all_defaults_filled_in(site: Site) -> None:
    search = {
        "n_trials": 4,
        "trials": [],
        "max_trials": 1000,
        "skip_invalid": False,
        "sampler_seed": 0,
        "pruner": "none",
    }
    defaults = toy.PARAMS.defaults.values(["data", "fit"])
    config = site.bench.values(search=search)
    config = {**config, **defaults, "fit": {**defaults["fit"], "depth": "[1..9]"}}
    result = site.run(resources={"sweep": {"config": config}})
    assert shown(result)["plan"].startswith("4 trials by tpe x 1 date")


def test_sweep_is_followed_by_who_listens(site: Site) -> None:
    heard: list[Any] = []

    class Listener:
        output = site.bench.log

        def planned(self, plan: Plan) -> None:
            heard.append(plan)

        def progressed(self, progress: SweepProgress) -> None:
            heard.append(progress)

        def noticed(self, line: str) -> None:
            heard.append(line)

        def finished(self, swept: Swept, board: Leaderboard) -> None:
            heard.extend((swept, board))

    with listening(Listener()):
        site.run(depth="1,2", act="print")
    assert [type(one) for one in heard] == [Plan, SweepProgress, SweepProgress, Swept, Leaderboard]
    assert "a stage printed this" in site.bench.log.read_text()


# Refused before there is a run


def refused(site: Site, **given: Any) -> tuple[str, ...]:
    before = site.instance.get_runs_count()
    with pytest.raises(ParamsError) as caught:
        site.run(**given)
    assert site.instance.get_runs_count() == before
    assert list(site.bench.folder.iterdir()) == [site.bench.home]
    return caught.value.problems


def test_sweep_with_problems_is_refused_with_all_of_them_before_a_run_exists(site: Site) -> None:
    config = {"fit": {"depht": "1,2", "learning_rate": "log(0,1,2)"}, "search": {"strategy": "x"}}
    told = refused(site, resources={"sweep": {"config": config}})
    assert told == (
        (
            "search.strategy must be one of grid, random, tpe, qmc, gp, cmaes, nsga2 or none, but"
            " got 'x'"
        ),
        "'fit.depht' does not exist. Did you mean 'depth'?",
        (
            "fit.learning_rate=log(0,1,2): a logarithmic scale has only numbers above 0; type"
            " log(first,last,count)"
        ),
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"depth": "0,1"}, "fit.depth must be integer >= 1 and <= 64, but got '0'"),
        ({"depth": "range(1,60)", "rows": "range(50,90)"}, "a sweep may have at most 1000"),
        ({"region": "north,south", "depth": "[1..3]"}, "a search needs one objective"),
        ({"colour": "a,b"}, "unused.colour cannot be swept"),
        ({"learning_rate": "[0..1]"}, "fit.learning_rate must be number > 0"),
        ({"learning_rate": "range(-1e308,1e308)"}, "fit.learning_rate must have at most 100,000"),
        ({"depth": "1,2", "search": {"n_trials": 4}}, "search.n_trials has no effect where every"),
        ({"depth": "1,2", "search": {"direction": "minimize"}}, "search.direction has no effect"),
    ],
)
def test_sweep_that_cannot_be_run_is_refused_before_a_run_exists(
    site: Site, values: dict[str, Any], told: str
) -> None:
    (problem,) = refused(site, **values)
    assert problem.startswith(told)


def test_sweep_whose_dates_leave_an_option_without_effect_says_so_in_its_run(site: Site) -> None:
    result = site.run(depth="[1..4]", search={"pruner": "median"})
    assert not result.success
    told = failure(result)
    assert "search.pruner=median has no effect on one date" in told
    assert "The run computed nothing." in told
    assert "Nothing was launched" not in told
    assert site.bench.calls() == []


def test_sweep_with_unknown_run_config_starts_nobody(site: Site) -> None:
    result = site.run(resources={"sweep": {"config": {}}, "swep": {}})
    assert not result.success
    assert site.bench.calls() == []


# Doors


def test_requested_sweep_is_what_the_launchpad_would_ask_for(site: Site) -> None:
    asked = requested_sweep(toy.PIPELINE, site.bench.request(depth="1,2"), days(2))
    assert asked.assets == ["sweep"]
    assert asked.partition_key is None
    result = site.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={**asked.config, "loggers": QUIET},
        instance=site.instance,
        asset_selection=[dg.AssetKey(path) for path in asked.asset_paths],
        tags=dict(asked.tags),
    )
    assert [day for _, day in events(result)] == [str(day) for day in days(2)]


def test_requested_sweep_expands_once_and_validates_every_combination_once(site: Site) -> None:
    """Dagster builds the resource several times: the request that was read is found again."""
    counted = {combine.__code__: 0, ParamModel.validate.__code__: 0}

    def count(frame: Any, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code in counted:
            counted[frame.f_code] += 1

    sys.setprofile(count)
    try:
        asked = requested_sweep(
            toy.PIPELINE, site.bench.request(depth="1,2,3", rows="50,60"), days(1)
        )
        result = site.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={**asked.config, "loggers": QUIET},
            instance=site.instance,
            asset_selection=[dg.AssetKey(path) for path in asked.asset_paths],
            partition_key=asked.partition_key,
            tags=dict(asked.tags),
        )
    finally:
        sys.setprofile(None)
    assert result.success
    # Six combinations, and the section `search`.
    assert list(counted.values()) == [1, 6 + 1]
    assert {record.origins["fit.depth"] for record in site.records()} == {"sweep"}


def test_code_location_of_a_pipeline_without_an_objective_has_no_sweep() -> None:
    pipeline = Pipeline("plain", toy.PARAMS)
    pipeline.asset(code_version="1")(toy.table)
    location = code_location(pipeline, DAILY, lambda: "", Path(__file__).parent)
    assert [key.to_user_string() for key in location.resolve_all_asset_keys()] == ["table"]
