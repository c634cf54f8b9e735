"""What waits in an inbox, and what becomes of it when it is looked at."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from ml_pipeline.launch.run_request import RequestedRun
from ml_pipeline.params.identity import digest_of


@dataclass(frozen=True)
class Drop:
    """A file that waits.

    Attributes:
        name: its name.
        size: bytes.
        modified_ns: when it was written, in ns since 1970.
        still_s: for how long it has surely not changed, in seconds.
        is_file: whether it is a plain file, and not a link or device.
    """

    name: str
    size: int
    modified_ns: int
    still_s: float
    is_file: bool = True

    @property
    def stamp(self) -> str:
        """Another one means that the file was written again."""
        return f"{self.size}-{self.modified_ns}"

    def identity(self, content: str = "") -> str:
        """Return what tells this drop from every other: 16 hexadecimal digits."""
        return digest_of([self.name, self.stamp, content])


@dataclass(frozen=True)
class GoodDrop:
    """A drop that is a good request.

    Attributes:
        drop: the file.
        data: its bytes.
        id: identity of the drop.
        attempt: how many times it has been asked for, this time included.
        run: what it asks for.
    """

    drop: Drop
    data: bytes
    id: str
    attempt: int
    run: RequestedRun

    @property
    def key(self) -> str:
        """Names the run: equal for the same drop, whenever it is looked at."""
        return self.id if self.attempt == 1 else f"{self.id}-{self.attempt}"

    @property
    def is_unsure(self) -> bool:
        """Whether it may go on: only JSON tells by itself that it is whole."""
        return not (self.data.endswith(b"\n") or self.drop.name.lower().endswith(".json"))


@dataclass(frozen=True)
class BadDrop:
    """A drop that is not a good request.

    Attributes:
        drop: the file.
        data: its bytes, where they were read.
        problems: everything that is wrong with it.
    """

    drop: Drop
    data: bytes | None
    problems: Sequence[str]

    @property
    def is_unsure(self) -> bool:
        """Whether writing on might put it right."""
        return self.data is not None


@dataclass(frozen=True)
class StuckDrop:
    """A drop that nothing can be done with for now.

    Attributes:
        drop: the file.
        reason: what is in the way.
    """

    drop: Drop
    reason: str


@dataclass(frozen=True)
class Look:
    """What one look into the inbox found.

    Attributes:
        good: good requests, the oldest first.
        bad: bad ones.
        unfinished: files that may still be written.
        stuck: files that could not be read or looked up, and why; the next look tries again.
        waiting: how many files were not looked at for want of time.
    """

    good: Sequence[GoodDrop]
    bad: Sequence[BadDrop]
    unfinished: Sequence[Drop]
    stuck: Sequence[StuckDrop]
    waiting: int


@dataclass
class Memory:
    """What one look hands to the next.

    Attributes:
        watched: stamp of each unfinished file, and when it was first seen with it.
        news: what happened and has not been told yet.
    """

    watched: dict[str, tuple[str, float]] = field(default_factory=dict)
    news: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps({"watched": self.watched, "news": self.news})

    @classmethod
    def from_json(cls, text: str | None) -> "Memory":
        """Read a text; one that cannot be read is worth no more than none."""
        try:
            held = json.loads(text or "{}")
            watched = {name: (str(s), float(since)) for name, (s, since) in held["watched"].items()}
            return cls(watched, [str(line) for line in held["news"]])
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()
