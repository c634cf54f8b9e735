"""What of a store nobody needs any more: orphans and replaced revisions.

Which revisions are replaced, the index knows; the objects themselves are listed one by one, and
only what is found is held in memory.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, tuple_

from ml_pipeline.index.comparison import batches
from ml_pipeline.index.opened import ask
from ml_pipeline.index.stored import Index
from ml_pipeline.index.tables import ARTIFACTS, INPUTS
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import CLAIMS, RECORD, ArtifactStore
from ml_pipeline.store.files import STAGING
from ml_pipeline.store.housekeeping import Removable, assets_in
from ml_pipeline.store.slots import asset_directory, revision_of

_BATCH: Final = 500
_FETCHED: Final = 2000


def removable(
    store: ArtifactStore,
    older_than: timedelta,
    keep_promoted: bool = False,
    codes: Mapping[str, str] | None = None,
) -> list[Removable]:
    """Find orphans and replaced revisions.

    Orphans are files without a record, and what crashed writers have left. A revision is replaced
    when the same run id has a newer one, unless the code as it is now made it: code may have gone
    back to what it was. Neither counts before it has reached the age given, so what is being
    written right now is safe. What environments have now, and what that was made from, always
    stays.

    Args:
        store: where to look.
        older_than: age of what the store has written last, by the clock of this machine.
        keep_promoted: whether what environments had before stays as well.
        codes: code fingerprints of the stages as they are now, by asset.

    Raises:
        ArtifactDamaged: if it cannot be told what is promoted.
        StoreUnreachable: if the store cannot be read.
    """
    promoted = ledger.kept(store, keep_promoted)
    cutoff = datetime.now(UTC) - older_than
    assets = assets_in(store)
    replaced = ask(store, lambda index: _replaced(index, assets, promoted, codes or {}))
    found: list[Removable] = []
    for directory, objects in _directories(store):
        if not _is_old(objects, cutoff):
            continue
        if directory.startswith((STAGING, CLAIMS)):
            found.append(_removable(directory, "left by a run that crashed", objects))
        elif directory in replaced:
            found.append(_removable(directory, "replaced by a newer revision", objects))
        elif "/rev=" in directory and directory not in promoted and not _has_record(objects):
            # Looked at again: to take a published artifact for an orphan would lose it.
            there = list(store.entries(directory))
            if not _has_record(there) and _is_old(there, cutoff):
                found.append(_removable(directory, "orphan: files without a record", there))
    for folder in store.empty_folders(cutoff.timestamp()):
        found.append(Removable(folder, "an empty folder", 0, ()))
    return sorted(found, key=lambda item: item.path)


def _directories(store: ArtifactStore) -> Iterator[tuple[str, list[Any]]]:
    """Yield what is listed one after the other and belongs together."""

    def directory_of(entry: Any) -> str:
        directory = revision_of(entry["path"])
        return str(entry["path"]) if directory == CLAIMS else directory

    for directory, objects in itertools.groupby(store.entries(""), key=directory_of):
        yield directory, list(objects)


def _is_old(objects: Sequence[Any], cutoff: datetime) -> bool:
    return all(entry["last_modified"] < cutoff for entry in objects)


def _has_record(objects: Sequence[Any]) -> bool:
    return any(entry["path"] == f"{revision_of(entry['path'])}/{RECORD}" for entry in objects)


def _removable(path: str, why: str, objects: Sequence[Any]) -> Removable:
    record = f"{path}/{RECORD}"
    names = sorted((o["path"] for o in objects), key=lambda name: name != record)
    return Removable(path, why, sum(o["size"] for o in objects), tuple(names))


def _replaced(
    index: Index, assets: Sequence[str], promoted: Collection[str], codes: Mapping[str, str]
) -> set[str]:
    """Return the revisions that a newer one replaces and that nothing kept was made from."""
    lines = [line.id for line in index.listed(assets)]
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
    replaced.difference_update(promoted)
    return replaced - _needed(index, lines, replaced)


def _code(path: str, by_directory: Mapping[str, str]) -> str | None:
    """Return the code, as it is now, of the asset that a path is of; None if it is no more."""
    fitting = [directory for directory in by_directory if path.startswith(directory)]
    return by_directory[max(fitting, key=len)] if fitting else None


def _needed(index: Index, lines: Sequence[int], replaced: Collection[str]) -> set[str]:
    """Return those revisions that something which stays was made from."""
    made_from: dict[str, list[str]] = {}
    waiting: list[str] = []
    for some in batches(sorted(replaced), _BATCH):
        reading = (
            select(ARTIFACTS.c.path, INPUTS.c.path.label("input"))
            .join(INPUTS, INPUTS.c.artifact == ARTIFACTS.c.id)
            .where(ARTIFACTS.c.line.in_(lines), INPUTS.c.path.in_(some))
        )
        with index.database.reading() as connection:
            for row in connection.execute(reading):
                if row.path in replaced:
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
