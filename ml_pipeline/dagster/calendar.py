"""The calendar of a pipeline: the keys of its partitions, at every door and within every run.

Partitions have no axis, one, or two, whose keys stand in a key as Dagster joins them. What somebody
asks for is a range on each axis; `*` is all of one. So whatever is asked for is what one range in
Dagster covers: it takes ranges axis by axis, too.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from ml_pipeline.dagster.axes import Axis, Listed, Windows
from ml_pipeline.errors import ParamsError, PipelineError, SettingsError
from ml_pipeline.params.as_of import AsOf, as_of_from_key, by_key
from ml_pipeline.runs.keys import Meaning
from ml_pipeline.text import quoted

AS_OF: Final = "as_of"
ALL: Final = "*"
"""Stands for all keys of an axis where somebody asks for partitions."""

_JOINS: Final = "|"
_IN_THE_FUTURE: Final = "as_of cannot have a value yet: the calendar starts in the future"


@dataclass(frozen=True)
class Calendar:
    """The partitions of a pipeline.

    Attributes:
        pipeline: its name.
        axes: by the name of the dimension, in the order in which they stand in keys.
        set_by: says where the calendar is set.
    """

    pipeline: str
    axes: Mapping[str, Axis]
    set_by: str

    @property
    def is_partitioned(self) -> bool:
        """Whether there are partitions at all."""
        return bool(self.axes)

    @property
    def example(self) -> str:
        """A key as they look."""
        return _JOINS.join(axis.example for axis in self.axes.values())

    @property
    def suggested(self) -> str:
        """A key that can be asked for, as far as there is one."""
        found = [axis.latest or axis.example for axis in self.axes.values()]
        return _JOINS.join(found)

    @property
    def form(self) -> str:
        """How keys are made of those of the axes, for messages."""
        return _JOINS.join(self.axes)

    def meaning(self, as_of: AsOf) -> Meaning:
        """Return what a key stands for.

        Raises:
            PipelineError: if it is no key of these partitions.
        """
        key = str(as_of)
        parts = self._parts(key)
        if parts is None or not self._are_spelled(parts):
            raise PipelineError(
                f"The key of a partition of pipeline '{self.pipeline}' must be like {self.example},"
                f" but is {quoted(key)}. It may be of other partitions that the pipeline had."
            )
        meanings = {
            name: Meaning(part, axis.start(part), end=axis.end(part))
            for (name, axis), part in zip(self.axes.items(), parts, strict=True)
        }
        timed = [one for one in meanings.values() if one.start is not None]
        start, end = (timed[0].start, timed[0].end) if len(timed) == 1 else (None, None)
        return Meaning(key, start, meanings if len(meanings) > 1 else {}, end)

    def order(self, as_of: AsOf | None) -> Any:
        """Return a key that puts partitions in order; those of other partitions come first."""
        parts = self._parts(str(as_of)) if as_of is not None else None
        if parts is None:
            return 0, by_key(as_of)
        axes = zip(self.axes.values(), parts, strict=True)
        return 1, tuple(axis.order(part) for axis, part in axes)

    def is_between(self, as_of: AsOf, first: AsOf | None, last: AsOf | None) -> bool:
        """Whether a key is neither before a first nor after a last one, on each axis."""
        parts = self._parts(str(as_of))
        ends = [(end, self._parts(str(end))) for end in (first, last) if end is not None]
        if parts is None or any(found is None for _, found in ends):
            return first is None and last is None
        for place, (axis, part) in enumerate(zip(self.axes.values(), parts, strict=True)):
            for end, found in ends:
                bound = found[place] if found is not None else ALL
                before, after = (bound, part) if end is first else (part, bound)
                if bound != ALL and axis.order(before) > axis.order(after):
                    return False
        return True

    def ends(self, dates: Sequence[AsOf | None]) -> tuple[AsOf | None, AsOf | None]:
        """Return the first and last key of the range that has all of some, which are in order."""
        parts = [self._parts(str(day)) for day in dates if day is not None]
        known = [part for part in parts if part is not None]
        if len(self.axes) < 2 or not known:
            return dates[0], dates[-1]
        ranges = zip(self.axes.values(), zip(*known, strict=True), strict=True)
        sides = [(min(on, key=axis.order), max(on, key=axis.order)) for axis, on in ranges]
        first, last = (as_of_from_key(_JOINS.join(ends)) for ends in zip(*sides, strict=True))
        return first, last

    def bound(self, name: str, text: str) -> AsOf:
        """Read the first or last key of a range in which not every partition need be there.

        Raises:
            ValueError: if it is no key; its text says what must hold.
        """
        problems: list[str] = []
        parts = self._read(name, text, problems)
        if parts is None:
            raise ValueError("; ".join(problems))
        return as_of_from_key(_JOINS.join(ALL if part is None else part for part in parts))

    def read(self, asked: Mapping[str, Any], problems: list[str]) -> Sequence[AsOf | None]:
        """Read what somebody asked for: one key, several, or the ends of a range.

        Args:
            asked: one value, or a list of them, or the first and the last one of a range, by what
                they are called where they were given. Nothing is the last partition that is over.
            problems: what is wrong is added here.

        Returns:
            The keys in order, or none if something is wrong with them.
        """
        if not self.axes:
            problems += [
                f"{name} has no effect: pipeline '{self.pipeline}' has no partitions"
                for name in asked
            ]
            return [] if asked else [None]
        if not asked:
            return self._latest(problems)
        found: list[str] = []
        known: dict[str, AsOf] = {}
        for ranges in self._ranges(asked, found):
            known |= {key: as_of_from_key(key) for key in self._joined(ranges)}
        problems += dict.fromkeys(found)
        return [] if found else list(known.values())

    def in_runs(self, dates: Sequence[AsOf | None], most: int) -> list[list[AsOf | None]]:
        """Return keys as groups that one Dagster run each can cover.

        Args:
            dates: in order, no two alike.
            most: most keys of a group.
        """
        parts = {day: self._parts(str(day)) or [] for day in dates}
        if len(parts) <= 1 or not self.axes:
            return [list(dates)] if dates else []
        axes = list(self.axes.values())
        if len(axes) == 1:
            return _chained(dates, most, lambda day, other: axes[0].follows(str(day), str(other)))
        if len(dates) <= most and self._is_box(list(parts.values())):
            return [list(dates)]
        # As Dagster's own backfills do: along one axis, for each key of that with fewer of them.
        counts = [len({part[place] for part in parts.values()}) for place in (0, 1)]
        held = 0 if counts[0] <= counts[1] else 1
        groups: dict[str, list[AsOf | None]] = {}
        for day, part in parts.items():
            groups.setdefault(part[held], []).append(day)
        along = axes[1 - held]

        def follows(day: AsOf | None, other: AsOf | None) -> bool:
            return along.follows(parts[day][1 - held], parts[other][1 - held])

        return [run for group in groups.values() for run in _chained(group, most, follows)]

    @property
    def is_dynamic(self) -> bool:
        """Whether only an instance knows all keys."""
        return any(isinstance(axis, Listed) and axis.is_dynamic for axis in self.axes.values())

    def refuse_timeless(self) -> None:
        """Refuse partitions of which nobody can tell what is late or new.

        Raises:
            SettingsError: if none of the axes is of time windows, or both are.
        """
        _ = self._timed

    @property
    def _timed(self) -> Windows:
        """The axis of time windows.

        Raises:
            SettingsError: if there is none, or two.
        """
        found = [axis for axis in self.axes.values() if isinstance(axis, Windows)]
        if len(found) != 1:
            raise SettingsError(
                f"Pipeline '{self.pipeline}' must be partitioned by time, so that what is late or"
                f" new can be told, but {'both' if found else 'none'} of its dimensions is of time"
                " windows. Give it a DailyPartitionsDefinition or the like."
            )
        return found[0]

    def recent(self, days: int) -> Sequence[AsOf]:
        """Return the partitions of the last days that are over, in order; at least the last one.

        Raises:
            ParamsError: if there is no partition yet.
        """
        found = self._at(self._timed.recent(days))
        if not found:
            raise ParamsError([_IN_THE_FUTURE])
        return found

    def holding(self, days: Iterable[date]) -> dict[date, Sequence[AsOf]]:
        """Return the partitions that have something of days; those that have none are left out."""
        found = {day: self._at(self._timed.holding(day)) for day in days}
        return {day: keys for day, keys in found.items() if keys}

    def _at(self, windows: Sequence[str]) -> list[AsOf]:
        """Return the keys that have one of some time windows."""
        ranges = [
            windows if isinstance(axis, Windows) else axis.keys for axis in self.axes.values()
        ]
        return [as_of_from_key(key) for key in self._joined(ranges)]

    def _latest(self, problems: list[str]) -> Sequence[AsOf | None]:
        axis = next(iter(self.axes.values()))
        if len(self.axes) == 1 and isinstance(axis, Windows):
            if axis.latest is not None:
                return [as_of_from_key(axis.latest)]
            problems.append(_IN_THE_FUTURE)
        else:
            problems.append(f"{AS_OF} must be given, such as {self._like}")
        return []

    def _ranges(
        self, asked: Mapping[str, Any], found: list[str]
    ) -> Iterator[Sequence[Sequence[str]]]:
        """Yield, for each thing asked for, the keys of each axis."""
        axes = list(self.axes.values())
        if len(asked) == 1:
            ((name, given),) = asked.items()
            if given in ([], ()):
                found.append(f"{name} must have at least one key, but got {quoted(given)}")
            for value in given if isinstance(given, list | tuple) else [given]:
                parts = self._there(name, value, found)
                if parts is not None:
                    yield [
                        axis.keys if part is None else [part]
                        for axis, part in zip(axes, parts, strict=True)
                    ]
            return
        (of_first, first), (of_last, last) = asked.items()
        begun, ended = self._there(of_first, first, found), self._there(of_last, last, found)
        if begun is None or ended is None:
            return
        ranges = []
        for axis, start, end in zip(axes, begun, ended, strict=True):
            keys = axis.between(start, end)
            if not keys:
                found.append(f"{of_first} must not be after {of_last}, but got {first} and {last}")
            ranges.append(keys)
        yield ranges

    def _there(self, name: str, value: Any, found: list[str]) -> list[str | None] | None:
        """Read a key of a partition that is there; an axis of which all is meant is None."""
        parts = self._read(name, value, found)
        if parts is None:
            return None
        before = len(found)
        for (dimension, axis), part in zip(self.axes.items(), parts, strict=True):
            if part is None or not (problem := axis.problem(self._called(dimension, AS_OF), part)):
                continue
            found.append(f"{problem}; {self.set_by}" if isinstance(axis, Windows) else problem)
        return parts if len(found) == before else None

    def _read(self, name: str, value: Any, found: list[str]) -> list[str | None] | None:
        texts = [value]
        if len(self.axes) > 1:
            texts = value.split(_JOINS) if isinstance(value, str) else []
            if len(texts) != len(self.axes):
                found.append(f"{name} must be like {self._like}, but got {quoted(value)}")
                return None
        parts: list[str | None] = []
        before = len(found)
        for (dimension, axis), text in zip(self.axes.items(), texts, strict=True):
            if text == ALL and (isinstance(axis, Windows) or ALL not in axis.keys):
                parts.append(None)
                continue
            try:
                parts.append(axis.read(self._called(dimension, name), text))
            except ValueError as error:
                found.append(str(error))
        return parts if len(found) == before else None

    @property
    def _like(self) -> str:
        if len(self.axes) == 1:
            return f"{quoted(self.suggested)}; {ALL} stands for all"
        return f"{self.suggested}, which is {self.form}; {ALL} stands for all of one"

    def _called(self, dimension: str, name: str) -> str:
        return f"{dimension} of {name}" if len(self.axes) > 1 else name

    def _joined(self, ranges: Iterable[Sequence[str]]) -> list[str]:
        return [_JOINS.join(parts) for parts in itertools.product(*ranges)]

    def _parts(self, key: str) -> list[str] | None:
        """Return a key axis by axis, or None where it is one of other partitions."""
        parts = key.split(_JOINS) if len(self.axes) > 1 else [key]
        return parts if len(parts) == len(self.axes) else None

    def _are_spelled(self, parts: Sequence[str]) -> bool:
        """Whether the parts of a key are how windows are spelled, as far as they are windows."""
        pairs = zip(self.axes.values(), parts, strict=True)
        return all(isinstance(axis, Listed) or axis.is_spelled(part) for axis, part in pairs)

    def _is_box(self, parts: Sequence[Sequence[str]]) -> bool:
        """Whether keys are all of a range on each axis."""
        ranges = [list(dict.fromkeys(part[place] for part in parts)) for place in (0, 1)]
        gapless = all(
            axis.follows(key, other)
            for axis, keys in zip(self.axes.values(), ranges, strict=True)
            for other, key in itertools.pairwise(keys)
        )
        return gapless and len(parts) == len(ranges[0]) * len(ranges[1])


def _chained(
    dates: Sequence[AsOf | None],
    most: int,
    follows: Callable[[AsOf | None, AsOf | None], bool],
) -> list[list[AsOf | None]]:
    """Return keys as ranges without gaps, none longer than the most."""
    runs: list[list[AsOf | None]] = []
    for day in dates:
        if runs and len(runs[-1]) < most and follows(day, runs[-1][-1]):
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs
