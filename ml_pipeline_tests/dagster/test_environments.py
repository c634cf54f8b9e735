"""Runs in environments: where they write, what stands, what is refused, by Dagster's doors."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.dagster.reusing import reusing
from ml_pipeline.dagster.schedules import sweep_schedule, window_schedule
from ml_pipeline.errors import ParamsError, PipelineError, SettingsError
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.launch.run_config import ENVIRONMENT_TAG
from ml_pipeline.launch.standing import with_standing
from ml_pipeline.settings import settings
from ml_pipeline.store.record import Record
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline_tests.toys import sweeps
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.dagster_site import DAILY, DAY, QUIET, events, temporary_instance

TABLES = """
environment = "dev"
writable = ["dev", "blue"]
[environments.dev]
[environments.prod]
store = "{folder}/prod"
[environments.prod.params]
fit = {{ learning_rate = 0.2 }}
shape = {{ window = 3 }}
[environments.blue]
inherits = "prod"
store = "{folder}/blue"
reads = ["prod"]
params = {{ fit = {{ learning_rate = 0.3 }} }}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with environments, and the toy's in the same folder."""
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "ml"))
    monkeypatch.setenv("TOY_HOME", str(tmp_path / "home"))
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml" / "settings.toml").write_text(TABLES.format(folder=tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path_factory.mktemp("dagster") / "instance") as made:
        yield made


def located(folder: Path) -> dg.Definitions:
    return code_location(Bench(folder).pipeline, DAILY, code=Path(__file__).parent)


def run(
    folder: Path, instance: dg.DagsterInstance, config: Mapping[str, Any], **variables: str
) -> dg.ExecuteInProcessResult:
    job = located(folder).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        run_config={"resources": {"params": {"config": config}}, "loggers": QUIET},
        instance=instance,
        partition_key=DAY,
        raise_on_error=False,
    )


def record(folder: Path, store: str, asset: str = "model") -> Record:
    (file,) = (folder / store / asset).rglob("record.json")
    return Record.from_json(file.read_bytes(), str(file))


def values(record: Record) -> tuple[Any, Any]:
    return record.params["fit"]["learning_rate"], record.params["shape"]["window"]


def as_prod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_ENVIRONMENT", "prod")
    monkeypatch.setenv("ML_PIPELINE_WRITABLE", '["prod"]')
    settings.cache_clear()


def test_run_reads_writes_and_stands_where_its_environment_says(
    folder: Path, instance: dg.DagsterInstance
) -> None:
    plain = run(folder, instance, {})
    blue = run(folder, instance, {"run": {"environment": "blue"}, "shape": {"window": 2}})
    assert plain.success
    assert blue.success
    own, other = record(folder, "ml/artifacts"), record(folder, "blue")
    assert values(own) == (0.1, 2)
    # What is typed wins, though it is a default; what is not typed stands.
    assert values(other) == (0.3, 2)
    assert other.provenance.environment == "blue"
    assert other.origins == {
        "fit.learning_rate": "environment blue",
        "shape.window": "Python",
    }
    told = events(blue)["model", DAY].metadata
    assert told["environment"].value == "blue"
    assert str(told["path"].value).startswith(f"{folder}/blue/")
    tags = [instance.get_run_by_id(one.run_id).tags for one in (plain, blue)]  # type: ignore[union-attr]
    assert [one[ENVIRONMENT_TAG] for one in tags] == ["dev", "blue"]


def test_same_parameters_have_one_id_and_what_another_environment_has_is_reused(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_prod(monkeypatch)
    assert run(folder, instance, {}).success
    monkeypatch.delenv("ML_PIPELINE_ENVIRONMENT")
    monkeypatch.delenv("ML_PIPELINE_WRITABLE")
    settings.cache_clear()
    blue = run(folder, instance, {"run": {"environment": "blue"}})
    told = {asset: made.metadata for (asset, _), made in events(blue).items()}
    assert told["features"]["reused_from"].value == "prod"
    assert "reused_from" not in told["model"]
    assert "of prod" in told["model"]["reason"].value
    ids = {store: record(folder, store, "features").run_id for store in ("prod", "blue")}
    assert len(set(ids.values())) == 1
    dev = run(folder, instance, {"shape": {"window": 3}, "fit": {"learning_rate": 0.3}})
    assert dev.success
    assert record(folder, "ml/artifacts").run_id == record(folder, "blue").run_id


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"run": {"environment": "prod"}}, "run.environment must be one that this deployment may"),
        ({"run": {"environment": "blue"}, "fit": {"learning_rate": 0}}, "fit.learning_rate must"),
    ],
)
def test_run_that_may_not_be_is_refused_before_it_exists(
    folder: Path, instance: dg.DagsterInstance, config: dict[str, Any], problem: str
) -> None:
    count = instance.get_runs_count()
    job = located(folder).resolve_implicit_global_asset_job_def()
    asked = {"resources": {"params": {"config": config}}}
    with pytest.raises(ParamsError) as caught:
        job.execute_in_process(run_config=asked, instance=instance, partition_key=DAY)
    assert str(caught.value).startswith(problem)
    assert instance.get_runs_count() == count
    assert not (folder / "prod").exists()


