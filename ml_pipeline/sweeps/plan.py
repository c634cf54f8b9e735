"""What a sweep comes to, told before it starts."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What a sweep comes to before it starts.

    Attributes:
        combinations: parameter sets asked for.
        dates: number of dates.
        duplicates: parameter sets that were the same as another.
        invalid: parameter sets left out because they are not valid.
        problems: why, with how many each concerns.
        reused: cells that are published already.
        to_run: cells that have to be computed; at most that many for a search.
        estimated_s: seconds that will take, None where there is nothing to estimate from.
        workers: worker processes.
        strategy: how parameter sets are chosen.
        noun: what to call one of the dates.
    """

    combinations: int
    dates: int
    duplicates: int
    invalid: int
    problems: Mapping[str, int]
    reused: int
    to_run: int
    estimated_s: float | None
    workers: int
    strategy: str
    noun: str = "date"

    @property
    def document(self) -> dict[str, Any]:
        """The plan in JSON form."""
        told = {name: value for name, value in asdict(self).items() if name != "noun"}
        return {**told, "problems": dict(self.problems), "sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """The plan in one line."""
        what = "combination" if self.strategy == "grid" else f"trial by {self.strategy}"
        parts = [f"{self.reused} reused"]
        if self.duplicates:
            parts.append(f"{_some(self.duplicates, 'duplicate')} dropped")
        if self.invalid:
            reasons = "; ".join(self.problems)
            parts.append(f"{self.invalid} invalid ({reasons})")
        parts.append(f"{'' if self.strategy == 'grid' else 'at most '}{self.to_run} to run")
        if self.to_run:
            on = _some(self.workers, "worker")
            if self.estimated_s is None:
                parts.append(f"no earlier run to estimate the time from, on {on}")
            else:
                parts.append(f"about {duration(self.estimated_s)} on {on}")
        head = f"{_some(self.combinations, what)} x {_some(self.dates, self.noun)}"
        return f"{head}: {', '.join(parts)}"


def _some(count: int, thing: str) -> str:
    head, _, tail = thing.partition(" ")
    plural = head if count == 1 else f"{head}s"
    return " ".join(part for part in (str(count), plural, tail) if part)


def duration(seconds: float) -> str:
    """Return seconds in words."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
