"""What a format is: one way to keep a value in a file, and to read it again."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from ml_pipeline.errors import ArtifactDamaged


class Format(ABC):
    """One way to keep a value in a file.

    Bytes must be the same for the same value, in every process and at any time: identity of what
    lies downstream counts stored content. Hence no timestamps, no memory addresses and no pickle.

    Attributes:
        name: the word for it in records.
        filename: the file's name in its directory.
        types: the classes that it keeps, subclasses included: a class, or ``"package:Class"`` for
            one whose package need not be imported. Of two formats the one with the class that is
            nearer to the value's is asked first.
    """

    name: ClassVar[str]
    filename: ClassVar[str]
    types: ClassVar[tuple[type | str, ...]] = ()

    def accepts(self, value: Any) -> bool:
        """Whether this format keeps `value` whole: by default, whether it is of its types."""
        return self.distance(value) is not None

    @abstractmethod
    def write(self, value: Any, path: Path) -> None:
        """Write `value` to a new file.

        Raises:
            PipelineError: if it holds what would not come back as it is.
        """

    @abstractmethod
    def read(self, source: Path | bytes, lazy: bool) -> Any:
        """Read the value back.

        Args:
            source: a local file, or the bytes of one that is elsewhere.
            lazy: whether a deferred form is wanted where the format has one.
        """

    def prove(self, source: Path | bytes) -> None:
        """Refuse what cannot be read back: by default, by reading it.

        Nothing is published that this refuses.

        Args:
            source: what `write` wrote.

        Raises:
            ArtifactDamaged: if it cannot be read.
        """
        try:
            self.read(source, lazy=False)
        except (
            *(ArithmeticError, AttributeError, EOFError, ImportError, LookupError, RecursionError),
            *(TypeError, ValueError),
        ) as error:
            raise ArtifactDamaged(
                f"The format '{self.name}' must read back what it writes, but cannot:"
                f" {type(error).__name__}: {error!s:.300}. Put its read or write right."
            ) from error

    def keep(self, value: Any, path: Path) -> None:
        """Write a value and prove that it can be read back.

        Raises:
            PipelineError: if the value cannot be kept.
        """
        self.write(value, path)
        self.prove(path)

    def describe(self, value: Any) -> dict[str, int]:
        """Return the value's sizes, such as rows and columns."""
        return {}

    def reading_code(self) -> Iterable[Callable[..., Any]]:
        """Return the classes and functions that make what `read` returns.

        Those among them that are first-party are part of what an artifact is for who reads it.
        """
        return [type(self)]

    def copies(self, value: Any, is_fresh: bool) -> Callable[[], Any] | None:
        """Return what makes copies of a value as reading it back would, only faster.

        Args:
            value: the value as it is now.
            is_fresh: whether it was just computed, and not read from its stored form.

        Returns:
            None where only reading is sure to give what reading gives.
        """
        return None

    def distance(self, value: Any) -> int | None:
        """Return how far the class of a value is from the nearest of `types`; None if it is none.

        Args:
            value: anything; nothing is imported to tell.
        """
        for steps, cls in enumerate(type(value).__mro__):
            name = f"{cls.__module__.partition('.')[0]}:{cls.__name__}"
            if cls in self.types or name in self.types:
                return steps
        return None


def dotted(named: Any) -> str:
    """Return the full name of a class or function."""
    return f"{named.__module__}.{named.__qualname__}"
