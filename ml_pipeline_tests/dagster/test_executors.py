"""Runs whose steps are in other processes: what comes of them is what comes of one process."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository

from ml_pipeline.dagster.executors import configured_executor
from ml_pipeline.dagster.private import IMPLICIT_JOB
from ml_pipeline.errors import ParamsError, SettingsError
from ml_pipeline.settings import settings
from ml_pipeline_tests.toys import engines
from ml_pipeline_tests.toys.dagster_site import temporary_instance

RANGE = {
    "dagster/asset_partition_range_start": "2026-01-05",
    "dagster/asset_partition_range_end": "2026-01-07",
}
DAYS = ["2026-01-05", "2026-01-06", "2026-01-07"]
TOLD = ("run_id", "revision", "reused", "height", "size.rows")


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(engines.FOLDER, str(tmp_path))
    settings.cache_clear()
    yield
    settings.cache_clear()


def executor(monkeypatch: pytest.MonkeyPatch, name: str, config: str = "") -> None:
    monkeypatch.setenv("ML_PIPELINE_EXECUTOR", name)
    if config:
        monkeypatch.setenv("ML_PIPELINE_EXECUTOR_CONFIG", config)
    settings.cache_clear()


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        engines.location()
    return str(caught.value)


def test_executor_unless_set_is_the_job_s_own_and_none_of_the_location() -> None:
    defs = engines.location()
    assert defs.executor is None
    assert defs.resolve_job_def("run_pipeline").executor_def is dg.in_process_executor
    assert configured_executor() is dg.in_process_executor


@pytest.mark.parametrize("name", ["multiprocess", "dagster:multiprocess_executor"])
def test_executor_of_the_settings_takes_every_job(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    executor(monkeypatch, name)
    defs = dg.Definitions.merge(engines.location(), dg.Definitions(executor=configured_executor()))
    jobs = ["run_pipeline", "promote", "rollback"]
    assert {defs.resolve_job_def(job).executor_def for job in jobs} == {dg.multiprocess_executor}
    implicit = defs.resolve_implicit_global_asset_job_def()
    assert implicit.executor_def is dg.multiprocess_executor


def test_executor_given_as_argument_wins_over_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor(monkeypatch, "multiprocess")
    own = dg.multiprocess_executor.configured({"max_concurrent": 2}, name="two")
    defs = engines.location(own)
    assert defs.executor is own
    assert defs.resolve_job_def("run_pipeline").executor_def is own


def test_executor_config_is_fixed_and_read_when_definitions_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor(monkeypatch, "multiprocess", '{"max_concurrent": 2}')
    assert engines.location().executor is configured_executor()
    executor(monkeypatch, "multiprocess", '{"max_concurent": 2}')
    assert "executor_config: it must be config that executor multiprocess takes" in refusal()
    assert "max_concurent" in refusal()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("celerie", "must be one of in_process, multiprocess, celery, k8s_job"),
        ("celerie", "Did you mean 'celery'?"),
        ("no_such_package:executor", "No module named 'no_such_package'"),
        ("dagster:no_such_executor", "must be an ExecutorDefinition of Dagster, but is nothing"),
        ("dagster:asset", "must be an ExecutorDefinition of Dagster, but is a function"),
    ],
)
def test_executor_that_there_is_not_is_refused_when_definitions_load(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    executor(monkeypatch, name)
    assert said in refusal()


@pytest.mark.parametrize(
    ("name", "package", "module"),
    [
        ("celery", "ml_pipeline[celery]", "dagster_celery"),
        ("k8s_job", "dagster-k8s", "dagster_k8s"),
    ],
)
def test_executor_without_its_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str, module: str
) -> None:
    # As where it is not installed, whether it is here or not.
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "ml_pipeline.dagster.celery", raising=False)
    executor(monkeypatch, name)
    assert f"`pip install '{package}'` does it." in refusal()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path / "instance") as opened:
        yield opened


def everything() -> Any:
    """Return the job of what is selected, as backfills and the launchpad have it."""
    repository = ReconstructableRepository.for_module(engines.__name__, "configured", ".")
    return repository.get_reconstructable_job(IMPLICIT_JOB)


def execute(
    instance: dg.DagsterInstance, resources: Mapping[str, Any], *assets: str, **tags: str
) -> dg.JobExecutionResult:
    return dg.execute_job(
        everything(),
        instance,
        {"resources": resources},
        tags={**RANGE, **tags},
        asset_selection=[dg.AssetKey(asset) for asset in assets],
    )


def story(instance: dg.DagsterInstance, dagster_run_id: str) -> list[Any]:
    """Return what a run's events say, without what differs from process to process."""
    made = [
        one.asset_materialization
        for one in instance.all_logs(dagster_run_id)
        if one.asset_materialization is not None
    ]
    told = [[one.metadata[name].value for name in TOLD if name in one.metadata] for one in made]
    return [
        (one.asset_key.to_user_string(), one.partition, *values)
        for one, values in zip(made, told, strict=True)
    ]


@pytest.mark.long
def test_backfill_in_other_processes_is_the_one_of_one_process(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    stories = []
    for name in ("in_process", "multiprocess"):
        executor(monkeypatch, name)
        monkeypatch.setenv(engines.FOLDER, str(folder := tmp_path / name))
        folder.mkdir()
        sized = {"params": {"config": {"size": {"rows": 4}}}}
        with execute(instance, sized, "tower") as run:
            assert run.success
        with execute(instance, sized, "tower") as again:
            assert again.success
        swept = {"sweep": {"config": {"size": {"rows": "4,5"}}}}
        with execute(instance, swept, "sweep") as sweep:
            assert sweep.success
        with dg.execute_job(
            everything(),
            instance,
            asset_selection=[dg.AssetKey("leaderboard")],
        ) as board:
            assert board.success
        runs = (run, again, sweep, board)
        stories.append([story(instance, one.run_id) for one in runs])
        assert [one[1] for one in stories[-1][0]] == DAYS
        assert len(list(folder.glob("told/*-4-*"))) == len(list(folder.glob("told/*-5-*"))) == 3
        with pytest.raises(ParamsError, match="rows must be"):
            execute(instance, {"params": {"config": {"size": {"rows": 10}}}}, "tower")
    assert stories[0] == stories[1]
    assert instance.get_runs_count() == 8
