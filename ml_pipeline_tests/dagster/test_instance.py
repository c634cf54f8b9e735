"""The instance that a new home gets."""

import pytest

from ml_pipeline.cores import cores
from ml_pipeline.dagster.instance import open_instance, prepare
from ml_pipeline.errors import SettingsError
from ml_pipeline.settings import Settings


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


@pytest.mark.parametrize(
    "text",
    [
        "concurrency: [",
        "- a list",
        "one word",
        "concurrency: 7",
        "no_such_section: 1",
        "storage:\n  sqlite:\n    base_dir: 7\n",
        "\tconcurrency: 7",
        "a: b: c",
    ],
)
def test_instance_configured_wrongly_is_told_in_a_sentence(configured: Settings, text: str) -> None:
    configured.instance_directory.mkdir(parents=True)
    (configured.instance_directory / "dagster.yaml").write_text(text)
    with pytest.raises(SettingsError) as refusal, open_instance(configured):
        pass
    said = str(refusal.value)
    assert "dagster.yaml must be a configuration that Dagster takes, but is not" in said
    assert said.endswith("Correct it, or move it away: a new one is written.")
    assert "\n" not in said
    assert len(said) < 600 + len(str(configured.home))


def test_instance_configured_in_no_encoding_is_told(configured: Settings) -> None:
    configured.instance_directory.mkdir(parents=True)
    (configured.instance_directory / "dagster.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="must be a configuration that Dagster takes"):
        prepare(configured)


def test_instance_made_on_another_machine_gets_the_limits_of_this_one_unless_edited(
    configured: Settings,
) -> None:
    file = prepare(configured) / "dagster.yaml"
    here = file.read_text()
    runs = max(2, cores())
    there = here.replace(f"max_concurrent_runs: {runs}\n", f"max_concurrent_runs: {runs + 60}\n")
    there = there.replace(f"limit: {runs - 1}\n", f"limit: {runs + 59}\n")
    there = there.replace(f"default_limit: {runs + 59}", "default_limit: 1")
    file.write_text(there)
    prepare(configured)
    assert file.read_text() == here
    edited = there.replace("86400", "3600")
    file.write_text(edited)
    prepare(configured)
    assert file.read_text() == edited
