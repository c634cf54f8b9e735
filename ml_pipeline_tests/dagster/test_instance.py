"""The instance that a new home gets."""

from pathlib import Path

import pytest

from ml_pipeline.cores import cores
from ml_pipeline.dagster.instance import open_instance, prepare
from ml_pipeline.errors import SettingsError
from ml_pipeline.settings import Settings


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    return Settings()


def test_instance_new_runs_as_many_at_once_as_there_are_cores(configured: Settings) -> None:
    with open_instance(configured) as instance:
        limits = instance.get_concurrency_config()
    assert limits.run_queue_config is not None
    assert limits.run_queue_config.max_concurrent_runs == max(2, cores())
    assert limits.pool_config.default_pool_limit == 1


def test_instance_new_leaves_room_beside_what_comes_in_piles(configured: Settings) -> None:
    with open_instance(configured) as instance:
        queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    limits = {limit["key"]: limit["limit"] for limit in queue.tag_concurrency_limits}
    assert set(limits) == {"dagster/backfill", "dagster/sensor_name", "dagster/schedule_name"}
    assert all(1 <= limit < queue.max_concurrent_runs for limit in limits.values())


def test_instance_configured_by_somebody_is_left_as_it_is(configured: Settings) -> None:
    file = configured.instance_directory / "dagster.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("concurrency:\n  runs:\n    max_concurrent_runs: 7\n")
    assert prepare(configured) == file.parent
    with open_instance(configured) as instance:
        queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 7


def test_instance_in_a_place_that_is_no_folder_is_refused(configured: Settings) -> None:
    configured.home.write_text("a file")
    with pytest.raises(SettingsError, match="The home folder must be writable, but"):
        prepare(configured)
