"""Bringing an index up to date: names are compared, and only what is new is read.

Every step can be done again, and by several processes at once: what stands in the store decides.
"""

import contextlib
import gc
import itertools
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import func, select

from ml_pipeline.index import folders, prefixes
from ml_pipeline.index.comparison import Folder, Found, batches
from ml_pipeline.index.database import Database
from ml_pipeline.index.tables import ARTIFACTS, FOLDERS, LINES, UNREAD, UNREADABLE
from ml_pipeline.index.writer import Line, Writer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline.store.slots import asset_directory

_FEW: Final = 2000
"""So many records are looked at before every answer: it takes some hundredths of a second."""
_REST_NS: Final = 86_400_000
"""Of more, for how long folders may stand for them, for each record: a day for a million."""
_READERS: Final = 2
_READERS_REMOTE: Final = 32
_BATCH: Final = 500
_FETCHED: Final = 2000
_AT_ONCE: Final = 16
_MANY: Final = 1000
_SHARE: Final = 0.1
_MOST_BESIDE: Final = 20_000
"""So many are read without putting off what finds them."""
_SELDOM: Final = 50_000, 20, 100
_ROW: Final = "id", "line", "path", "stamp", "state"

_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


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
        self.writer = Writer(database)

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
            self.writer.add_lines(self.place, missing)
            known = self._lines()
        return [Line(known[asset], asset) for asset in wanted]

    def names(self, lines: Sequence[Line], is_thorough: bool) -> list[Line]:
        """Let the index have every name that the store has, and no other; nothing is read.

        Args:
            lines: what to compare.
            is_thorough: whether every record's file is looked at; else that is done at times, in
                between only folders are whose time tells that something came or went.

        Returns:
            Those lines in which every record was looked at.

        Raises:
            StoreUnreachable: if the store cannot be listed.
        """
        return [line for line in lines if self._compared(line, is_thorough)]

    def _compared(self, line: Line, is_thorough: bool) -> bool:
        """Compare a line, and tell whether every record was looked at."""
        root, top = self.store.directory, asset_directory(line.asset)
        now, before = time.time_ns(), self.writer.compared(line)
        if root is None:
            self._note(line, prefixes.differing(self.store, top, self._known(line)), before.version)
            return True
        with folders.readable(self.store):
            if not self._is_large(line):
                names = folders.whole(root, top, self._known(line), now)
                records = (one for one in names if isinstance(one, Found))
                self._note(line, records, before.version)
                return True
            if not is_thorough and 0 <= now - before.at < before.size * _REST_NS:
                changed = folders.changed(root, self._folders(line), now)
                if changed is not None:
                    known, some = partial(self._known, line), partial(self._of_folders, line)
                    found = folders.within(root, top, changed, known, some, now)
                    self._note(line, found, before.version)
                    return False
            self.writer.begin(line)
            found = folders.whole(root, top, self._known(line), now)
            self.writer.end(line, self._note(line, found, before.version), now)
        return True

    def _note(self, line: Line, found: Iterable[Found | Folder], version: int) -> int:
        for some in batches(found, _FETCHED):
            version = self.writer.note(line, some, version)
        return version

    def read(
        self,
        lines: Sequence[Line],
        wanted: Callable[[str], bool] | None = None,
        tell: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> None:
        """Read the records that are new, and those that could not be read before.

        Args:
            lines: what to read.
            wanted: tells by its path whether a record is read at all; all are if omitted.
            tell: called with how many are read, of how many at most.

        Raises:
            StoreUnreachable: if the store cannot be read.
        """
        total, last = self._unread_of_all(lines)
        if not total:
            return
        is_most = wanted is None and _is_most(total, last)
        done = 0
        rows = self._unread_among_all(lines) if is_most else self._unread(lines)
        if wanted is not None:
            rows = (row for row in rows if wanted(row.path))
        found = batches(rows, _BATCH)
        with (
            self.database.filling() if is_most else contextlib.nullcontext(),
            _collecting_seldom(),
            ThreadPoolExecutor(self._readers) as readers,
        ):
            for read in _ahead(readers, self._records, found):
                self.writer.keep(read)
                done += len(read)
                tell(done, total)
        if done > min(_MANY, last * _SHARE):
            self.database.analyze()

    def anew(self, lines: Sequence[Line]) -> contextlib.AbstractContextManager[None]:
        """Return within what some lines are made anew, from the names of their records on.

        Args:
            lines: all records of which are to be read.
        """
        total, last = self._unread_of_all(lines)
        if last and not _is_most(total, last):
            return contextlib.nullcontext()
        return self.database.filling()

    def lacking(self, line: Line) -> tuple[int, int]:
        """Count what a line lacks, or has as it was before, and what it has that is gone.

        Raises:
            StoreUnreachable: if the store cannot be listed.
        """
        new = gone = 0
        root, top = self.store.directory, asset_directory(line.asset)
        with folders.readable(self.store):
            for one in (
                prefixes.differing(self.store, top, self._known(line))
                if root is None
                else folders.whole(root, top, self._known(line), time.time_ns())
            ):
                if isinstance(one, Found):
                    gone += not one.stamp
                    # A folder that was looked at before it had come to rest is no difference.
                    new += bool(one.stamp) and not self._has(line, one)
        return new, gone

    @property
    def _readers(self) -> int:
        return _READERS_REMOTE if self.store.directory is None else _READERS

    def _known(self, line: Line, start: str = "") -> Iterator[Found]:
        """Yield what is known of a line below paths that begin so, in their order."""
        columns = ARTIFACTS.c.path, ARTIFACTS.c.stamp, ARTIFACTS.c.folder_stamp
        for row in self._paged(select(*columns).where(ARTIFACTS.c.line == line.id), start):
            yield Found(*row)

    def _folders(self, line: Line) -> Iterator[Folder]:
        """Yield the folders of a line as they were when all in them was compared."""
        for row in self._paged(
            select(*FOLDERS.c["path", "stamp"]).where(FOLDERS.c.line == line.id)
        ):
            yield Folder(*row)

    def _of_folders(self, line: Line, paths: Sequence[str]) -> list[str]:
        """Return those of some folders that are known."""
        known = select(FOLDERS.c.path).where(FOLDERS.c.line == line.id)
        with self.database.reading() as connection:
            some = known.where(self.database.is_among(FOLDERS.c.path, paths))
            return list(connection.execute(some).scalars())

    def _paged(self, wanted: Any, start: str = "") -> Iterator[Any]:
        """Yield rows whose path begins so, a page at a time: no transaction stays open."""
        path = wanted.selected_columns.path
        if start:
            wanted = wanted.where(path < f"{start[:-1]}{chr(ord(start[-1]) + 1)}")
        last = start
        while True:
            page = wanted.where(path > last).order_by(path).limit(_FETCHED)
            with self.database.reading() as connection:
                found = connection.execute(page).all()
            yield from found
            if len(found) < _FETCHED:
                return
            last = found[-1].path

    def _is_large(self, line: Line) -> bool:
        """Whether it takes long to look at each record of a line."""
        some = select(ARTIFACTS.c.id).where(ARTIFACTS.c.line == line.id).limit(_FEW + 1)
        with self.database.reading() as connection:
            count = select(func.count()).select_from(some.subquery())
            return bool(connection.execute(count).scalar_one() > _FEW)

    def _has(self, line: Line, found: Found) -> bool:
        with self.database.reading() as connection:
            same = select(ARTIFACTS.c.id).where(
                ARTIFACTS.c.line == line.id,
                ARTIFACTS.c.path == found.path,
                ARTIFACTS.c.stamp == found.stamp,
            )
            return connection.execute(same).first() is not None

    def _unread_of_all(self, lines: Sequence[Line]) -> tuple[int, int]:
        """Count the rows of some lines that are to be read, and all rows that there ever were."""
        unread = ARTIFACTS.c.line.in_([line.id for line in lines]) & ARTIFACTS.c.state.in_(
            [UNREAD, UNREADABLE]
        )
        with self.database.reading() as connection:
            total = connection.execute(select(func.count()).where(unread)).scalar_one()
            last = connection.execute(select(func.max(ARTIFACTS.c.id))).scalar() or 0
        return total, last

    def _unread(self, lines: Sequence[Line]) -> Iterator[Any]:
        """Yield the rows to be read, by an index that has each page in order.

        Of several lines or states at once, a database may put all that are left in order for each
        page. What could not be read before comes first: else what now cannot be read came again.
        """
        for line, state in itertools.product(lines, (UNREADABLE, UNREAD)):
            among = (ARTIFACTS.c.line == line.id) & (ARTIFACTS.c.state == state)
            yield from self._by_number(select(*ARTIFACTS.c[_ROW]).where(among))

    def _unread_among_all(self, lines: Sequence[Line]) -> Iterator[Any]:
        """Yield the rows to be read where most are, which takes no index but that of numbers."""
        ids = {line.id for line in lines}
        for row in self._by_number(select(*ARTIFACTS.c[_ROW])):
            if row.line in ids and row.state in (UNREAD, UNREADABLE):
                yield row

    def _by_number(self, wanted: Any) -> Iterator[Any]:
        """Yield rows in the order of their numbers, a page at a time."""
        last = 0
        while True:
            page = wanted.where(ARTIFACTS.c.id > last).order_by(ARTIFACTS.c.id).limit(_FETCHED)
            with self.database.reading() as connection:
                found = connection.execute(page).all()
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

    def _records(self, rows: Sequence[Any]) -> list[tuple[Any, Record | None]]:
        return [(row, self.store.readable_record(row.path)) for row in rows]


def _is_most(total: int, last: int) -> bool:
    """Whether so many rows are to be read that most of a database is what is read now."""
    return total > _MOST_BESIDE and 2 * total > last


@contextlib.contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Let Python look for garbage seldom: records make none, and looking is a third of reading."""
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        # Of several threads that read, the first one knows what it was like.
        if before != _SELDOM:
            gc.set_threshold(*before)


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
