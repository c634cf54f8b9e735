"""An object store compared with what is known of it: it tells stamps with the names.

It tells a thousand a request; dates are listed at the same time.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from ml_pipeline.index.comparison import Found, beside, gone, stamp_of
from ml_pipeline.store.artifacts import RECORD, ArtifactStore
from ml_pipeline.store.slots import revision_of

_RUN: Final = "run="
_LISTERS: Final = 16
_MOST_LEVELS: Final = 4


def differing(store: ArtifactStore, top: str, known: Iterable[Found]) -> Iterator[Found]:
    """Yield what is not as it was known: new, written anew, or gone, which has no stamp.

    Args:
        store: where to look.
        top: directory of an asset.
        known: what was found before, in the order of the bytes of paths.

    Raises:
        StoreUnreachable: if the store cannot be listed.
    """
    shelves = sorted(_shelves(store, top), key=lambda shelf: f"{shelf}/")
    with ThreadPoolExecutor(_LISTERS) as listers:
        listed: deque[Future[dict[str, str]]] = deque()
        waiting = iter(shelves)

        def ahead() -> Iterator[tuple[str, dict[str, str]]]:
            """Yield shelves with their records, while some of the next are being listed."""
            for shelf in shelves:
                while len(listed) <= _LISTERS and (more := next(waiting, None)) is not None:
                    listed.append(listers.submit(_records, store, more))
                yield shelf, listed.popleft().result()

        for shelf, before in beside(known, ahead()):
            records = shelf[1] if shelf is not None else {}
            stamps = {one.path: one.stamp for one in before}
            yield from gone(path for path in stamps if path not in records)
            for path, stamp in records.items():
                if stamps.get(path) != stamp:
                    yield Found(path, stamp)


def _shelves(store: ArtifactStore, top: str) -> list[str]:
    """Return prefixes that can be listed at the same time: those of dates, where there are any."""
    shelves = [top]
    for _ in range(_MOST_LEVELS):
        levels = {shelf: store.children(shelf) for shelf in shelves}
        names = [name for found in levels.values() for name in found]
        if not names or any(name.startswith(_RUN) for name in names):
            break
        shelves = [f"{shelf}/{name}" for shelf, found in levels.items() for name in found]
        if any(name.startswith("as_of=") for name in names):
            break
    return shelves


def _records(store: ArtifactStore, shelf: str) -> dict[str, str]:
    found = {}
    for entry in store.entries(shelf):
        directory = revision_of(entry["path"])
        if entry["path"] == f"{directory}/{RECORD}":
            found[directory] = stamp_of(entry)
    return found
