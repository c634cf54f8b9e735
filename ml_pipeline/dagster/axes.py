"""Axes: the keys of one dimension of partitions, whatever Dagster makes them of.

Time windows have a start each and follow each other; static keys are listed in their order; dynamic
ones are those that an instance has at the moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Final, TypeAlias

import dagster as dg

from ml_pipeline.errors import nearest
from ml_pipeline.params.as_of import by_key, unusable
from ml_pipeline.text import quoted, shortened

ISO: Final = "%Y-%m-%d"
_A_DAY: Final = "1998-05-31"
_MOST_LISTED: Final = 10


@dataclass(frozen=True)
class Windows:
    """Time windows.

    Attributes:
        partitions: Dagster's own.
    """

    partitions: dg.TimeWindowPartitionsDefinition
    is_timed: ClassVar[bool] = True

    @property
    def keys(self) -> Sequence[str]:
        """All keys, in order: those of windows that are over."""
        return self.partitions.get_partition_keys()

    @property
    def latest(self) -> str | None:
        """The key of the last window that is over, if there is one."""
        return self.partitions.get_last_partition_key()

    @property
    def example(self) -> str:
        """A key as they look."""
        return _A_DAY if self.is_iso else self.latest or self.partitions.start.strftime(self._fmt)

    @property
    def is_iso(self) -> bool:
        """Whether keys are ISO dates."""
        return self._fmt == ISO

    @property
    def has_dates(self) -> bool:
        """Whether each key stands for a day."""
        return True

    def read(self, name: str, given: Any) -> str:
        """Return the key that somebody typed.

        Args:
            name: what the key is called where it was typed.
            given: the key, or another spelling of its date.

        Raises:
            ValueError: if it is none; its text says what must hold.
        """
        text = given if isinstance(given, str) else ""
        try:
            if self.is_iso:
                return date.fromisoformat(text).isoformat()
            datetime.strptime(text.removesuffix(self._offset(text)), self._fmt)
        except ValueError:
            what = "a date such as" if self.is_iso else f"of the form {self._fmt}, such as"
            raise ValueError(
                f"{name} must be {what} {self.example}, but got {quoted(given)}"
            ) from None
        return text

    def problem(self, name: str, key: str) -> str | None:
        """Return why there is no window of a key that can be read, or None where there is one."""
        if self.partitions.has_partition_key(key) and self.is_spelled(key):
            return None
        first = self.partitions.get_first_partition_key()
        is_day = self.is_iso and isinstance(self.partitions, dg.DailyPartitionsDefinition)
        what = "a day" if is_day else "a partition"
        if first is None:
            return f"{name} cannot be {key} yet: the partitions start in the future"
        return (
            f"{name} must be {what} from {first} to {self.latest}, but got {key}{self._near(key)}"
        )

    def is_spelled(self, key: str) -> bool:
        """Whether a key is how its window is spelled; Dagster takes times within some windows, too.

        Of what is no time of a window at all, that is left open.
        """
        if isinstance(self.partitions, dg.DailyPartitionsDefinition) and self._is_utc:
            return True
        window = self._window(key)
        return window is None or self._key(window) == key

    def order(self, key: str) -> Any:
        """Return a key that puts keys in order."""
        if self.is_iso:
            return 0, key
        start = self.start(key)
        return (1, by_key(key)) if start is None else (0, start.timestamp())

    def between(self, first: str | None, last: str | None) -> Sequence[str]:
        """Return the keys from one to another, the ends if omitted; none where these are turned."""
        first = first or self.partitions.get_first_partition_key()
        last = last or self.latest
        if first is None or last is None or self.order(first) > self.order(last):
            return []
        return self.partitions.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))

    def follows(self, key: str, other: str) -> bool:
        """Whether a key comes right after another one."""
        return self.partitions.get_next_partition_key(other) == key

    def start(self, key: str) -> datetime | None:
        """Return when the window of a key starts; None where it is none of these partitions."""
        window = self._window(key)
        return None if window is None else window.start

    def end(self, key: str) -> datetime | None:
        """Return when the window of a key is over; None where it is none of these partitions."""
        window = self._window(key)
        return None if window is None else window.end

    def recent(self, days: int) -> Sequence[str]:
        """Return the windows that lie in the last days that are over; at least the last one."""
        last = self.partitions.get_last_partition_window()
        if last is None:
            return []
        earliest, first = last.end - timedelta(days=days), last
        while (
            earlier := self.partitions.get_prev_partition_window(first.start)
        ) is not None and earlier.start >= earliest:
            first = earlier
        return self.partitions.get_partition_keys_in_time_window(
            dg.TimeWindow(first.start, last.end)
        )

    def holding(self, day: date) -> Sequence[str]:
        """Return the windows that have something of a day, but those that are not there yet."""
        zone = self.partitions.start.tzinfo
        start = datetime(day.year, day.month, day.day, tzinfo=zone)
        before = self.partitions.get_prev_partition_window(start, respect_bounds=False)
        first = before.end if before is not None else start
        if first >= start + timedelta(days=1):
            return []
        window = dg.TimeWindow(first, start + timedelta(days=1))
        keys = self.partitions.get_partition_keys_in_time_window(window)
        return [key for key in keys if self.partitions.has_partition_key(key)]

    def _near(self, key: str) -> str:
        """Name the partition that is meant by a key that is none, ready to end a message with."""
        after, last = self._window(key), self.partitions.get_last_partition_window()
        if after is None or last is None or after.start > last.end:
            return ""
        own = self._key(after)
        typed = datetime.strptime(key.removesuffix(self._offset(key)), self._fmt)
        if own in ("", key) or typed == after.start.replace(tzinfo=None):
            return f": write {own}" if own not in ("", key) else ""
        window = self.partitions.get_prev_partition_window(after.start)
        within = "" if window is None else self._key(window)
        return within and f", which lies in {within}"

    def _window(self, key: str) -> dg.TimeWindow | None:
        """Return the window that starts at or after a key; None where it cannot be read."""
        try:
            return self.partitions.time_window_for_partition_key(key)
        except ValueError:
            return None

    def _key(self, window: dg.TimeWindow) -> str:
        # A clock that is put forward may skip all of a window.
        return next(iter(self.partitions.get_partition_keys_in_time_window(window)), "")

    @property
    def _is_utc(self) -> bool:
        return str(self.partitions.timezone) == "UTC"

    @property
    def _fmt(self) -> str:
        return str(self.partitions.fmt)

    def _offset(self, text: str) -> str:
        """Return the offset that Dagster puts behind the second of two hours of one name."""
        tail = text[-5:]
        return (
            tail if tail[:1] in ("+", "-") and tail[1:].isdigit() and "%z" not in self._fmt else ""
        )


@dataclass(frozen=True)
class Listed:
    """Keys that are listed, by the code or by an instance.

    Attributes:
        list_keys: returns them in order.
        where: says where they are listed, for messages.
        is_dynamic: whether an instance lists them.
    """

    list_keys: Callable[[], Sequence[str]]
    where: str
    is_dynamic: bool = False
    is_timed: ClassVar[bool] = False

    @cached_property
    def keys(self) -> Sequence[str]:
        """All keys, in their order."""
        return [str(key) for key in self.list_keys()]

    @property
    def latest(self) -> str | None:
        """The last key, if there is one."""
        return self.keys[-1] if self.keys else None

    @property
    def example(self) -> str:
        """A key as they look."""
        return self.keys[0] if not self.is_dynamic and self.keys else "a key"

    @property
    def has_dates(self) -> bool:
        """Whether each key stands for a day, whatever keys come."""
        return not self.is_dynamic and all(map(_is_iso, self.keys))

    def read(self, name: str, given: Any) -> str:
        """Return the key that somebody typed.

        Raises:
            ValueError: if it is no text.
        """
        if isinstance(given, str):
            return given
        raise ValueError(f"{name} must be text, but got {quoted(given)}: put it in quotes")

    def problem(self, name: str, key: str) -> str | None:
        """Return why a key is none of these, or None where it is."""
        if key in self._places:
            why = unusable(key)
            return f"{name} must be part of a path, but {quoted(key)} {why}" if why else None
        if not self.keys:
            return f"{name} cannot be {quoted(key)}: {self.where} have no keys yet"
        more = len(self.keys) - _MOST_LISTED
        known = ", ".join(shortened(one) for one in self.keys[:_MOST_LISTED])
        known += f" and {more} more" if more > 0 else ""
        return (
            f"{name} must be one of {known}, the keys of {self.where}, but got {quoted(key)}."
            + nearest(key, self.keys)
        )

    def order(self, key: str) -> Any:
        """Return a key that puts keys in order: those listed no more come last."""
        if self.is_dynamic:
            return by_key(key)
        place = self._places.get(key)
        return (1, by_key(key)) if place is None else (0, place)

    def between(self, first: str | None, last: str | None) -> Sequence[str]:
        """Return the keys from one to another, the ends if omitted; none where these are turned."""
        start = 0 if first is None else self._places[first]
        end = len(self.keys) if last is None else self._places[last] + 1
        return self.keys[start:end]

    def follows(self, key: str, other: str) -> bool:
        """Whether a key comes right after another one."""
        return self._places.get(key) == self._places.get(other, len(self.keys)) + 1

    def start(self, key: str) -> datetime | None:
        """None: such a key has no time window."""
        return None

    def end(self, key: str) -> datetime | None:
        """None: such a key has no time window."""
        return None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self.keys)}


Axis: TypeAlias = Windows | Listed


def _is_iso(key: str) -> bool:
    try:
        return date.fromisoformat(key).isoformat() == key
    except ValueError:
        return False
