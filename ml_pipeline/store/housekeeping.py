"""Keeping a store in order: check what is there, and find what nobody needs any more."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

from ml_pipeline.errors import StoreError
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import CLAIMS, RECORD, ArtifactStore
from ml_pipeline.store.files import STAGING
from ml_pipeline.store.lineage import upstream
from ml_pipeline.store.slots import revision_of

_READERS: Final = 4


@dataclass(frozen=True)
class Checked:
    """One artifact that was checked.

    Attributes:
        path: its directory below the store's root.
        problem: what is wrong with it, or None.
    """

    path: str
    problem: str | None


@dataclass(frozen=True)
class Removable:
    """Something that can go.

    Attributes:
        path: directory or object below the store's root.
        why: an orphan, a revision that a newer one has replaced, or a folder without anything.
        bytes: how much it holds.
        objects: what to remove, what makes it readable first.
    """

    path: str
    why: str
    bytes: int
    objects: tuple[str, ...]


def assets_in(store: ArtifactStore) -> list[str]:
    """Return the names of all assets in a store, those that the pipeline no longer has included."""
    return [unquote(name) for name in store.children("") if not name.startswith(".")]


def verify(
    store: ArtifactStore,
    assets: Sequence[str],
    found: Callable[[int], object] = lambda _count: None,
) -> Iterator[Checked]:
    """Check size and digest of every artifact and its pictures.

    Args:
        store: what to check.
        assets: names of the assets.
        found: called with the number of artifacts before the first is checked.
    """
    paths = [path for asset in assets for path in store.directories(asset)]
    found(len(paths))

    def check(path: str) -> Checked:
        try:
            record = store.read_record(path)
            if record is not None:
                store.check(path, record)
                store.pictures(path, record)
        except StoreError as error:
            return Checked(path, str(error))
        return Checked(path, None)

    with ThreadPoolExecutor(_READERS) as readers:
        yield from readers.map(check, paths)


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
    """
    promoted = ledger.kept(store, keep_promoted)
    cutoff = datetime.now(UTC) - older_than
    directories: dict[str, list[Any]] = defaultdict(list)
    for entry in store.entries(""):
        directory = revision_of(entry["path"])
        directories[entry["path"] if directory == CLAIMS else directory].append(entry)
    found: list[Removable] = []
    published: dict[str, list[str]] = defaultdict(list)
    for directory, objects in directories.items():
        is_old = max(entry["last_modified"] for entry in objects) < cutoff
        names = {entry["path"] for entry in objects}
        if directory.startswith((STAGING, CLAIMS)):
            if is_old:
                found.append(_removable(directory, "left by a run that crashed", objects))
        elif f"{directory}/{RECORD}" in names:
            published[directory.rpartition("/rev=")[0]].append(directory)
        elif "/rev=" in directory and is_old and directory not in promoted:
            found.append(_removable(directory, "orphan: files without a record", objects))
    for directory in _replaced(store, published, promoted, codes or {}):
        objects = directories[directory]
        if max(entry["last_modified"] for entry in objects) < cutoff:
            found.append(_removable(directory, "replaced by a newer revision", objects))
    for folder in store.empty_folders(cutoff.timestamp()):
        found.append(Removable(folder, "an empty folder", 0, ()))
    return sorted(found, key=lambda item: item.path)


def _removable(path: str, why: str, objects: Sequence[Any]) -> Removable:
    record = f"{path}/{RECORD}"
    names = sorted((o["path"] for o in objects), key=lambda name: name != record)
    return Removable(path, why, sum(o["size"] for o in objects), tuple(names))


def _replaced(
    store: ArtifactStore,
    published: Mapping[str, Sequence[str]],
    promoted: Collection[str],
    codes: Mapping[str, str],
) -> list[str]:
    """Return the revisions that a newer one replaces and that nothing kept was made from."""
    if all(len(revisions) == 1 for revisions in published.values()):
        return []
    paths = [path for revisions in published.values() for path in revisions]
    with ThreadPoolExecutor(_READERS) as readers:
        records = dict(zip(paths, readers.map(store.readable_record, paths), strict=True))
    kept = set(promoted)
    for revisions in published.values():
        readable = {path: record for path in revisions if (record := records[path]) is not None}
        current = [path for path, one in readable.items() if one.code == codes.get(one.asset)]
        for some in (list(readable), current):
            if some:
                kept.add(max(some, key=lambda path: readable[path].started_at))
    made = [record for path in kept if (record := records.get(path)) is not None]
    kept |= {read.path for _, read, _ in upstream(made, lambda read: records.get(read.path))}
    return [path for path in paths if path not in kept and records[path] is not None]


def remove(
    store: ArtifactStore, items: Sequence[Removable], keep_promoted: bool = False
) -> Iterator[Removable]:
    """Remove what was found, but what was promoted since, yielding each as it is gone.

    Args:
        store: where it is.
        items: what was found.
        keep_promoted: whether what environments had before stays as well.

    Raises:
        ArtifactDamaged: if it cannot be told what is promoted.
    """
    entries: list[str] | None = None
    promoted: set[str] = set()
    for item in items:
        if (there := ledger.names(store)) != entries:
            entries, promoted = there, ledger.kept(store, keep_promoted)
        if item.path in promoted:
            continue
        for path in item.objects:
            store.remove(path)
        for folder in {path.rpartition("/")[0] for path in item.objects} or {item.path}:
            store.remove_empty(folder)
        yield item
