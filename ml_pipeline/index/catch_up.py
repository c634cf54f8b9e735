"""Bringing an index up to date: names are compared, and only what is new is read.

Every step can be done again, and by several processes at once: what stands in the store decides.
"""

import itertools
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Table, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ml_pipeline.index.comparison import Found, differing
from ml_pipeline.index.database import Database
from ml_pipeline.index.rows import OWN, columns, packed, values
from ml_pipeline.index.tables import (
    ARTIFACTS,
    DOCUMENTS,
    KINDS,
    LINES,
    NAMES,
    READ,
    UNREAD,
    UNREADABLE,
    VALUES,
)
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record

_READERS: Final = 4
_READERS_REMOTE: Final = 32
_BATCH: Final = 500
_FETCHED: Final = 2000
_AT_ONCE: Final = 16
_MANY: Final = 1000

_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Line:
    """One asset of a store in an index.

    Attributes:
        id: its number in the database.
        asset: the asset's name.
    """

    id: int
    asset: str


class CatchUp:
    """Brings the lines of one store up to date."""

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        """Bring a database and a store together.

        Args:
            database: where the index is.
            store: what it is of.
        """
        self.database = database
        self.store = store
        self._names: dict[str, int] = {}
        self._kinds: set[tuple[int, int, str]] = set()

    @property
    def place(self) -> str:
        """What the store is called in the database: several machines may have the same path."""
        if self.store.directory is None or self.database.is_sqlite:
            return self.store.uri
        return f"{platform.node()}:{self.store.uri}"

    def lines(self, assets: Iterable[str]) -> list[Line]:
        """Return the lines of some assets; those that are not there are made."""
        wanted = list(dict.fromkeys(assets))
        known = self._lines()
        if missing := [asset for asset in wanted if asset not in known]:
            with self.database.writing() as connection:
                rows = [{"store": self.place, "asset": asset} for asset in missing]
                connection.execute(self._insert(LINES).on_conflict_do_nothing(), rows)
            known = self._lines()
        return [Line(known[asset], asset) for asset in wanted]

    def names(self, lines: Sequence[Line]) -> None:
        """Let the index have every name that the store has, and no other; nothing is read.

        Raises:
            StoreUnreachable: if the store cannot be listed.
        """
        for line in lines:
            for some in batches(differing(self.store, line.asset, self._known(line)), _FETCHED):
                self._note(line, some)

    def read(
        self, lines: Sequence[Line], tell: Callable[[int, int], object] = lambda _done, _total: None
    ) -> None:
        """Read the records that are new, and those that could not be read before.

        Args:
            lines: what to read.
            tell: called with how many are read, of how many.

        Raises:
            StoreUnreachable: if the store cannot be read.
        """
        unread = ARTIFACTS.c.line.in_([line.id for line in lines]) & (ARTIFACTS.c.state != READ)
        with self.database.reading() as connection:
            total = connection.execute(select(func.count()).where(unread)).scalar_one()
        if not total:
            return
        done = 0
        with ThreadPoolExecutor(self._readers) as readers:
            for rows in _ahead(readers, self._records, batches(self._unread(unread), _BATCH)):
                self._keep(rows)
                done += len(rows)
                tell(done, total)
        if done > _MANY:
            self.database.analyze()

    def doubt(self, lines: Sequence[Line]) -> None:
        """Let every record of some lines be read again."""
        ids = [line.id for line in lines]
        with self.database.writing() as connection:
            connection.execute(
                update(ARTIFACTS).where(ARTIFACTS.c.line.in_(ids)).values(state=UNREAD)
            )
            connection.execute(delete(KINDS).where(KINDS.c.line.in_(ids)))
        self._kinds.clear()

    def lacking(self, line: Line) -> tuple[int, int]:
        """Count what a line lacks, or has as it was before, and what it has that is gone.

        Raises:
            StoreUnreachable: if the store cannot be listed.
        """
        new = gone = 0
        for one in differing(self.store, line.asset, self._known(line)):
            gone += not one.stamp
            # A folder that was looked at before it had come to rest is no difference.
            new += bool(one.stamp) and not self._has(line, one)
        return new, gone

    @property
    def _readers(self) -> int:
        return _READERS_REMOTE if self.store.directory is None else _READERS

    def _known(self, line: Line) -> Iterator[Found]:
        """Yield what is known of a line, a page at a time: no transaction stays open."""
        last = ""
        columns = ARTIFACTS.c.path, ARTIFACTS.c.stamp, ARTIFACTS.c.folder_stamp
        while True:
            page = select(*columns).where(ARTIFACTS.c.line == line.id, ARTIFACTS.c.path > last)
            with self.database.reading() as connection:
                found = connection.execute(page.order_by(ARTIFACTS.c.path).limit(_FETCHED)).all()
            for row in found:
                yield Found(*row)
            if len(found) < _FETCHED:
                return
            last = found[-1].path

    def _has(self, line: Line, found: Found) -> bool:
        with self.database.reading() as connection:
            same = select(ARTIFACTS.c.id).where(
                ARTIFACTS.c.line == line.id,
                ARTIFACTS.c.path == found.path,
                ARTIFACTS.c.stamp == found.stamp,
            )
            return connection.execute(same).first() is not None

    def _unread(self, unread: Any) -> Iterator[Any]:
        last = 0
        columns = ARTIFACTS.c.id, ARTIFACTS.c.line, ARTIFACTS.c.path, ARTIFACTS.c.stamp
        while True:
            page = select(*columns).where(unread, ARTIFACTS.c.id > last)
            with self.database.reading() as connection:
                found = connection.execute(page.order_by(ARTIFACTS.c.id).limit(_FETCHED)).all()
            yield from found
            if len(found) < _FETCHED:
                return
            last = found[-1].id

    def _lines(self) -> dict[str, int]:
        with self.database.reading() as connection:
            found = connection.execute(
                select(LINES.c.asset, LINES.c.id).where(LINES.c.store == self.place)
            )
            return {row.asset: row.id for row in found}

    def _note(self, line: Line, found: Sequence[Found]) -> None:
        """Write down what differs: that it is gone, or that it is there and has to be read."""
        gone = [one.path for one in found if not one.stamp]
        there = [
            {
                "line": line.id,
                "path": one.path,
                "run_id": one.path.rpartition("/run=")[2].partition("/")[0],
                "revision": one.path.rpartition("/rev=")[2],
                "stamp": one.stamp,
                "folder_stamp": one.folder_stamp,
                "state": UNREAD,
            }
            for one in found
            if one.stamp
        ]
        insert = self._insert(ARTIFACTS)
        new = insert.excluded
        is_same = ARTIFACTS.c.stamp == new.stamp
        upsert = insert.on_conflict_do_update(
            index_elements=["line", "path"],
            set_={
                "folder_stamp": new.folder_stamp,
                "state": case((is_same, ARTIFACTS.c.state), else_=UNREAD),
                "stamp": new.stamp,
            },
        )
        with self.database.writing() as connection:
            for some in batches(gone, _BATCH):
                ids = select(ARTIFACTS.c.id).where(
                    ARTIFACTS.c.line == line.id, ARTIFACTS.c.path.in_(some)
                )
                connection.execute(delete(VALUES).where(VALUES.c.artifact.in_(ids)))
                connection.execute(delete(DOCUMENTS).where(DOCUMENTS.c.artifact.in_(ids)))
                connection.execute(
                    delete(ARTIFACTS).where(ARTIFACTS.c.line == line.id, ARTIFACTS.c.path.in_(some))
                )
            if there:
                connection.execute(upsert, there)

    def _records(self, rows: Sequence[Any]) -> list[tuple[Any, Record | None]]:
        return [(row, self.store.readable_record(row.path)) for row in rows]

    def _keep(self, rows: Sequence[tuple[Any, Record | None]]) -> None:
        """Write down what was read."""
        read = [(row, record) for row, record in rows if record is not None]
        lost = [row for row, record in rows if record is None]
        told = [(row, list(values(record))) for row, record in read]
        with self.database.writing() as connection:
            self._learn(connection, told)
            ids = [row.id for row, _ in rows]
            # Somebody may have taken a row away meanwhile.
            there = set(
                connection.execute(select(ARTIFACTS.c.id).where(ARTIFACTS.c.id.in_(ids))).scalars()
            )
            connection.execute(delete(VALUES).where(VALUES.c.artifact.in_(ids)))
            connection.execute(delete(DOCUMENTS).where(DOCUMENTS.c.artifact.in_(ids)))
            if lost:
                connection.execute(
                    update(ARTIFACTS)
                    .where(ARTIFACTS.c.id.in_([row.id for row in lost]))
                    .values(state=UNREADABLE, made_at=None)
                )
            if not read:
                return
            self._many(
                connection,
                update(ARTIFACTS)
                .where(ARTIFACTS.c.id == bindparam("row"), ARTIFACTS.c.stamp == bindparam("was"))
                .values(state=bindparam("now"), **{name: bindparam(f"its_{name}") for name in OWN}),
                ["row", "was", "now", *(f"its_{name}" for name in OWN)],
                [(row.id, row.stamp, READ, *columns(record)) for row, record in read],
            )
            self._many(
                connection,
                self._insert(DOCUMENTS).on_conflict_do_nothing(),
                ["artifact", "document"],
                [(row.id, packed(record)) for row, record in read if row.id in there],
            )
            self._many(
                connection,
                self._insert(VALUES).on_conflict_do_nothing(),
                ["artifact", "name", "line", "number", "text"],
                [
                    (row.id, self._names[name], row.line, value.number, value.text)
                    for row, found in told
                    if row.id in there
                    for name, value in found
                    if value.number is not None or value.text is not None
                ],
            )

    def _many(
        self, connection: Connection, statement: Any, names: Sequence[str], rows: Sequence[Any]
    ) -> None:
        """Execute a statement for many rows, past what makes each of them slow in SQLite.

        Args:
            connection: in a transaction.
            statement: what to execute.
            names: of its parameters, in the order in which rows have them.
            rows: their values.
        """
        if not rows:
            return
        if not self.database.is_sqlite:
            connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])
            return
        compiled = statement.compile(dialect=connection.dialect, column_keys=list(names))
        places = [names.index(name) for name in compiled.positiontup]
        in_order = places == list(range(len(names)))
        ordered = rows if in_order else [tuple(row[place] for place in places) for row in rows]
        connection.exec_driver_sql(str(compiled), list(ordered))

    def _learn(self, connection: Connection, told: Iterable[tuple[Any, Sequence[Any]]]) -> None:
        """Know the numbers of all names, and note the kinds of values that are new."""
        kinds = {(row.line, name, value.kind) for row, found in told for name, value in found}
        if new := sorted({name for _, name, _ in kinds} - self._names.keys()):
            connection.execute(
                self._insert(NAMES).on_conflict_do_nothing(), [{"name": name} for name in new]
            )
            for some in batches(new, _BATCH):
                found = select(NAMES.c.name, NAMES.c.id).where(NAMES.c.name.in_(some))
                self._names |= {row.name: row.id for row in connection.execute(found)}
        numbered = {(line, self._names[name], kind) for line, name, kind in kinds}
        if unknown := sorted(numbered - self._kinds):
            connection.execute(
                self._insert(KINDS).on_conflict_do_nothing(),
                [{"line": line, "name": name, "kind": kind} for line, name, kind in unknown],
            )
            self._kinds |= numbered

    def _insert(self, table: Table) -> Any:
        """Return an insertion that can say what happens where a row is there already."""
        return sqlite.insert(table) if self.database.is_sqlite else postgresql.insert(table)


def _ahead(
    readers: ThreadPoolExecutor,
    read: Callable[[list[_Item]], list[_Read]],
    items: Iterable[list[_Item]],
) -> Iterator[list[_Read]]:
    """Yield batches that are read by several threads, while the next one is being read."""
    before: list[Future[list[_Read]]] = []
    for batch in items:
        now = [readers.submit(read, some) for some in batches(batch, _AT_ONCE)]
        if before:
            yield [one for some in before for one in some.result()]
        before = now
    if before:
        yield [one for some in before for one in some.result()]


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield items, so many at a time."""
    waiting = iter(items)
    while some := list(itertools.islice(waiting, size)):
        yield some
