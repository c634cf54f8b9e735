"""Ledgers of promotions as an index has them: only the entries that are new are read."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ml_pipeline.index.comparison import stamp_of
from ml_pipeline.index.opened import ask
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.ledger import Promotion

if TYPE_CHECKING:
    from ml_pipeline.index.stored import Index

_READERS: Final = 16


def history(store: ArtifactStore) -> list[Promotion]:
    """Return all entries, those of an environment in the order in which they were made.

    To show them; whoever adds one reads the ledger itself.

    Args:
        store: where the ledger is.

    Raises:
        ArtifactDamaged: if an entry cannot be read.
        StoreUnreachable: if the store cannot be read.
    """
    return ask(store, _entries) if store.index is not None else ledger.history(store)


def _entries(index: "Index") -> list[Promotion]:
    store, place = index.store, index.catching_up.place
    there = {entry["path"]: stamp_of(entry) for entry in store.entries(ledger.FOLDER)}
    known = index.catching_up.writer.promotions(place)
    texts = {path: text for path, (stamp, text) in known.items() if there.get(path) == stamp}
    new = sorted(there.keys() - texts.keys())
    with ThreadPoolExecutor(_READERS) as readers:
        read = dict(zip(new, readers.map(store.read, new), strict=True))
    texts |= {path: text for path, text in read.items() if text is not None}
    found = [ledger.read_entry(store, path, text) for path, text in sorted(texts.items())]
    if new or known.keys() - there.keys():
        index.catching_up.writer.set_promotions(
            place, {path: (there[path], text) for path, text in texts.items()}
        )
    return ledger.in_order(found)
