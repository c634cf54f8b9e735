"""Rows written to an index: what stands in a store, and what its records say.

Every row can be written again, by several processes at once: the last one that has read counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Connection,
    Table,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ml_pipeline.index.comparison import Folder, Found, batches
from ml_pipeline.index.database import Database
from ml_pipeline.index.rows import OWN, columns, packed, values
from ml_pipeline.index.tables import (
    ARTIFACTS,
    DOCUMENTS,
    FOLDERS,
    INPUTS,
    KINDS,
    LINES,
    NAMES,
    PROMOTIONS,
    READ,
    UNREAD,
    UNREADABLE,
    VALUES,
)
from ml_pipeline.store.record import Record

_BATCH: Final = 500
_NOTED: Final = ("line", "path", "run_id", "revision", "stamp", "folder_stamp", "state")


@dataclass(frozen=True)
class Line:
    """One asset of a store in an index.

    Attributes:
        id: its number in the database.
        asset: the asset's name.
    """

    id: int
    asset: str


class Compared(NamedTuple):
    """How a line was last compared with all that is in the store.

    Attributes:
        version: how often the line was changed since it was made.
        at: when, in ns since 1970; 0 for never, or where that is of no use any more.
        size: how many records there were.
    """

    version: int
    at: int
    size: int


class Writer:
    """Writes rows to one database."""

    def __init__(self, database: Database) -> None:
        """Write to a database."""
        self.database = database
        self._names: dict[str, int] = {}
        self._kinds: set[tuple[int, int, str]] = set()

    def add_lines(self, store: str, assets: Sequence[str]) -> None:
        """Make the lines of some assets of a store, unless they are there."""
        with self.database.writing() as connection:
            rows = [{"store": store, "asset": asset} for asset in assets]
            connection.execute(self._insert(LINES).on_conflict_do_nothing(), rows)

    def doubt(self, lines: Sequence[Line]) -> None:
        """Let every record of some lines be read again."""
        ids = [line.id for line in lines]
        with self.database.writing() as connection:
            connection.execute(
                update(ARTIFACTS).where(ARTIFACTS.c.line.in_(ids)).values(state=UNREAD)
            )
            connection.execute(delete(KINDS).where(KINDS.c.line.in_(ids)))
        self._kinds.clear()

    def compared(self, line: Line) -> Compared:
        """Return how a line was last compared with all that is in the store."""
        with self.database.reading() as connection:
            found = select(LINES.c.version, LINES.c.compared, LINES.c.size)
            return Compared(*connection.execute(found.where(LINES.c.id == line.id)).one())

    def begin(self, line: Line) -> None:
        """Forget which folders of a line were compared: all are about to be.

        Where others are at it already, what they have noted stays: it may be theirs that is
        finished first.
        """
        with self.database.writing() as connection:
            was = update(LINES).where(LINES.c.id == line.id, LINES.c.compared != 0)
            if connection.execute(was.values(compared=0)).rowcount:
                connection.execute(delete(FOLDERS).where(FOLDERS.c.line == line.id))

    def end(self, line: Line, version: int, at: int) -> None:
        """Write down that a whole line was compared, unless somebody has changed it meanwhile.

        Args:
            line: the line.
            version: as the last change that belongs to the comparison returned it.
            at: when the comparison began, in ns since 1970.
        """
        size = select(func.count()).where(ARTIFACTS.c.line == line.id).scalar_subquery()
        with self.database.writing() as connection:
            connection.execute(
                update(LINES)
                .where(LINES.c.id == line.id, LINES.c.version == version)
                .values(compared=at, size=size)
            )

    def note(self, line: Line, found: Sequence[Found | Folder], version: int) -> int:
        """Write down what differs, and which folders were compared.

        Two that compare at once may have seen a store before and after a change, and the later one
        may be the first to write. Then what folders were like is of no use any more.

        Args:
            line: the line.
            found: what is gone, or is there and has to be read; and folders.
            version: of the line, as it was before anything was looked at, or as the last change
                that belongs to the same comparison returned it.

        Returns:
            The version that the line has now; -1 if somebody else has changed it meanwhile.
        """
        folders = {one.path: one.stamp for one in found if isinstance(one, Folder)}
        records = [one for one in found if isinstance(one, Found)]
        is_this = LINES.c.id == line.id
        with self.database.writing() as connection:
            now = connection.execute(select(LINES.c.version).where(is_this)).scalar_one()
            is_alone = now == version
            if records:
                self._note_records(connection, line, records)
                now += 1
                changed = {"version": now} | ({} if is_alone else {"compared": 0})
                connection.execute(update(LINES).where(is_this).values(changed))
            if is_alone:
                self._note_folders(connection, line, folders)
        return now if is_alone else -1

    def _note_folders(
        self, connection: Connection, line: Line, folders: Mapping[str, str | None]
    ) -> None:
        gone = [path for path, stamp in folders.items() if stamp is None]
        if gone:
            is_gone = self.database.is_among(FOLDERS.c.path, gone)
            connection.execute(delete(FOLDERS).where(FOLDERS.c.line == line.id, is_gone))
        insert = self._insert(FOLDERS)
        self._many(
            connection,
            insert.on_conflict_do_update(
                index_elements=["line", "path"], set_={"stamp": insert.excluded.stamp}
            ),
            ["line", "path", "stamp"],
            [(line.id, path, stamp) for path, stamp in folders.items() if stamp is not None],
        )

    def _note_records(self, connection: Connection, line: Line, found: Sequence[Found]) -> None:
        gone = [one.path for one in found if not one.stamp]
        there = [
            (
                line.id,
                one.path,
                one.path.rpartition("/run=")[2].partition("/")[0],
                one.path.rpartition("/rev=")[2],
                one.stamp,
                one.folder_stamp,
                UNREAD,
            )
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
                "state": case((is_same, ARTIFACTS.c.state), else_=literal_column(str(UNREAD))),
                "stamp": new.stamp,
            },
        )
        if gone:
            are_gone = (ARTIFACTS.c.line == line.id) & self.database.is_among(
                ARTIFACTS.c.path, gone
            )
            _forget(connection, select(ARTIFACTS.c.id).where(are_gone))
            connection.execute(delete(ARTIFACTS).where(are_gone))
        self._many(connection, upsert, _NOTED, there)

    def keep(self, rows: Sequence[tuple[Any, Record | None]]) -> None:
        """Write down what was read.

        Args:
            rows: each with the record that was found for it, None for what could not be read.
        """
        read = [(row, record) for row, record in rows if record is not None]
        lost = [row for row, record in rows if record is None]
        told = [(row, list(values(record))) for row, record in read]
        with self.database.writing() as connection:
            self._learn(connection, told)
            ids = [row.id for row, _ in rows]
            # Somebody may have taken a row away meanwhile.
            known = select(ARTIFACTS.c.id).where(self.database.is_among(ARTIFACTS.c.id, ids))
            there = set(connection.execute(known).scalars())
            _forget(connection, known)
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
                self._insert(INPUTS).on_conflict_do_nothing(),
                ["artifact", "path"],
                [
                    (row.id, made.path)
                    for row, record in read
                    if row.id in there
                    for made in record.inputs.values()
                ],
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

    def promotions(self, store: str) -> dict[str, tuple[str, bytes]]:
        """Return what is kept of a ledger: stamps and texts of its entries by path."""
        with self.database.reading() as connection:
            found = connection.execute(select(PROMOTIONS).where(PROMOTIONS.c.store == store))
            return {row.path: (row.stamp, row.document) for row in found}

    def set_promotions(self, store: str, entries: Mapping[str, tuple[str, bytes]]) -> None:
        """Keep the entries of a ledger, and no others.

        Args:
            store: what the store is called.
            entries: stamps and texts by path.
        """
        rows = [
            {"store": store, "path": path, "stamp": stamp, "document": text}
            for path, (stamp, text) in entries.items()
        ]
        with self.database.writing() as connection:
            connection.execute(delete(PROMOTIONS).where(PROMOTIONS.c.store == store))
            if rows:
                connection.execute(self._insert(PROMOTIONS), rows)

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


def _forget(connection: Connection, ids: Any) -> None:
    """Take what is known of some artifacts away, but for their names."""
    for table in (VALUES, DOCUMENTS, INPUTS):
        connection.execute(delete(table).where(table.c.artifact.in_(ids)))
