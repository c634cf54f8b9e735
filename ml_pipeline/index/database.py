"""The database that an index is in: a file of SQLite's, or Postgres.

It is made, brought up to date or refused when it is opened. Whoever finds none that can be used
takes a temporary one, filled from the store and gone with the question.
"""

import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import filelock
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Engine,
    Text,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, DropIndex

from ml_pipeline.addresses import masked
from ml_pipeline.errors import IndexUnusable
from ml_pipeline.index.tables import METADATA

HEAD: Final = "2"
"""The migration that this version's tables are those of."""
VERSIONS: Final = "index_version"
REMEDY: Final = "ML_PIPELINE_INDEX names another place, or `none` for no index"

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LONGEST_WAIT_S: Final = 20
_LONGEST_CONNECTING_S: Final = 5
_CACHE_KIB: Final = 65_536
_LOG_PAGES: Final = 8_192
"""After how many pages of 4 KiB the log is written into the file: each time waits for the disk."""
_WRITING: Final = 7_023_915
"""Number of the lock that writers hold."""
_MADE_LATER: Final = tuple(
    index
    for name in ("artifacts", "inputs", "values")
    for index in sorted(METADATA.tables[name].indexes, key=lambda index: str(index.name))
)
_MEANWHILE: Final = "artifacts_by_run_meanwhile"
"""What finds the revisions of a run while most is written: without, finding the newest would take
the square of how many there are. Nothing that is written of a record that is known changes it."""
_DAMAGED: Final = ("malformed", "not a database", "disk image", "file is encrypted")


@dataclass(frozen=True)
class Database:
    """An open database with the tables of an index.

    Attributes:
        engine: what reaches it.
        place: what people call it.
        is_kept: whether it is there for good.
    """

    engine: Engine
    place: str
    is_kept: bool = True

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite's."""
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that keeps nobody from writing."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is committed if nothing goes wrong."""
        with self.engine.begin() as connection:
            if not self.is_sqlite:
                # One at a time, as SQLite has it: nobody waits in a circle.
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITING})"))
            yield connection

    def is_among(self, column: ColumnElement[Any], values: Collection[Any]) -> ColumnElement[bool]:
        """Return the condition that a column has one of any number of values.

        They are one parameter: a statement with a parameter for each takes longer to make than to
        answer.
        """
        listed = bindparam(None, json.dumps(list(values)), Text)
        if self.is_sqlite:
            elements = func.json_each(listed).table_valued("value")
            return column.in_(select(elements.c.value))
        told = func.json_array_elements_text(cast(listed, JSON)).column_valued("value")
        return column.in_(select(cast(told, column.type)))

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """Let most of what a file is to hold be written: most indexes are made afterwards.

        Kept up all the while, they have every row change a dozen pages anywhere in a file that is
        larger than memory. Until they are there, others are answered slower. Where somebody dies,
        the next one that opens the file makes them.
        """
        with self._alone() as is_alone:
            if not is_alone:
                yield
                return
            with self.writing() as connection:
                connection.execute(
                    text(f"CREATE INDEX IF NOT EXISTS {_MEANWHILE} ON artifacts (line, run_id)")
                )
                for index in _MADE_LATER:
                    connection.execute(DropIndex(index, if_exists=True))
            try:
                yield
            finally:
                self._index()

    def complete(self) -> None:
        """Make the indexes that somebody died over; nothing is done while somebody is at it."""
        with self.reading() as connection:
            there = {row[0] for row in connection.execute(text("SELECT name FROM sqlite_master"))}
        if _MEANWHILE in there or any(index.name not in there for index in _MADE_LATER):
            with self._alone() as is_alone:
                if is_alone:
                    self._index()

    def _index(self) -> None:
        for index in _MADE_LATER:
            # Each by itself: others that write wait for one, not for all.
            with self.writing() as connection:
                connection.execute(CreateIndex(index, if_not_exists=True))
        with self.writing() as connection:
            connection.execute(text(f"DROP INDEX IF EXISTS {_MEANWHILE}"))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Tell whether nobody else is filling the file, and keep others from it."""
        if not self.is_sqlite:
            yield False
            return
        file = Path(str(self.engine.url.database)).with_suffix(".filling")
        lock = filelock.FileLock(file, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def analyze(self) -> None:
        """Let the database know how many rows there are of what: its plans depend on that.

        All rows count: from samples, SQLite does not see which column chooses best. A second for a
        million records.
        """
        with self.reading() as connection:
            connection.execute(text("ANALYZE"))


def open_database(place: str) -> Database:
    """Open the database at a place, a file or a URL; one that is not there is made.

    Raises:
        IndexUnusable: if it cannot be reached, read or written, or is of a newer version.
    """
    if "://" in place:
        with reaching(place):
            database = Database(_postgres(place), place)
            _bring_up_to_date(database)
        return database
    file = Path(place)
    with _writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(file.with_suffix(".lock"), timeout=_LONGEST_WAIT_S)
        with lock, reaching(place):
            database = Database(_sqlite(file), place)
            _bring_up_to_date(database)
        with reaching(place):
            database.complete()
    return database


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except (filelock.Timeout, OSError) as error:
        raise IndexUnusable(
            f"The index must be writable, but {file} is not: {error}. {REMEDY}."
        ) from error


def set_aside(place: str) -> Path | None:
    """Move a file that is no whole database away; None if it is one, or is none of SQLite's.

    Raises:
        IndexUnusable: if it cannot be written.
    """
    file = Path(place)
    if "://" in place or not file.exists():
        return None
    with _writing(file), filelock.FileLock(file.with_suffix(".lock"), timeout=_LONGEST_WAIT_S):
        try:
            with contextlib.closing(sqlite3.connect(file, timeout=_LONGEST_WAIT_S)) as opened:
                if opened.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                    return None
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                return None
        aside = file.with_suffix(f".damaged-{time.time_ns()}")
        file.rename(aside)
        for suffix in ("-wal", "-shm"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
    return aside


def is_damage(error: BaseException) -> bool:
    """Whether an error says that a file is no whole database."""
    return any(sign in str(error) for sign in _DAMAGED)


@contextlib.contextmanager
def temporary() -> Iterator[Database]:
    """Give an empty database that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ml_pipeline-index-") as folder:
        engine = _sqlite(Path(folder) / "index.db", is_kept=False)
        METADATA.create_all(engine)
        try:
            yield Database(engine, "", is_kept=False)
        finally:
            engine.dispose()


