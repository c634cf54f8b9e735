"""An index in Postgres, of a store on S3, written by several processes, damaged, old and new."""

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, make_url

from ml_pipeline.errors import ArtifactDamaged, IndexUnusable
from ml_pipeline.index import opened
from ml_pipeline.index.database import HEAD, VERSIONS, open_database
from ml_pipeline.index.promotions import history
from ml_pipeline.index.tables import METADATA
from ml_pipeline.index.upkeep import rebuild, standing
from ml_pipeline.leaderboard.cells import cells_of
from ml_pipeline.runs.listing import listed
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys.many import PIPELINE, records, write
from ml_pipeline_tests.toys.postgres import Postgres, postgres
from ml_pipeline_tests.toys.s3_server import serving_s3

pytestmark = pytest.mark.long

ASSETS = ("model", "score")
READER = """
import sys
from ml_pipeline.runs.listing import listed
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys.many import PIPELINE
store = ArtifactStore(sys.argv[1])
store.index = sys.argv[2]
for _ in range(int(sys.argv[3])):
    found = listed(store, PIPELINE, ["score"], "error>=0", "error", 10_000)
print(len(found.entries))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "home" / "index.db")
    return str(request.getfixturevalue("server").url)


def opened_store(root: Path | str, place: str | None) -> ArtifactStore:
    store = ArtifactStore(str(root))
    store.index = place
    return store


class Watched(ArtifactStore):
    """A store that knows which records were read."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.seen: list[str] = []

    def read_record(self, directory: str) -> Record | None:
        self.seen.append(directory)
        return super().read_record(directory)


def everything(store: ArtifactStore) -> object:
    first = listed(store, PIPELINE, ["score"], "region=north and learning_rate>0.001", "-error", 20)
    odd = listed(store, PIPELINE, ["score"], "region like 'N%' or seed<3", "as_of", 20)
    cells = cells_of(store, PIPELINE, "depth=1")
    return [(one.entries, one.more, one.is_any, one.missed) for one in (first, odd)], cells


def test_tables_are_those_that_migrations_make(place: str) -> None:
    database = open_database(place)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSIONS})
        differing = compare_metadata(context, METADATA)
    assert [one for one in differing if VERSIONS not in str(one)] == []


def test_answers_are_the_same_with_and_without_an_index(place: str, tmp_path: Path) -> None:
    root = tmp_path / "store"
    write(root, 200)
    without = everything(opened_store(root, None))
    store = opened_store(root, place)
    assert everything(store) == without
    write(root, 220, 200)
    assert everything(store) == everything(opened_store(root, None)) != without
    for record in sorted(root.glob("*/**/record.json"))[::7]:
        record.unlink()
    assert everything(store) == everything(opened_store(root, None))
    assert rebuild(store, ASSETS, lambda _done, _total: None) == 188
    assert everything(store) == everything(opened_store(root, None))


def test_many_processes_bring_one_index_up_to_date_at_once(place: str, tmp_path: Path) -> None:
    root = tmp_path / "store"
    write(root, 600)
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", READER, str(root), place, "3"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    told = [process.communicate(timeout=120) for process in running]
    assert told == [("300\n", "")] * 4
    assert [(one.read, one.lacking) for one in standing(opened_store(root, place), ["score"])] == [
        (300, 0)
    ]


def test_rebuilding_an_index_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    place = tmp_path / "index.db"
    store = opened_store(tmp_path / "store", str(place))
    with open_database(str(place)).reading():
        pass
    place.with_suffix(".lock").unlink()
    place.with_suffix(".lock").mkdir()
    with pytest.raises(IndexUnusable, match="must be writable") as caught:
        rebuild(store, ASSETS, lambda _done, _total: None)
    assert "ML_PIPELINE_INDEX names another place" in str(caught.value)


def test_one_index_serves_several_stores(place: str, tmp_path: Path) -> None:
    write(tmp_path / "one", 20)
    write(tmp_path / "two", 30)
    one, two = (opened_store(tmp_path / name, place) for name in ("one", "two"))
    for _ in range(2):
        assert len(listed(one, PIPELINE, ["score"]).entries) == 10
        assert len(listed(two, PIPELINE, ["score"]).entries) == 15


def test_index_of_a_newer_version_is_left_alone(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "store", 4)
    store = opened_store(tmp_path / "store", place)
    with open_database(place).writing() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSIONS} SET version_num = '99'")
    try:
        opened._kept.clear()
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                assert len(listed(store, PIPELINE, ["score"]).entries) == 2
        assert len(caplog.messages) == 1
        assert "is of version 99, which a newer ml_pipeline made" in caplog.text
        with pytest.raises(IndexUnusable, match="is of version 99"):
            rebuild(store, ASSETS, lambda _done, _total: None)
    finally:
        if "://" in place:
            url = make_url(place).set(drivername="postgresql+psycopg2")
            with create_engine(url).begin() as connection:
                connection.exec_driver_sql(f"UPDATE {VERSIONS} SET version_num = '{HEAD}'")


