"""Config of existing ops is refused at launch, and all else of a location stays what it was."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

import ml_pipeline
from ml_pipeline.dagster.validated import validated
from ml_pipeline.errors import OpConfigError, ParamsError, PipelineError
from ml_pipeline_tests.toys import existing
from ml_pipeline_tests.toys.dagster_site import QUIET, temporary_instance

pytestmark = pytest.mark.filterwarnings(
    "ignore:.* is currently in beta", "ignore:.* is deprecated and will be"
)

EVERYTHING = {
    "rate": 5.0,
    "low": 9,
    "names": ["bad"],
    "tree": {"depth": 99},
    "trees": [{"depth": 1}, {"depth": 0}],
    "solver": "EXACT",
    "shape": {"line": {"slope": 7.0}},
    "password": "short",
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path_factory.mktemp("dagster") / "instance") as instance:
        yield instance


@pytest.fixture(scope="module")
def location() -> dg.Definitions:
    return validated(existing.definitions())


def typed(**configs: Any) -> dict[str, Any]:
    return {"ops": {op: {"config": config} for op, config in configs.items()}}


def run(
    location: dg.Definitions,
    instance: dg.DagsterInstance,
    run_config: Mapping[str, Any],
    job: str = "",
    assets: tuple[str, ...] = (),
    day: str | None = None,
) -> bool:
    found = (
        location.resolve_job_def(job) if job else location.resolve_implicit_global_asset_job_def()
    )
    done = found.execute_in_process(
        {**run_config, "loggers": QUIET},
        instance=instance,
        asset_selection=[dg.AssetKey(name) for name in assets] or None,
        partition_key=day,
    )
    return done.success


def refusal(*given: Any, **options: Any) -> list[str]:
    instance = given[1]
    before = instance.get_runs_count()
    with pytest.raises(OpConfigError) as refused:
        run(*given, **options)
    assert instance.get_runs_count() == before
    assert isinstance(refused.value, ParamsError)
    assert isinstance(refused.value, dg.DagsterError)
    assert str(refused.value).endswith("\nNo op has started.")
    return sorted(refused.value.problems)


# What is refused


def test_every_problem_of_every_asset_is_told_at_once_and_no_run_exists(
    location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    config = typed(model=EVERYTHING, both={"depth": 0}, plain={"most": 2}, weight=None)
    config["ops"]["weight"] = {"ops": {"weigh": {"config": {"depth": 10}}}}
    assert refusal(location, instance, config, day="2026-01-05") == [
        "both.depth must be integer >= 1 and <= 9, but got 0",
        "model.names must name nothing bad (got ['bad'])",
        "model.password must be text of at least 8 characters, but got ***",
        "model.rate must be number > 0 and <= 1, but got 5.0",
        "model.shape.line.slope must be number < 5, but got 7.0",
        "model.tree.depth must be integer >= 1 and <= 9, but got 99",
        "model.trees[1].depth must be integer >= 1 and <= 9, but got 0",
        "plain.most must be integer <= 1, but got 2",
        "weight.weigh.depth must be integer >= 1 and <= 9, but got 10",
    ]


@pytest.mark.parametrize(
    ("job", "config", "problems"),
    [
        (
            "fitting",
            {
                **typed(fit={"low": 9}, again={"rate": 2.0}, shifted={"by": 3.0}),
                "inner": {"rate": 4.0},
            },
            [
                "again.rate must be number > 0 and <= 1, but got 2.0",
                "fit: low must be at most high",
                "inner.fit.rate must be number > 0 and <= 1, but got 4.0",
                "shifted.rate must be number > 0 and <= 1, but got 3.0",
            ],
        ),
        ("fitting", typed(fit={"names": ["broken"]}), ["fit: Fit cannot be made", "'broken'"]),
        (
            "mapping",
            typed(mapped={"depth": 4}),
            ["fit.rate must be number > 0 and <= 1, but got 4.0"],
        ),
    ],
)
def test_ops_of_jobs_are_refused_by_their_place_in_the_graph(
    location: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    config: dict[str, Any],
    problems: list[str],
) -> None:
    if (within := config.pop("inner", None)) is not None:
        config["ops"]["inner"] = {"ops": {"fit": {"config": within}}}
    found = refusal(location, instance, config, job=job)
    if "cannot be made" in problems[0]:
        assert all(part in found[0] for part in problems)
    else:
        assert found == problems


@pytest.mark.parametrize("of", ["nightly", "watching"])
def test_requests_of_schedules_and_sensors_are_refused(
    location: dg.Definitions, instance: dg.DagsterInstance, of: str
) -> None:
    repository = location.get_repository_def()
    if of == "nightly":
        context = dg.build_schedule_context(repository_def=repository)
        schedule = repository.get_schedule_def(of)
        (request,) = schedule.evaluate_tick(context).run_requests or []
        job, name = "by_asset", "model"
    else:
        sensor = repository.get_sensor_def(of)
        (request,) = (
            sensor.evaluate_tick(dg.build_sensor_context(repository_def=repository)).run_requests
            or []
        )
        job, name = "hidden", "fit"
    found = refusal(location, instance, request.run_config, job=job, day=request.partition_key)
    assert found == [f"{name}.rate must be number > 0 and <= 1, but got 7.0"]


def test_checks_of_assets_are_validated_and_names_are_left_to_dagster(
    location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    config = typed(plain__deep_enough=None) | {"ops": {"plain_deep_enough": {}}}
    config["ops"] = {"plain_deep_enough": {"config": {"depth": 0}}}
    assert refusal(location, instance, config, assets=("plain",)) == [
        "plain_deep_enough.depth must be integer >= 1 and <= 9, but got 0"
    ]
    with pytest.raises(dg.DagsterInvalidConfigError, match='unexpected config entry "raet"'):
        run(location, instance, typed(fit={"raet": 1}), job="fitting")


# What stays


def test_valid_config_runs_as_before_defaults_out_of_bounds_included(
    location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    config = typed(model={"rate": 0.5, "solver": "EXACT", "shape": {"line": {"slope": 2.0}}})
    assert run(location, instance, config, day="2026-01-05", assets=("model", "weight"))
    assert run(location, instance, {}, assets=("plain", "left"))
    assert run(location, instance, typed(fit={"low": 5}, legacy={"anything": -1}), job="fitting")
    assert run(location, instance, typed(mapped={"depth": 1}), job="mapping")


def test_all_else_of_a_location_is_the_same_to_dagster() -> None:
    """What a webserver is told: jobs, config types, assets, checks, schedules, sensors."""

    def told(definitions: dg.Definitions) -> str:
        repository = definitions.get_repository_def()
        jobs = {job.name: job.get_job_snapshot_id() for job in repository.get_all_jobs()}
        return f"{serialize_value(RepositorySnap.from_def(repository))} {jobs}"

    changed = existing.definitions()
    before = vars(changed).copy() if hasattr(changed, "__dict__") else None
    assert validated(validated(changed)) is changed
    assert before is None or vars(changed) == before
    assert told(changed) == told(existing.definitions())


def test_function_of_an_asset_is_called_as_before() -> None:
    @dg.asset
    def twice(config: existing.Tree) -> int:
        return 2 * config.depth

    validated(dg.Definitions(assets=[twice]))
    assert twice(existing.Tree(depth=4)) == 8


@pytest.mark.parametrize("is_decorated", [False, True])
def test_definitions_that_load_later_are_validated_then(is_decorated: bool) -> None:
    def defs() -> dg.Definitions:
        return existing.definitions()

    later = validated(dg.definitions(defs) if is_decorated else defs)
    assert type(later) is type(dg.definitions(defs) if is_decorated else defs)
    with pytest.raises(OpConfigError):
        later().resolve_job_def("fitting").execute_in_process(typed(fit={"rate": 2.0}))


def test_what_is_no_definitions_is_refused() -> None:
    with pytest.raises(PipelineError, match=r"must be Dagster's Definitions, or a function .* int"):
        validated(7)  # type: ignore[type-var]
    assert ml_pipeline.validated is validated
