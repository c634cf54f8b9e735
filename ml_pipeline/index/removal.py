"""What of a store nobody needs any more: orphans, replaced revisions, and what is too old.

Which revisions these are, the index knows; the objects themselves are listed one by one, and
only what is found is held in memory.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, tuple_

from ml_pipeline.index.comparison import batches
from ml_pipeline.index.opened import ask
from ml_pipeline.index.rows import text_of
from ml_pipeline.index.stored import Index
from ml_pipeline.index.tables import ARTIFACTS, INPUTS
from ml_pipeline.store import claims, ledger
from ml_pipeline.store.artifacts import CLAIMS, RECORD, ArtifactStore
from ml_pipeline.store.files import STAGING
from ml_pipeline.store.housekeeping import Removable, assets_in
from ml_pipeline.store.shared import is_marker, is_shared, is_wanted
from ml_pipeline.store.slots import asset_directory, revision_of

_BATCH: Final = 500
_FETCHED: Final = 2000


@dataclass(frozen=True)
class Expiry:
    """After which age published artifacts go, whether they were replaced or not.

    Attributes:
        older_than: the age, since they were made and since the store has written them.
        keep_newest: of how many runs of each asset, the newest, they stay.
    """

    older_than: timedelta
    keep_newest: int = 0


def removable(
    store: ArtifactStore,
    older_than: timedelta | None,
    keep_promoted: bool = False,
    codes: Mapping[str, str] | None = None,
    expiry: Expiry | None = None,
    in_use: Collection[str] = (),
) -> list[Removable]:
    """Find orphans, replaced revisions, and artifacts that are too old.

    Orphans are files without a record, and what crashed writers have left. A revision is replaced
    when the same run id has a newer one, unless the code as it is now made it: code may have gone
    back to what it was. None counts before it has reached the age given, so what is being
    written right now is safe. What environments have now, what is read right now, and what anything
    that stays was made from, always stays.

    Args:
        store: where to look.
        older_than: age of what the store has written last, by the clock of this machine; None to
            look for artifacts that are too old alone.
        keep_promoted: whether what environments had before stays as well.
        codes: code fingerprints of the stages as they are now, by asset.
        expiry: which artifacts are too old; none are if omitted.
        in_use: directories of what somebody is about to read.

    Raises:
        ArtifactDamaged: if it cannot be told what is promoted.
        StoreUnreachable: if the store cannot be read.
    """
    kept = ledger.kept(store, keep_promoted) | claims.read_by_holders(store) | set(in_use)
    now = datetime.now(UTC)
    ages = _Ages(
        None if older_than is None else now - older_than,
        None if expiry is None else now - expiry.older_than,
    )
    assets = assets_in(store)

    def question(index: Index) -> list[Removable]:
        lines = [line.id for line in index.listed(assets)]
        replaced: set[str] = set()
        if ages.replaced is not None:
            replaced = _replaced(index, assets, lines, codes or {}) - kept
        expired: set[str] = set()
        if expiry is not None and ages.expired is not None:
            expired = _expired(index, assets, ages.expired, expiry.keep_newest) - kept
        found, others = _found(store, ages, replaced, expired, kept)
        needed = _needed(index, lines, found)
        return [*others, *(item for path, item in found.items() if path not in needed)]

    items = ask(store, question, is_thorough=True)
    if ages.replaced is not None:
        for folder in store.empty_folders(ages.replaced.timestamp()):
            items.append(Removable(folder, "an empty folder", 0, ()))
    return sorted(items, key=lambda item: item.path)


@dataclass(frozen=True)
class _Ages:
    """Before which moment what goes; None for never."""

    replaced: datetime | None
    expired: datetime | None


def _found(
    store: ArtifactStore,
    ages: _Ages,
    replaced: Collection[str],
    expired: Collection[str],
    kept: Collection[str],
) -> tuple[dict[str, Removable], list[Removable]]:
    """Return what of the revisions the store has not written lately, and what else can go."""
    found: dict[str, Removable] = {}
    others: list[Removable] = []
    unused: list[tuple[str, list[Any]]] = []
    markers: list[str] = []
    for directory, objects in _directories(store):
        markers += [entry["path"] for entry in objects if is_marker(entry["path"])]
        if is_shared(directory):
            if _is_old(objects, ages.replaced or ages.expired):
                unused.append((directory, objects))
        elif directory in replaced and _is_old(objects, ages.replaced):
            found[directory] = _removable(directory, "replaced by a newer revision", objects)
        elif directory in expired and _is_old(objects, ages.expired):
            found[directory] = _removable(directory, "older than artifacts are kept", objects)
        elif not _is_old(objects, ages.replaced):
            continue
        elif directory.startswith((STAGING, CLAIMS)):
            others.append(_removable(directory, "left by a run that crashed", objects))
        elif "/rev=" in directory and directory not in kept and not _has_record(objects):
            # Looked at again: to take a published artifact for an orphan would lose it.
            there = list(store.entries(directory))
            if not _has_record(there) and _is_old(there, ages.replaced):
                others.append(_removable(directory, "orphan: files without a record", there))
    wanted = store.wanted(markers) if unused else set()
    for path, objects in unused:
        # What is wanted by something that goes now may go the next time.
        if not is_wanted(path, wanted) and path.rpartition("/")[0] not in kept:
            others.append(_removable(path, "a part of tables that are gone", objects))
    return found, others


def _directories(store: ArtifactStore) -> Iterator[tuple[str, list[Any]]]:
    """Yield what is listed one after the other and belongs together."""

    def directory_of(entry: Any) -> str:
        directory = revision_of(entry["path"])
        alone = directory == CLAIMS or is_shared(directory)
        return str(entry["path"]) if alone else directory

    for directory, objects in itertools.groupby(store.entries(""), key=directory_of):
        yield directory, list(objects)


def _is_old(objects: Sequence[Any], cutoff: datetime | None) -> bool:
    return cutoff is not None and all(entry["last_modified"] < cutoff for entry in objects)


def _has_record(objects: Sequence[Any]) -> bool:
    return any(entry["path"] == f"{revision_of(entry['path'])}/{RECORD}" for entry in objects)


def _removable(path: str, why: str, objects: Sequence[Any]) -> Removable:
    record = f"{path}/{RECORD}"
    names = sorted((o["path"] for o in objects), key=lambda name: name != record)
    return Removable(path, why, sum(o["size"] for o in objects), tuple(names))


def _replaced(
    index: Index, assets: Sequence[str], lines: Sequence[int], codes: Mapping[str, str]
) -> set[str]:
    """Return the revisions that a newer one replaces."""
    several = (
        select(ARTIFACTS.c.line, ARTIFACTS.c.run_id)
        .where(ARTIFACTS.c.line.in_(lines))
        .group_by(ARTIFACTS.c.line, ARTIFACTS.c.run_id)
        .having(func.count() > 1)
    )
    with index.database.reading() as connection:
        if connection.execute(several.limit(1)).first() is None:
            return set()
    index.read(assets)
    of_several = (
        select(ARTIFACTS.c.path, ARTIFACTS.c.made_at, ARTIFACTS.c.code)
        .where(
            tuple_(ARTIFACTS.c.line, ARTIFACTS.c.run_id).in_(several),
            ARTIFACTS.c.made_at.is_not(None),
        )
        .order_by(ARTIFACTS.c.path)
    )
    by_directory = {f"{asset_directory(asset)}/": code for asset, code in codes.items()}
    replaced: set[str] = set()
    with index.database.reading() as connection:
        rows = connection.execution_options(yield_per=_FETCHED).execute(of_several)
        for _, group in itertools.groupby(rows, key=lambda row: row.path.rpartition("/rev=")[0]):
            revisions = list(group)
            current = [row for row in revisions if row.code == _code(row.path, by_directory)]
            both = [some for some in (revisions, current) if some]
            kept = {max(some, key=lambda row: row.made_at).path for some in both}
            replaced.update(row.path for row in revisions if row.path not in kept)
    return replaced


def _expired(index: Index, assets: Sequence[str], cutoff: datetime, keep_newest: int) -> set[str]:
    """Return the revisions that were made before a moment, but for those of the newest runs."""
    expired: set[str] = set()
    for line in index.read(assets):
        own = (ARTIFACTS.c.line == line.id) & ARTIFACTS.c.made_at.is_not(None)
        newest = (
            select(ARTIFACTS.c.run_id)
            .where(own)
            .group_by(ARTIFACTS.c.run_id)
            .order_by(func.max(ARTIFACTS.c.made_at).desc(), ARTIFACTS.c.run_id)
            .limit(keep_newest)
        )
        old = select(ARTIFACTS.c.path, ARTIFACTS.c.run_id).where(
            own, ARTIFACTS.c.made_at < text_of(cutoff)
        )
        with index.database.reading() as connection:
            kept = set(connection.execute(newest).scalars()) if keep_newest else set()
            rows = connection.execution_options(yield_per=_FETCHED).execute(old)
            expired.update(row.path for row in rows if row.run_id not in kept)
    return expired


def _code(path: str, by_directory: Mapping[str, str]) -> str | None:
    """Return the code, as it is now, of the asset that a path is of; None if it is no more."""
    fitting = [directory for directory in by_directory if path.startswith(directory)]
    return by_directory[max(fitting, key=len)] if fitting else None


def _needed(index: Index, lines: Sequence[int], going: Collection[str]) -> set[str]:
    """Return those revisions that something which stays was made from."""
    made_from: dict[str, list[str]] = {}
    waiting: list[str] = []
    for some in batches(sorted(going), _BATCH):
        reading = (
            select(ARTIFACTS.c.path, INPUTS.c.path.label("input"))
            .join(INPUTS, INPUTS.c.artifact == ARTIFACTS.c.id)
            .where(ARTIFACTS.c.line.in_(lines), INPUTS.c.path.in_(some))
        )
        with index.database.reading() as connection:
            for row in connection.execute(reading):
                if row.path in going:
                    made_from.setdefault(row.path, []).append(row.input)
                else:
                    waiting.append(row.input)
    needed: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path not in needed:
            needed.add(path)
            waiting += made_from.get(path, [])
    return needed
