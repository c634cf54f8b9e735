"""Which index answers a question: that of the installation, or one for the question alone.

What cannot be used is said once; what is damaged is set aside and made anew.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from ml_pipeline.errors import IndexUnusable
from ml_pipeline.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from ml_pipeline.index.database import Database
    from ml_pipeline.index.stored import Index

_Answer = TypeVar("_Answer")

log = logging.getLogger(__name__)
_kept: dict[str, "Database"] = {}


def ask(
    store: ArtifactStore, question: "Callable[[Index], _Answer]", is_thorough: bool = False
) -> _Answer:
    """Return the answer to a question about a store.

    Args:
        store: the store; it says which index it has, if any.
        question: asks an index; it is asked again of another where one cannot be used, or shows
            what is not there any more.
        is_thorough: whether every record is looked at before, as whoever removes anything needs it.

    Raises:
        StoreUnreachable: if the store cannot be read.
    """
    # What reaches databases takes as long to import as half of Dagster.
    from ml_pipeline.index.database import reaching, temporary
    from ml_pipeline.index.stored import Index, Stale

    place = store.index
    if place is not None and not _is_private(store):
        for _ in range(2):
            try:
                with reaching(place), _lent(place) as database:
                    try:
                        return question(Index(database, store, is_thorough))
                    except Stale:
                        return question(Index(database, store, True))
            except IndexUnusable as error:
                _kept.pop(place, None)
                if not _mended(place, error):
                    _say(str(error))
                    break
    with temporary() as database:
        return question(Index(database, store, True))


def kept_database(place: str) -> "Database":
    """Open the database of an index, once in a process.

    Raises:
        IndexUnusable: if it cannot be used.
    """
    from ml_pipeline.index.database import open_database

    if place not in _kept:
        _kept[place] = open_database(place)
    return _kept[place]


@contextlib.contextmanager
def _lent(place: str) -> "Iterator[Database]":
    """Give the database for one question; no connection outlives that, into a forked process."""
    database = kept_database(place)
    try:
        yield database
    finally:
        database.engine.dispose()


def _is_private(store: ArtifactStore) -> bool:
    """Whether a store is this process's own, and gone with it."""
    return store.uri.startswith("memory:")


def _mended(place: str, error: IndexUnusable) -> bool:
    """Set a damaged file aside, so that another is made in its place; False where it is none."""
    from ml_pipeline.index.database import is_damage, set_aside

    if error.__cause__ is None or not is_damage(error.__cause__):
        return False
    with contextlib.suppress(IndexUnusable):
        aside = set_aside(place)
        if aside is not None:
            log.warning(
                "The index %s was damaged. It is set aside as %s, and made anew from the store.",
                place,
                aside.name,
            )
        return True
    return False


@cache
def _say(why: str) -> None:
    log.warning("%s Until then records are read from the store, which takes longer.", why)
