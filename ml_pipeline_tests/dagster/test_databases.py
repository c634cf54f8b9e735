"""The databases of a new instance, and those that something happened to."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline.dagster import databases
from ml_pipeline.dagster.databases import DATABASES, check_databases
from ml_pipeline.dagster.instance import open_instance, prepare
from ml_pipeline.errors import MlPipelineError, SettingsError
from ml_pipeline.settings import Settings

OPENS = """
from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.settings import Settings
with open_instance(Settings()) as instance:
    print(len(instance.get_runs()))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance that nothing has happened to."""
    folder = tmp_path_factory.mktemp("made")
    databases.make_databases(folder, dict)
    return folder


@pytest.fixture
def folder(made: Path, configured: Settings) -> Path:
    return Path(shutil.copytree(made, configured.instance_directory))


def opening() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OPENS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def revisions(file: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(file)) as database:
        return [row[0] for row in database.execute("SELECT version_num FROM alembic_version")]


def test_home_new_serves_many_processes_that_come_at_once(configured: Settings) -> None:
    processes = [opening() for _ in range(5)]
    told = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, told
    assert [out for out, _ in told] == ["0\n"] * 5
    for name in DATABASES:
        assert len(revisions(configured.instance_directory / name)) == 1
    assert not list(configured.instance_directory.glob(".making-*"))


@pytest.mark.parametrize(
    "after_s", [0.2, *(pytest.param(s, marks=pytest.mark.long) for s in (0.0, 0.5, 0.9, 1.4))]
)
def test_home_new_whose_maker_was_killed_works(configured: Settings, after_s: float) -> None:
    process = opening()
    deadline = time.monotonic() + 120
    while not list(configured.instance_directory.glob(".making-*")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(after_s)
    process.kill()
    process.communicate(timeout=60)
    with open_instance(configured) as instance:
        assert instance.get_runs() == []
    assert not list(configured.instance_directory.glob(".making-*"))


@pytest.mark.parametrize("count", range(1, len(DATABASES)))
def test_home_whose_maker_was_killed_between_two_moves_gets_the_rest(
    folder: Path, configured: Settings, count: int
) -> None:
    kept = {name: (folder / name).read_bytes() for name in DATABASES[:count]}
    for name in DATABASES[count:]:
        (folder / name).unlink()
    with open_instance(configured) as instance:
        assert instance.get_runs() == []
    assert {name: (folder / name).read_bytes() for name in kept} == kept


def test_home_configured_for_databases_elsewhere_gets_none_of_its_own(
    configured: Settings, tmp_path: Path
) -> None:
    folder = configured.instance_directory
    folder.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    (folder / "dagster.yaml").write_text(f"storage:\n  sqlite:\n    base_dir: {elsewhere}\n")
    with open_instance(configured) as instance:
        assert instance.get_runs() == []
    assert not any((folder / name).exists() for name in DATABASES)
    assert (elsewhere / "history" / "runs.db").exists()


@pytest.mark.parametrize("name", DATABASES)
def test_database_that_is_none_is_told(folder: Path, configured: Settings, name: str) -> None:
    (folder / name).write_bytes(b"These are no pages of a database.\n" * 1000)
    with pytest.raises(SettingsError, match=r"must be a database of Dagster's, but is none\. Move"):
        prepare(configured)


@pytest.mark.parametrize("name", DATABASES)
def test_database_that_is_empty_is_told(folder: Path, configured: Settings, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(
        SettingsError, match=r"must be a database of Dagster's, but is empty\. Move"
    ):
        prepare(configured)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", DATABASES)
def test_database_that_is_cut_off_is_told(
    folder: Path, configured: Settings, name: str, share: float
) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SettingsError) as refusal:
        prepare(configured)
    assert str(folder / name) in str(refusal.value)
    assert "Move it away, with -wal and -shm beside it" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", DATABASES)
def test_database_of_a_newer_dagster_is_told(folder: Path, configured: Settings, name: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / name)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'abcdef012345'")
    with pytest.raises(SettingsError, match="the revision abcdef012345, which only a newer one"):
        prepare(configured)


def test_database_with_two_revisions_is_told(folder: Path, configured: Settings) -> None:
    with contextlib.closing(sqlite3.connect(folder / DATABASES[0])) as database, database:
        database.execute("INSERT INTO alembic_version VALUES ('7e2f3204cf8e')")
    with pytest.raises(SettingsError, match=r"must have one revision, but has .* and .*Move it"):
        prepare(configured)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
        database.rollback()


def test_database_that_is_locked_is_told(
    folder: Path, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_LONGEST_LOCK_S", 0.2)
    with (
        locked(folder / DATABASES[0]),
        pytest.raises(SettingsError, match="must be free to be written, but another process"),
    ):
        prepare(configured)
    prepare(configured)


def test_database_that_is_a_folder_is_told(folder: Path, configured: Settings) -> None:
    (folder / DATABASES[0]).unlink()
    (folder / DATABASES[0]).mkdir()
    with pytest.raises(SettingsError, match="must be readable, but is not: Is a directory"):
        prepare(configured)


def test_database_that_breaks_while_it_is_used_is_told(folder: Path, configured: Settings) -> None:
    def use() -> None:
        with open_instance(configured) as instance:
            (folder / DATABASES[0]).write_bytes(b"no pages " * 100_000)
            instance.get_runs()

    with pytest.raises(MlPipelineError, match="must be a database of Dagster's, but is none"):
        use()


def test_database_moved_away_as_advised_is_made_anew(folder: Path, configured: Settings) -> None:
    (folder / DATABASES[0]).write_bytes(b"")
    with pytest.raises(SettingsError):
        prepare(configured)
    (folder / DATABASES[0]).unlink()
    with open_instance(configured) as instance:
        assert instance.get_runs() == []
    check_databases(folder)
