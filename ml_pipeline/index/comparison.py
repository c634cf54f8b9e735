"""What of a store an index lacks, and what it has that is gone: by names, without reading a record.

Every record's file has a stamp, which is another once it was written anew.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

_Told = TypeVar("_Told")
_Item = TypeVar("_Item")


class Found(NamedTuple):
    """A record's directory as it was found.

    Attributes:
        path: below the store's root.
        stamp: of the record's file; empty where that is gone.
        folder_stamp: of the folder that the revisions are in; 0 where that tells nothing.
    """

    path: str
    stamp: str
    folder_stamp: int = 0


class Folder(NamedTuple):
    """A folder above revisions, all in which was compared as it was at its stamp.

    Attributes:
        path: below the store's root.
        stamp: another once a name in the folder comes or goes; empty where it tells nothing yet,
            so that the folder is looked into again; None for a folder to forget.
    """

    path: str
    stamp: str | None


def beside(
    known: Iterable[Found], folders: Iterable[tuple[str, _Told]]
) -> Iterator[tuple[tuple[str, _Told] | None, list[Found]]]:
    """Bring folders together with what was known below each; None stands for those not there.

    Args:
        known: in the order of the bytes of paths.
        folders: those that are there, with anything that is told of them, in the same order.
    """
    waiting = iter(known)
    one = next(waiting, None)
    for folder in folders:
        start = f"{folder[0]}/"
        while one is not None and one.path < start:
            yield None, [one]
            one = next(waiting, None)
        below = []
        while one is not None and one.path.startswith(start):
            below.append(one)
            one = next(waiting, None)
        yield folder, below
    while one is not None:
        yield None, [one]
        one = next(waiting, None)


def gone(paths: Iterable[str]) -> Iterator[Found]:
    """Yield what is gone, by its paths."""
    return (Found(path, "") for path in paths)


def stamp_of(entry: Any) -> str:
    """Return the stamp of an object that was listed."""
    return str(entry["e_tag"] or f"{entry['last_modified'].isoformat()}-{entry['size']}")


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield items, so many at a time."""
    waiting = iter(items)
    while some := list(itertools.islice(waiting, size)):
        yield some