@contextlib.contextmanager
def reaching(place: str) -> Iterator[None]:
    """Turn what libraries say of a database into one error."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        said = masked(str(getattr(error, "orig", None) or error).strip().partition("\n")[0])
        raise IndexUnusable(
            f"The index must be readable and writable in {masked(place)}, but is not: {said}."
            f" {REMEDY}."
        ) from error


def _sqlite(file: Path, is_kept: bool = True) -> Engine:
    engine = create_engine(
        f"sqlite:///{file}",
        connect_args={"timeout": _LONGEST_WAIT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _record: Any) -> None:
        # Transactions are begun by `begin`, so that who writes waits for others at once.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'NORMAL' if is_kept else 'OFF'}")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(place: str) -> Engine:
    url = make_url(place).set(drivername="postgresql+psycopg2")
    arguments = {
        "connect_timeout": _LONGEST_CONNECTING_S,
        "options": f"-c lock_timeout={_LONGEST_WAIT_S}s",
    }
    try:
        # Else each row that is changed is a round trip of its own.
        return create_engine(url, connect_args=arguments, executemany_mode="values_plus_batch")
    except ImportError as error:
        raise IndexUnusable(
            f"What reaches Postgres must be installed, since the index is in {masked(place)}, but"
            " is not: `pip install 'ml_pipeline[postgres]'`."
        ) from error


def _bring_up_to_date(database: Database) -> None:
    with database.reading() as connection:
        version = _version(connection)
    if version == HEAD:
        return
    with database.writing() as connection:
        # Of two that would make the same tables, the second finds them made.
        if (version := _version(connection)) != HEAD:
            _migrate(connection, version, database.place)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSIONS):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar()  # noqa: S608
    return None if found is None else str(found)


def _migrate(connection: Connection, version: str | None, place: str) -> None:
    # Alembic takes a tenth of a second to import.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise IndexUnusable(
            f"The index must be of version {HEAD} or an earlier one, but {masked(place)} is of"
            f" version {version}, which a newer ml_pipeline made. Update this one; or {REMEDY}."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
