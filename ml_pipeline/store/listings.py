"""Listings: which names there are in a store elsewhere, and how large what they name is.

One request tells of a thousand names, where a look at each takes one or two. What a listing tells
is what there was a moment ago: enough to plan by, and whoever computes looks again.
"""

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import groupby, islice
from math import ceil
from typing import TYPE_CHECKING, Final

from ml_pipeline.errors import StoreError
from ml_pipeline.store.slots import revision_of

if TYPE_CHECKING:
    from ml_pipeline.store.objects import Objects

_FEWEST: Final = 3
_LOOKS_PER_PAGE: Final = 8
_NAMES_PER_PAGE: Final = 1000


class Listing:
    """All names below some directories.

    Attributes:
        directories: the directories.
        sizes: bytes of each object by its path.
    """

    def __init__(self, directories: Collection[str], sizes: Mapping[str, int]) -> None:
        """Keep what was listed."""
        self.directories = frozenset(directories)
        self.sizes = sizes

    def covers(self, path: str) -> bool:
        """Whether a path is below one of the directories."""
        while path:
            path = path.rpartition("/")[0]
            if path in self.directories:
                return True
        return False

    def lacks(self, path: str) -> bool:
        """Whether an object is known not to be there."""
        return path not in self.sizes and self.covers(path)

    def is_empty(self, slot: str) -> bool:
        """Whether the directory of a slot is known to have no revision."""
        return slot not in self._slots and self.covers(slot)

    def sizes_below(self, folder: str) -> dict[str, int]:
        """Return the sizes of all objects below a folder, by path in it."""
        start = f"{folder}/"
        return {
            path.removeprefix(start): size
            for path, size in self.sizes.items()
            if path.startswith(start)
        }

    @cached_property
    def _slots(self) -> frozenset[str]:
        return frozenset(revision_of(path).rpartition("/")[0] for path in self.sizes)


def listing_of(store: "Objects", slots: Sequence[Sequence[str]]) -> Listing | None:
    """List what there is of some slots, where that takes fewer requests than a look at each.

    What they are in may hold far more than is asked for; then it is given up soon, at the cost of
    one request for every few looks.

    Args:
        store: where to look.
        slots: directories of slots, of one asset after the other.

    Returns:
        What was listed; None where nothing was.
    """
    found: dict[str, Mapping[str, int]] = {}
    asked = {posixpath.commonpath(those): those for those in slots if those}
    # All dates of an asset at once, or else one after the other.
    for _ in range(2):
        listed = store.each(partial(_listed, store), asked.items())
        found |= {top: sizes for top, sizes in zip(asked, listed, strict=True) if sizes is not None}
        asked = dict(_by_shelf(those for top, those in asked.items() if top not in found))
    sizes = {path: size for one in found.values() for path, size in one.items()}
    return Listing(found, sizes) if found else None


def _by_shelf(slots: Iterator[Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    for those in slots:
        for shelf, on_it in groupby(sorted(those), lambda slot: slot.rpartition("/")[0]):
            yield shelf, list(on_it)


def _listed(store: "Objects", asked: tuple[str, Sequence[str]]) -> Mapping[str, int] | None:
    """Return the sizes of what is below a directory; None where that is too much, or forbidden."""
    top, slots = asked
    if len(slots) < _FEWEST:
        return None
    most = ceil(len(slots) / _LOOKS_PER_PAGE) * _NAMES_PER_PAGE
    try:
        sizes = {one["path"]: one["size"] for one in islice(store.entries(top), most + 1)}
    except StoreError:
        # Whoever looks at each name is told what is wrong.
        return None
    return sizes if len(sizes) <= most else None
