"""Config that has no effect on a run is refused, whatever assets the run makes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap
from pydantic import Field

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.launch.names import JOB
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline_tests.toys import sweeps as toy
from ml_pipeline_tests.toys.dagster_site import DAILY, DAY, temporary_instance

SINGLE = {"params": {"config": {"fit": {"learning_rate": 0.2}}}}
MANY = {"sweep": {"config": {"fit": {"learning_rate": "0.1,0.2"}, "search": {"n_trials": 3}}}}


class What(ParamGroup):
    """What to make."""

    kind: Literal["plain", "fancy"] = Field("plain", description="which one")
    size: float = Field(1.0, description="how large")
    word: str = Field("a", description="what to say")
    lid: Literal["plain", "fancy"] = Field("plain", description="which one goes on top")


PIPELINE = Pipeline("choosing", ParamModel(what=What))


@PIPELINE.asset
def thing(what: What) -> dict[str, Any]:
    return what.model_dump()


@dataclass(frozen=True)
class Site:
    """The toy pipeline that can be swept, in a folder."""

    folder: Path
    instance: dg.DagsterInstance
    others: dg.Definitions

    def run(self, select: str, **config: Any) -> dg.ExecuteInProcessResult:
        folder = self.folder
        own = code_location(toy.PIPELINE, DAILY, lambda: str(folder / "store"), folder)
        defs = dg.Definitions.merge(own, self.others)
        return defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config=config,
            instance=self.instance,
            partition_key=None if select == "leaderboard" else DAY,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(select)],
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "home").mkdir()
    with temporary_instance(tmp_path / "instance") as instance:
        yield Site(tmp_path, instance, dg.Definitions())


def refusal(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    (event,) = result.filter_events(lambda event: event.event_type_value == "PIPELINE_FAILURE")
    return str(event.job_failure_data.error.message)  # type: ignore[union-attr]


def test_sweep_block_of_a_single_run_is_refused(site: Site) -> None:
    told = refusal(site.run("table", resources=MANY))
    assert told.startswith(
        "ml_pipeline.errors.ParamsError: 'resources: sweep' must be read by a selected asset, but"
        " none does, and it sets fit.learning_rate, search.n_trials: leave them out or put them"
        " under 'resources: params'\nThe run has done nothing."
    )
    assert not (site.folder / "store").exists()


@pytest.mark.parametrize("asset", ["sweep", "leaderboard"])
def test_params_block_that_nobody_reads_is_refused(site: Site, asset: str) -> None:
    told = refusal(site.run(asset, resources=SINGLE))
    assert "'resources: params' must be read by a selected asset, but none does" in told
    assert "it sets fit.learning_rate" in told


def test_sweep_block_beside_the_leaderboard_is_refused(site: Site) -> None:
    assert "'resources: sweep' must be read" in refusal(site.run("leaderboard", resources=MANY))


def test_block_of_defaults_that_the_launchpad_fills_in_is_let_pass(site: Site) -> None:
    filled: dict[str, Any] = {
        "sweep": {"config": {"fit": {"learning_rate": 0.1}, "search": {"n_trials": 20}}}
    }
    filled["params"] = {"config": {"around": {"home": str(site.folder / "home")}}}
    assert site.run("table", resources=filled).success


def test_misspelt_name_is_refused_where_no_parameters_are_read(site: Site) -> None:
    told = refusal(site.run("leaderboard", resources={"parms": SINGLE["params"]}))
    assert "'resources: parms' does not exist. Did you mean 'params'?" in told
    assert "Nothing was launched" not in told


def test_config_of_other_peoples_assets_and_resources_is_let_pass(site: Site) -> None:
    seen: list[object] = []

    class Database(dg.ConfigurableResource[Any]):
        name: str = "none"

    class Wish(dg.Config):
        times: int = 1

    @dg.asset(partitions_def=DAILY)
    def own(config: Wish, database: Database) -> None:
        seen.append((config.times, database.name))

    others = dg.Definitions(assets=[own], resources={"database": Database()})
    result = replace(site, others=others).run(
        "own",
        ops={"own": {"config": {"times": 3}}},
        resources={"database": {"config": {"name": "orders"}}},
    )
    assert result.success
    assert seen == [(3, "orders")]


def test_config_of_an_op_that_is_not_selected_is_refused(site: Site) -> None:
    told = refusal(site.run("table", ops={"leaderboard": {"config": {"where": "rows=3"}}}))
    assert "'ops: leaderboard' does not exist in this run, since its asset is not selected" in told


def test_run_from_any_door_has_tags_that_tell_what_it_is(site: Site) -> None:
    config = {
        "params": {
            "config": {
                "around": {"home": str(site.folder / "home")},
                "data": {"region": "south"},
                "fit": {"label": "v7"},
            }
        }
    }
    result = site.run("table", resources=config)
    run = site.instance.get_run_by_id(result.run_id)
    assert run is not None
    params = toy.PARAMS.parse({"region": "south", "label": "v7"})
    run_id = toy.PIPELINE.run_slot(params, date.fromisoformat(DAY)).run_id
    told = {name: value for name, value in run.tags.items() if name.startswith("ml_pipeline/")}
    assert told == {
        "ml_pipeline/region": "south",
        "ml_pipeline/label": "v7",
        "ml_pipeline/run_id": run_id,
    }


def test_job_offers_the_resources_that_it_uses_and_no_others(site: Site) -> None:
    defs = code_location(toy.PIPELINE, DAILY, lambda: str(site.folder / "store"), site.folder)
    job = defs.resolve_job_def(JOB)
    assert set(job.resource_defs) >= {"params", f"{toy.PIPELINE.name}_io"}
    with pytest.raises(dg.DagsterInvalidConfigError, match="sweep"):
        dg.validate_run_config(job, {"resources": MANY})
    with pytest.raises(dg.DagsterInvalidConfigError, match="parms"):
        dg.validate_run_config(job, {"resources": {"parms": SINGLE["params"]}})


def test_parameter_that_may_be_none_is_in_the_scaffold_and_changes_nothing(site: Site) -> None:
    defs = code_location(toy.PIPELINE, DAILY, lambda: str(site.folder / "store"), site.folder)
    assert "bias: none\n" in scaffold(defs.resolve_job_def(JOB))
    around = {"home": str(site.folder / "home")}
    made = [
        site.run("table", resources={"params": {"config": {"around": around, **fit}}})
        for fit in ({}, {"fit": {"bias": None}}, {"fit": {"bias": "none"}})
    ]
    runs = [site.instance.get_run_by_id(result.run_id) for result in made]
    assert len({run.tags["ml_pipeline/run_id"] for run in runs if run is not None}) == 1
    assert all("ml_pipeline/origins" not in run.tags for run in runs if run is not None)


def test_choice_of_a_pipeline_is_completed_by_the_editor_and_marked_where_it_is_none(
    tmp_path: Path,
) -> None:
    defs = code_location(PIPELINE, DAILY, lambda: str(tmp_path), tmp_path)
    job = defs.resolve_job_def(JOB)
    for value in ("fancy", "fency"):
        config = {"resources": {"params": {"config": {"what": {"kind": value, "size": "1e-3"}}}}}
        if value == "fancy":
            dg.validate_run_config(job, config)
        else:
            with pytest.raises(dg.DagsterInvalidConfigError, match="one of plain, fancy got fency"):
                dg.validate_run_config(job, config)


def test_type_of_every_parameter_is_told_by_the_editor(tmp_path: Path) -> None:
    job = code_location(PIPELINE, DAILY, lambda: str(tmp_path), tmp_path).resolve_job_def(JOB)
    snapshot = job.resource_defs["params"].config_schema.config_type.schema_snapshot  # type: ignore[union-attr]
    names = {one.given_name for one in snapshot.all_config_snaps_by_key.values()}
    assert {"one of plain, fancy", "number", "text"} <= names
    assert "Any" not in names


def scaffold(job: dg.JobDefinition) -> str:
    """Return what the launchpad shows before anybody types, as the webserver works it out."""
    schema = job.run_config_schema.run_config_schema_type
    return default_values_yaml_from_type_snap(schema.schema_snapshot, schema.snapshot)
