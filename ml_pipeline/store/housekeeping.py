"""Keeping a store in order: check what is there, and remove what nobody needs any more."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from ml_pipeline.errors import StoreError
from ml_pipeline.store import claims, ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.shared import is_shared, is_wanted

_READERS: Final = 4
_AT_ONCE: Final = 100
"""How much goes at a time from a store elsewhere, where looking before each takes requests."""


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

    if store.directory is None:
        yield from store.each(check, paths)
        return
    with ThreadPoolExecutor(_READERS) as readers:
        yield from readers.map(check, paths)


def remove(
    store: ArtifactStore, items: Sequence[Removable], keep_promoted: bool = False
) -> Iterator[Removable]:
    """Remove what was found, but what was promoted since or is read, yielding each as it is gone.

    Args:
        store: where it is.
        items: what was found.
        keep_promoted: whether what environments had before stays as well.

    Raises:
        ArtifactDamaged: if it cannot be told what is promoted.
    """
    entries: list[str] | None = None
    holders: list[str] | None = None
    promoted: set[str] = set()
    read: set[str] = set()
    wanted: set[str] = set()

    def stays(path: str) -> bool:
        if path in promoted or path in read:
            return True
        shelf = path.rpartition("/")[0]
        return is_shared(path) and (is_wanted(path, wanted) or shelf in read)

    at_once = 1 if store.directory is not None else _AT_ONCE
    for start in range(0, len(items), at_once):
        if (there := ledger.names(store)) != entries:
            entries, promoted = there, ledger.kept(store, keep_promoted)
        if (claims_there := claims.names(store)) != holders:
            holders, read = claims_there, claims.read_by_holders(store)
            if any(is_shared(one.path) for one in items):
                # Who has published meanwhile may count on what nobody wanted before.
                wanted = store.wanted(store.markers(assets_in(store)))
        going = [item for item in items[start : start + at_once] if not stays(item.path)]
        # What makes it readable is gone before anything else of it is.
        store.remove_all([path for item in going for path in item.objects[:1]])
        store.remove_all([path for item in going for path in item.objects[1:]])
        for item in going:
            store.mark(item.path)
            for folder in {path.rpartition("/")[0] for path in item.objects} or {item.path}:
                store.remove_empty(folder)
            yield item