def test_environment_that_there_is_not_is_refused_with_the_choices(folder: Path) -> None:
    model = Bench(folder).pipeline.params
    with pytest.raises(ParamsError) as caught:
        model.parse({"environment": "prdo"})
    assert str(caught.value).startswith(
        "run.environment must be one of dev, prod, blue. Did you mean 'prod'? (got 'prdo')"
    )
    assert model.find("environment").must_be == "one of dev, prod, blue"


def test_launchpad_fills_in_what_all_environments_share_and_leaves_open_what_differs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def filled() -> str:
        snapshot = located(folder).resolve_job_def("run_pipeline").get_job_snapshot()
        mode = snapshot.mode_def_snaps[0]
        schema = snapshot.config_schema_snapshot
        return default_values_yaml_from_type_snap(
            schema, schema.get_config_snap(str(mode.root_config_key))
        )

    text = filled()
    assert "environment: dev" in text
    assert "learning_rate" not in text
    assert "rows: 6" in text
    as_prod(monkeypatch)
    text = filled()
    assert "environment: prod" in text
    assert "learning_rate: 0.2" in text
    assert "window: 3" in text


def test_what_the_launchpad_has_filled_in_is_what_stands_and_no_more(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_prod(monkeypatch)
    filled = {"fit": {"learning_rate": 0.2}, "shape": {"window": 2}, "run": {"environment": "prod"}}
    assert run(folder, instance, filled).success
    made = record(folder, "prod")
    assert values(made) == (0.2, 2)
    assert made.origins == {"fit.learning_rate": "environment prod", "shape.window": "Python"}


def test_request_is_over_what_stands_in_the_environment_that_it_names(folder: Path) -> None:
    rules = Rules(Bench(folder).pipeline)
    document = {"as_of": DAY, "params": {"environment": "blue", "window": 9}}
    asked = read_request(document, "sensor requests (a.yaml)", rules)
    assert asked.config["resources"]["params"]["config"] == {
        "fit": {"learning_rate": 0.3},
        "shape": {"window": 9},
        "run": {"environment": "blue"},
    }
    assert asked.tags[ENVIRONMENT_TAG] == "blue"
    assert "overrides 3 of environment blue" in str(asked.tags)
    for name, problem in (("prod", "may write to, dev, blue, but is 'prod'"), ("x", "one of dev")):
        with pytest.raises(ParamsError, match=problem):
            read_request({"as_of": DAY, "params": {"environment": name}}, "a file", rules)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("fit = { learning_rate = 7_000 }\n", "environments.prod.params"),
        ("fti = { learning_rate = 0.1 }\n", "'fti' is no parameter group. Did you mean 'fit'?"),
    ],
)
def test_standing_parameters_that_the_pipeline_does_not_take_are_refused_when_it_loads(
    folder: Path, lines: str, problem: str
) -> None:
    file = folder / "ml" / "settings.toml"
    text = file.read_text().replace("fit = { learning_rate = 0.2 }\n", lines)
    file.write_text(text.replace("learning_rate = 0.3", "learning_rate = -1"))
    settings.cache_clear()
    with pytest.raises(SettingsError) as caught:
        located(folder)
    assert problem in str(caught.value)
    told = "fit.learning_rate must be number > 0 and <= 10, but got -1 (environments.blue.params)"
    assert told in str(caught.value)


def test_own_root_takes_the_environment_or_is_refused(
    folder: Path, instance: dg.DagsterInstance
) -> None:
    pipeline = Bench(folder).pipeline
    with pytest.raises(PipelineError, match="must tell the stores of environments apart"):
        code_location(pipeline, DAILY, lambda: str(folder / "one"))
    with pytest.raises(PipelineError, match="gives 'dev' and 'prod' the same"):
        code_location(pipeline, DAILY, lambda environment: str(folder / "one"))
    own = code_location(pipeline, DAILY, lambda environment: str(folder / "own" / environment))
    result = own.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={
            "resources": {"params": {"config": {"run": {"environment": "blue"}}}},
            "loggers": QUIET,
        },
        instance=instance,
        partition_key=DAY,
    )
    assert result.success
    assert record(folder, "own/blue").provenance.environment == "blue"


def test_schedules_run_in_this_deployments_own_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_ENVIRONMENT", "blue")
    settings.cache_clear()
    defs = located(folder)
    schedule = window_schedule(defs, last=1)
    assert "learning_rate=0.3" in str(schedule.description)
    whole = dg.Definitions.merge(defs, dg.Definitions(schedules=[schedule]))
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 2, 2), repository_def=whole.get_repository_def()
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.tags[ENVIRONMENT_TAG] == "blue"
    config = request.run_config["resources"]["params"]["config"]
    assert config["run"] == {"environment": "blue"}
    assert (config["fit"], config["shape"]) == ({"learning_rate": 0.3}, {"window": 3})
    assert '"fit.learning_rate": "environment blue"' in str(request.tags)


