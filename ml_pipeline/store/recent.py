"""Values that this process has just made or read, kept for whoever reads them next.

In a sweep many trials read one table, and an evaluation reads the model that was fitted a moment
ago. Only values of which a reader can be given a copy of its own, cheaper than by reading it back,
are kept, so that no stage sees what another has done to its input. A value is known by the digest
of its bytes: the same digest is the same value.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ml_pipeline.store.formats import Format
from ml_pipeline.store.record import Content


class RecentValues:
    """A bounded number of bytes of recent values, the least recently used one dropped first."""

    def __init__(self, most_bytes: int) -> None:
        """Start empty.

        Args:
            most_bytes: how much to keep, measured by the size of the stored files.
        """
        self.most_bytes = most_bytes
        self._held: OrderedDict[tuple[str, str], tuple[int, Callable[[], Any]]] = OrderedDict()

    def keep(self, content: Content, kept_as: Format, value: Any, is_fresh: bool) -> None:
        """Keep a value, if its format can copy it.

        Args:
            content: the stored bytes that the value has.
            kept_as: the format that wrote them.
            value: the value; later changes to it do not reach the copies.
            is_fresh: whether it was just computed, and not read.
        """
        key = content.format, content.digest
        if key in self._held or content.bytes > self.most_bytes:
            return
        copies = kept_as.copies(value, is_fresh)
        if copies is None:
            return
        self._held[key] = content.bytes, copies
        while sum(size for size, _ in self._held.values()) > self.most_bytes:
            self._held.popitem(last=False)

    def copy_of(self, content: Content) -> Any:
        """Return a copy of the value with these bytes, or None where it is not held."""
        key = content.format, content.digest
        if key not in self._held:
            return None
        self._held.move_to_end(key)
        return self._held[key][1]()