def test_index_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    write(tmp_path / "store", 4)
    store = opened_store(tmp_path / "store", str(file))
    assert len(listed(store, PIPELINE, ["score"]).entries) == 2
    with sqlite3.connect(file) as database:
        database.executescript(
            f"UPDATE {VERSIONS} SET version_num = '1'; DROP TABLE folders;"
            "ALTER TABLE lines DROP COLUMN version; ALTER TABLE lines DROP COLUMN compared;"
            "ALTER TABLE lines DROP COLUMN size;"
        )
    opened._kept.clear()
    write(tmp_path / "store", 6, 4)
    assert len(listed(store, PIPELINE, ["score"]).entries) == 3
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM artifacts").fetchone() == (3,)


def test_index_whose_server_goes_and_comes_is_done_without_meanwhile(
    server: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "store", 4)
    store = opened_store(tmp_path / "store", server.url)
    assert len(listed(store, PIPELINE, ["score"]).entries) == 2
    server.stop()
    try:
        write(tmp_path / "store", 8, 4)
        assert len(listed(store, PIPELINE, ["score"]).entries) == 4
        assert "Until then records are read from the store" in caplog.text
    finally:
        server.start()
    write(tmp_path / "store", 10, 8)
    assert len(listed(store, PIPELINE, ["score"]).entries) == 5


@pytest.mark.parametrize("damage", ["garbage", "cut", "pages", "empty"])
def test_damaged_file_is_set_aside_and_made_anew(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "store", 200)
    file = tmp_path / "index.db"
    store = opened_store(tmp_path / "store", str(file))
    assert listed(store, PIPELINE, ["score"]).more == 50
    whole = file.read_bytes()
    damaged = {
        "garbage": b"no database" * 99,
        "cut": whole[: len(whole) // 2],
        "pages": whole[:4096] + b"\xff" * (len(whole) - 4096),
        "empty": b"",
    }[damage]
    file.write_bytes(damaged)
    for left in tmp_path.glob("index.db-*"):
        left.unlink()
    opened._kept.clear()
    assert listed(store, PIPELINE, ["score"]).more == 50
    assert rebuild(store, ASSETS, lambda _done, _total: None) == 200
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    if damage != "empty":
        assert "It is set aside as index.damaged-" in caplog.text


def test_locked_file_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "store", 4)
    store = opened_store(tmp_path / "store", str(tmp_path / "index.db"))
    assert len(listed(store, PIPELINE, ["score"]).entries) == 2
    write(tmp_path / "store", 8, 4)
    monkeypatch.setattr("ml_pipeline.index.database._LONGEST_WAIT_S", 0.2)
    opened._kept.clear()
    with sqlite3.connect(tmp_path / "index.db", isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert len(listed(store, PIPELINE, ["score"]).entries) == 4
    assert len(listed(store, PIPELINE, ["score"]).entries) == 4


def test_store_on_s3_is_followed_by_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_s3() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        store = opened_store("s3://bucket/store", str(tmp_path / "index.db"))

        def upload(count: int, start: int = 0) -> list[str]:
            paths = []
            for path, record in records(count, start):
                assert store.put_if_absent(f"{path}/record.json", record.to_json())
                paths.append(path)
            return paths

        first = upload(24)
        assert everything(store) == everything(opened_store(store.uri, None))
        watched = Watched(store.uri)
        watched.index = store.index
        new = upload(28, 24)
        store.remove(f"{first[1]}/record.json")
        store.overwrite(f"{first[3]}/record.json", b"garbage")
        found = listed(watched, PIPELINE, ["score"])
        assert (len(found.entries), found.missed) == (12, [first[3]])
        assert sorted(watched.seen) == sorted([*new[1::2], first[3]])
        assert everything(store) == everything(opened_store(store.uri, None))


def test_promotions_are_listed_as_the_ledger_has_them(place: str, tmp_path: Path) -> None:
    store = opened_store(tmp_path / "store", place)
    about = {"asset": "score", "run_id": "ab", "revision": "cd", "path": "score/run=ab/rev=cd"}
    about |= {"artifacts": {}, "as_of": None, "at": datetime.now(UTC)}
    before = None
    for _ in range(3):
        before = ledger.add(store, "prod", before, **about)
        assert history(store) == ledger.history(store)
    ledger.add(store, "prod", None, alias="challenger", **about)
    assert len(history(store)) == 4
    (entry,) = (tmp_path / "store" / ".promotions").glob("**/000002.json")
    whole = entry.read_bytes()
    entry.unlink()
    assert history(store) == ledger.history(store)
    entry.write_bytes(whole.replace(b"cd", b"ce"))
    with pytest.raises(ArtifactDamaged, match="its text has been changed"):
        history(store)


def test_code_location_loads_without_what_reaches_databases(run_python: Any) -> None:
    code = "import sys, ml_pipeline.definitions; print('sqlalchemy' in sys.modules)"
    assert run_python(code).strip() == "False"