def test_combinations_of_a_sweep_are_over_what_stands(folder: Path) -> None:
    model = Bench(folder).pipeline.params
    rows = [{"fit.learning_rate": 0.5}, {"fit.learning_rate": 0.6, "data.rows": 7}]
    config = {"run": {"environment": "blue"}, "search": {"trials": rows}}
    request = SweepRequest.of_config(model, with_standing(model, config))
    tried = [trial.params.values()["fit"]["learning_rate"] for trial in request.combinations.trials]
    assert tried == [0.5, 0.6]
    assert {one.values()["shape"]["window"] for one in request.representatives} == {3}
    typed = {**config, "fit": {"learning_rate": 0.9}}
    with pytest.raises(ParamsError, match=r"learning_rate is set in search\.trials and beside it"):
        SweepRequest.of_config(model, with_standing(model, typed))


@pytest.mark.filterwarnings("ignore:.* is currently in beta")
def test_existing_assets_are_in_this_deployments_own_environment(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Size(dg.Config):
        rows: int = 3

    @dg.asset(io_manager_key="by_params", partitions_def=DAILY)
    def raw(config: Size) -> dict[str, int]:
        return {"rows": config.rows}

    @dg.asset(io_manager_key="by_params", partitions_def=DAILY)
    def twice(raw: dict[str, int]) -> dict[str, int]:
        return {"rows": 2 * raw["rows"]}

    def ran(environment: str, writable: str) -> dg.ExecuteInProcessResult:
        monkeypatch.setenv("ML_PIPELINE_ENVIRONMENT", environment)
        monkeypatch.setenv("ML_PIPELINE_WRITABLE", f'["{writable}"]')
        settings.cache_clear()
        defs = reusing(dg.Definitions(assets=[raw, twice]), code=folder)
        return defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"loggers": QUIET},
            instance=instance,
            partition_key=DAY,
            raise_on_error=False,
        )

    assert ran("prod", "prod").success
    blue = ran("blue", "blue")
    assert events(blue)["twice", DAY].metadata["reused_from"].value == "prod"
    assert record(folder, "blue", "twice") == record(folder, "prod", "twice")
    refused = ran("blue", "dev")
    told = [event.event_specific_data for event in refused.filter_events(lambda e: e.is_failure)]
    assert "environment must be one that this deployment may write to, dev, but" in str(told)


@pytest.fixture
def fresh_workers() -> Iterator[None]:
    """Workers are forked from a server that has the variables of when it was started."""
    stop = forkserver._forkserver._stop  # type: ignore[attr-defined]
    stop()
    yield
    stop()


@pytest.mark.long
def test_sweep_is_in_one_environment_with_what_stands_there(
    folder: Path, instance: dg.DagsterInstance, fresh_workers: None
) -> None:
    file = folder / "ml" / "settings.toml"
    file.write_text(
        f'environment = "dev"\nwritable = ["dev", "blue"]\n[environments.dev]\n'
        f'[environments.blue]\nstore = "{folder}/blue"\nreads = ["dev"]\n'
        f'params = {{ around = {{ home = "{folder}" }} }}\n'
    )
    settings.cache_clear()
    defs = code_location(sweeps.PIPELINE, DAILY, code=Path(__file__).parent)
    job = defs.resolve_implicit_global_asset_job_def()

    def swept(environment: str) -> dg.ExecuteInProcessResult:
        config = {
            "around": {"home": str(folder)},
            "fit": {"depth": "1,2"},
            "run": {"environment": environment},
        }
        return job.execute_in_process(
            run_config={"resources": {"sweep": {"config": config}}, "loggers": QUIET},
            instance=instance,
            partition_key="2026-01-01",
            asset_selection=[dg.AssetKey("sweep")],
        )

    first = swept("dev")
    assert first.success
    calls = (folder / "calls").read_text()
    again = swept("blue")
    # All of it was in the environment that this one reads.
    assert (folder / "calls").read_text() == calls
    run = instance.get_run_by_id(again.run_id)
    assert run is not None
    assert run.tags[ENVIRONMENT_TAG] == "blue"
    assert len(list((folder / "blue").rglob("record.json"))) == len(
        list((folder / "ml" / "artifacts").rglob("record.json"))
    )
    with pytest.raises(ParamsError, match=r"run\.environment cannot be swept"):
        sweep_schedule(defs, {"params": {"environment": ["dev", "blue"]}})


def test_deployment_that_only_reads_loads_and_refuses_the_ticks_of_its_schedules(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = 'environment = "prod"\nwritable = ["dev"]\n[environments.dev]\n[environments.prod]\n'
    (folder / "ml" / "settings.toml").write_text(f'{tables}store = "{folder}/prod"\n')
    settings.cache_clear()
    defs = code_location(sweeps.PIPELINE, DAILY, code=Path(__file__).parent)
    schedule = sweep_schedule(defs, {"params": {"depth": [1, 2]}})
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 12, tzinfo=UTC))
    with pytest.raises(dg.DagsterError) as refused:
        schedule.evaluate_tick(context)
    assert "must be one that this deployment may write to, dev, but is 'prod'" in str(
        refused.value.__cause__ or refused.value
    )
