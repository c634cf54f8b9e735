"""What a source held when it was last looked at, day by day, in little room.

A sensor keeps it as its cursor, which is one text: four bytes of each day's digest, one day after
the other, so that thirty years take less than 100 kB. Two contents of one day look the same to it
once in four thousand million times.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from ml_pipeline.params.identity import digest_of

_DIGITS: Final = 8
_NO_DAY: Final = "." * _DIGITS
_DIGEST: Final = re.compile(r"[0-9a-f]{32,}")
"""What has its differences in its first digits as well."""


@dataclass(frozen=True)
class SeenDays:
    """What was seen.

    Attributes:
        source: the place that was looked at.
        days: beginning of the digest of every day that had something.
        launches: how often something was launched, so that the same change is a new one next time.
    """

    source: str
    days: Mapping[date, str] = field(default_factory=dict)
    launches: int = 0

    @classmethod
    def of(cls, source: str, digests: Mapping[date, str], launches: int = 0) -> "SeenDays":
        """Keep what is needed of digests, or of any other texts that tell contents apart."""
        return cls(source, {day: _short(held) for day, held in digests.items()}, launches)

    def differing(self, other: "SeenDays") -> list[date]:
        """Return the days that are not as they were, in order; one that is gone is one of them."""
        days = {*self.days, *other.days}
        return sorted(day for day in days if self.days.get(day) != other.days.get(day))

    def to_text(self) -> str:
        """Return the text that `from_text` reads."""
        first, last = (min(self.days), max(self.days)) if self.days else (date.min, date.min)
        every = (first + timedelta(days=count) for count in range((last - first).days + 1))
        return json.dumps(
            {
                "source": self.source,
                "launches": self.launches,
                "first": first.isoformat(),
                "days": "".join(self.days.get(day, _NO_DAY) for day in every),
            }
        )

    @classmethod
    def from_text(cls, text: str | None) -> "SeenDays | None":
        """Read a text; None where there is none that can be read."""
        try:
            held = json.loads(text or "")
            first, line = date.fromisoformat(held["first"]), held["days"]
            parts = [line[place : place + _DIGITS] for place in range(0, len(line), _DIGITS)]
            days = {
                first + timedelta(days=count): part
                for count, part in enumerate(parts)
                if part != _NO_DAY
            }
            return cls(str(held["source"]), days, int(held["launches"]))
        except (ValueError, KeyError, TypeError, OverflowError):
            return None


def _short(held: str) -> str:
    digest = held if _DIGEST.fullmatch(held) else digest_of(held)
    return digest[:_DIGITS]
