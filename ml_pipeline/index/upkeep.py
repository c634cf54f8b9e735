"""An index looked at, and made anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from ml_pipeline.addresses import masked
from ml_pipeline.errors import IndexUnusable
from ml_pipeline.index.database import set_aside
from ml_pipeline.index.opened import kept_database
from ml_pipeline.index.stored import Index
from ml_pipeline.index.tables import ARTIFACTS, READ, UNREADABLE
from ml_pipeline.store.artifacts import ArtifactStore


@dataclass(frozen=True)
class Standing:
    """How an index stands beside a store, for one asset.

    Attributes:
        asset: its name.
        read: how many records the index has.
        unreadable: how many it knows of that cannot be read.
        lacking: how many the store has that the index has not read, or as they were before.
        gone: how many the index has that the store has not any more.
    """

    asset: str
    read: int
    unreadable: int
    lacking: int
    gone: int


def kept_index(store: ArtifactStore) -> Index:
    """Return the index that is kept of a store.

    Raises:
        IndexUnusable: if there is none, or it cannot be used.
    """
    if store.index is None:
        raise IndexUnusable(
            "An index must be kept to be looked at or rebuilt, but ML_PIPELINE_INDEX is none, and"
            " every question reads the store. Set it to a database, or not at all."
        )
    return Index(kept_database(store.index), store, is_thorough=True)


def standing(store: ArtifactStore, assets: Sequence[str]) -> list[Standing]:
    """Compare an index with its store; nothing is changed in either.

    Args:
        store: the store.
        assets: names of the assets.

    Raises:
        IndexUnusable: if there is none, or it cannot be used.
        StoreUnreachable: if the store cannot be listed.
    """
    index = kept_index(store)
    found = []
    for line in index.catching_up.lines(assets):
        with index.database.reading() as connection:
            states = (
                select(ARTIFACTS.c.state, func.count())
                .where(ARTIFACTS.c.line == line.id)
                .group_by(ARTIFACTS.c.state)
            )
            counts = {row.state: row[1] for row in connection.execute(states)}
        new, gone = index.catching_up.lacking(line)
        unread = sum(counts.values()) - counts.get(READ, 0) - counts.get(UNREADABLE, 0)
        found.append(
            Standing(line.asset, counts.get(READ, 0), counts.get(UNREADABLE, 0), new + unread, gone)
        )
    return found


def rebuild(store: ArtifactStore, assets: Sequence[str], tell: Callable[[int, int], object]) -> int:
    """Read every record again, and tell how many there are; a damaged file is set aside before.

    Args:
        store: the store.
        assets: names of the assets.
        tell: called with how many records are read, of how many.

    Raises:
        IndexUnusable: if there is none, or it cannot be used.
        StoreUnreachable: if the store cannot be read.
    """
    if store.index is not None:
        set_aside(store.index)
    index = kept_index(store)
    known = index.catching_up.lines(assets)
    index.catching_up.writer.doubt(known)
    with index.catching_up.anew(known):
        lines = [line.id for line in index.read(assets, tell=tell)]
    with index.database.reading() as connection:
        count = select(func.count()).where(ARTIFACTS.c.line.in_(lines), ARTIFACTS.c.state == READ)
        return int(connection.execute(count).scalar_one())


def place_of(store: ArtifactStore) -> str:
    """Return where the index of a store is, as people may see it."""
    return "none" if store.index is None else masked(store.index)
