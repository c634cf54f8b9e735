"""An index of one store: brought up to date when it is asked, then asked."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select

from ml_pipeline.index import folders
from ml_pipeline.index.catch_up import CatchUp
from ml_pipeline.index.columns import Columns
from ml_pipeline.index.comparison import batches
from ml_pipeline.index.database import Database
from ml_pipeline.index.newest import Newest
from ml_pipeline.index.rows import unpacked
from ml_pipeline.index.tables import ARTIFACTS, DOCUMENTS, KINDS, NAMES, UNREADABLE
from ml_pipeline.index.writer import Line
from ml_pipeline.params.model import ParamModel
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record

_AT_ONCE: Final = 500


class Stale(Exception):
    """What is about to be shown is not in the store as the index has it: look at every record."""


class Index:
    """What a store holds, as a database has it once it has caught up with the store.

    Records come from here as summaries: without pictures, and without what tells people of code,
    origins and packages. Whoever shows one run reads its record from the store.
    """

    def __init__(self, database: Database, store: ArtifactStore, is_thorough: bool = False) -> None:
        """Bring a database and a store together.

        Args:
            database: where the index is.
            store: what it is of.
            is_thorough: whether every record's file is looked at before the first answer. Else a
                large store's folders may stand for them, and only records that are in an answer are
                looked at.
        """
        self.database = database
        self.store = store
        self.catching_up = CatchUp(database, store)
        self.is_thorough = is_thorough
        self._listed: dict[str, Line] = {}
        self._unseen: set[int] = set()
        self._read: set[str] = set()

    def read(
        self,
        assets: Collection[str],
        wanted: Callable[[str], bool] | None = None,
        tell: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> list[Line]:
        """Let the index have the records of some assets; each asset is caught up with once.

        Args:
            assets: names of the assets.
            wanted: tells by its path whether a record is needed; all are if omitted.
            tell: called with how many records are read, of how many at most.

        Raises:
            StoreUnreachable: if the store cannot be read.
        """
        lines = self.listed(assets)
        waiting = [line for line in lines if line.asset not in self._read]
        if wanted is not None:
            self.catching_up.read(waiting, wanted, tell)
        elif waiting:
            self.catching_up.read(waiting, tell=tell)
            self._read.update(assets)
        return lines

    def listed(self, assets: Iterable[str]) -> list[Line]:
        """Let the index have the name of every record of some assets.

        Raises:
            StoreUnreachable: if the store cannot be listed.
        """
        wanted = list(dict.fromkeys(assets))
        if missing := [asset for asset in wanted if asset not in self._listed]:
            lines = self.catching_up.lines(missing)
            compared = self.catching_up.names(lines, self.is_thorough)
            self._unseen |= {line.id for line in lines} - {line.id for line in compared}
            self._listed |= {line.asset: line for line in lines}
        return [self._listed[asset] for asset in wanted]

    def paths(self, asset: str, run: str, revision: str) -> list[str]:
        """Return the directories of the revisions of an asset whose ids begin so.

        Args:
            asset: name of the asset.
            run: the beginning of the run id, in hexadecimal digits.
            revision: the beginning of the revision.

        Raises:
            Stale: if one of them is not there any more.
            StoreUnreachable: if the store cannot be listed.
        """
        (line,) = self.listed([asset])
        after = f"{run}~"  # which comes after all digits
        found = (
            select(*ARTIFACTS.c["line", "path", "stamp"])
            .where(ARTIFACTS.c.line == line.id, ARTIFACTS.c.run_id.between(run, after))
            .where(ARTIFACTS.c.revision.startswith(revision, autoescape=True))
            .order_by(ARTIFACTS.c.path)
        )
        with self.database.reading() as connection:
            return [row.path for row in self._seen(connection.execute(found).all())]

    def unreadable(self, assets: Collection[str]) -> list[str]:
        """Return the directories of the records that could not be read.

        Raises:
            Stale: if one of them is not there any more, or is another now.
        """
        lines = [line.id for line in self.listed(assets)]
        found = select(*ARTIFACTS.c["line", "path", "stamp"]).where(
            ARTIFACTS.c.line.in_(lines), ARTIFACTS.c.state == UNREADABLE
        )
        with self.database.reading() as connection:
            # In a database's own order, which would be that of all paths, it takes far longer.
            return sorted(row.path for row in self._seen(connection.execute(found).all()))

    def columns(self, assets: Collection[str], model: ParamModel) -> Columns:
        """Return the names that stand for columns, among records that were read.

        Args:
            assets: names of the assets.
            model: the parameters as they are now.
        """
        lines = [line.id for line in self.listed(assets)]
        found = (
            select(NAMES.c.name, NAMES.c.id, KINDS.c.kind)
            .join(KINDS, KINDS.c.name == NAMES.c.id)
            .where(KINDS.c.line.in_(lines))
            .order_by(NAMES.c.id, KINDS.c.line, KINDS.c.kind)
        )
        with self.database.reading() as connection:
            return Columns(model, [tuple(row) for row in connection.execute(found)])

    def newest(
        self,
        assets: Collection[str],
        called: Callable[[str], str],
        within: Mapping[str, Collection[str | None]] | None = None,
    ) -> Newest:
        """Return the newest revision of each run, among records that were read.

        Args:
            assets: names of the assets.
            called: returns the name that an asset has now.
            within: values of which columns of its row must have one.
        """
        groups: dict[str, list[int]] = {}
        for line in self.listed(assets):
            if self._has_any(line):
                groups.setdefault(called(line.asset), []).append(line.id)
        return Newest(self.database, list(groups.values()) or [[0]], within)

    def dates(self, assets: Collection[str]) -> list[str | None]:
        """Return what runs are as of, among records that were read."""
        lines = [line.id for line in self.listed(assets)]
        with self.database.reading() as connection:
            found = (
                select(ARTIFACTS.c.as_of)
                .distinct()
                .where(ARTIFACTS.c.line.in_(lines), ARTIFACTS.c.made_at.is_not(None))
            )
            return list(connection.execute(found).scalars())

    def summaries(self, ids: Sequence[int]) -> Iterator[tuple[str, Record]]:
        """Yield directories and records, in the order of the numbers of their rows.

        Raises:
            Stale: if one of them is not there any more, or is another now.
        """
        for some in batches(ids, _AT_ONCE):
            found = self._summaries(ARTIFACTS.c.id.in_(some))
            for number in some:
                if number in found:
                    yield found[number]

    def of_runs(
        self, assets: Collection[str], run_ids: Collection[str]
    ) -> Iterator[tuple[str, Record]]:
        """Yield directories and records of all revisions of some runs; only those are read.

        Args:
            assets: names of the assets.
            run_ids: the runs.

        Raises:
            Stale: if one of them is not there any more, or is another now.
            StoreUnreachable: if the store cannot be read.
        """
        runs = frozenset(run_ids)

        def is_of_one(path: str) -> bool:
            return path.rpartition("/run=")[2].partition("/")[0] in runs

        lines = [line.id for line in self.read(assets, is_of_one)]
        for some in batches(sorted(runs), _AT_ONCE):
            yield from self._summaries(
                ARTIFACTS.c.line.in_(lines)
                & ARTIFACTS.c.run_id.in_(some)
                & ARTIFACTS.c.made_at.is_not(None)
            ).values()

    def _summaries(self, wanted: Any) -> dict[int, tuple[str, Record]]:
        query = (
            select(*ARTIFACTS.c["id", "line", "path", "stamp"], DOCUMENTS.c.document)
            .join(DOCUMENTS, DOCUMENTS.c.artifact == ARTIFACTS.c.id)
            .where(wanted)
        )
        with self.database.reading() as connection:
            rows = self._seen(connection.execute(query.order_by(ARTIFACTS.c.path)).all())
        return {row.id: (row.path, unpacked(row.document)) for row in rows}

    def _seen(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return rows once their records were looked at, where only folders were before."""
        root = self.store.directory
        if root is not None and self._unseen:
            for row in rows:
                if row.line in self._unseen and folders.stamp_at(root, row.path) != row.stamp:
                    raise Stale
        return rows

    def _has_any(self, line: Line) -> bool:
        with self.database.reading() as connection:
            some = select(ARTIFACTS.c.id).where(ARTIFACTS.c.line == line.id).limit(1)
            return connection.execute(some).first() is not None
