"""What a format is: one way to keep a value in a file or a folder, and to read it again."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.store.formats.sample import Sample

if TYPE_CHECKING:
    from ml_pipeline.store.formats.registry import Formats


class Format(ABC):
    """One way to keep a value in a file, or in a folder of files.

    Bytes must be the same for the same value, in every process and at any time: identity of what
    lies downstream counts stored content. Hence no timestamps, no memory addresses and no pickle.

    Attributes:
        name: the word for it in records.
        filename: the name of the file, or of the folder, in the artifact's directory.
        is_directory: whether it keeps values in a folder.
        needs_file: whether what `read` returns goes on reading what it was read from; a deferred
            form always may.
        is_model: whether what it keeps are models; beside each there is a card.
        types: the classes that it keeps, subclasses included: a class, or ``"package:Class"`` for
            one whose package need not be imported. Of two formats the one with the class that is
            nearer to the value's is asked first.
    """

    name: ClassVar[str]
    filename: ClassVar[str]
    is_directory: ClassVar[bool] = False
    needs_file: ClassVar[bool] = False
    is_model: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ()

    def accepts(self, value: Any) -> bool:
        """Whether this format keeps `value` whole: by default, whether it is of its types."""
        return self.distance(value) is not None

    @abstractmethod
    def write(self, value: Any, path: Path) -> None:
        """Write `value` to a new file, or into a folder that is there and empty.

        A folder may hold folders; links may lead to files within it.

        Args:
            value: what the format accepts; never change it.
            path: where the file is to be; a folder is there already.

        Raises:
            PipelineError: if it holds what would not come back as it is.
        """

    @abstractmethod
    def read(self, path: Path, lazy: bool) -> Any:
        """Read the value back.

        Args:
            path: the file or folder on this machine, with the very bytes that were written. It is
                the store's own or a copy: change nothing there.
            lazy: whether a deferred form is wanted where the format has one.

        Returns:
            A value equal to the one that was written, or its deferred form.
        """

    def prove(self, path: Path) -> None:
        """Refuse what cannot be read back: by default, by reading it.

        Nothing is published that this refuses.

        Args:
            path: what `write` wrote.

        Raises:
            ArtifactDamaged: if it cannot be read.
        """
        with proving(self.name):
            self.read(path, lazy=False)

    def keep(self, value: Any, path: Path) -> None:
        """Write a value and prove that it can be read back.

        Args:
            value: what the format accepts.
            path: as for `write`.

        Raises:
            PipelineError: if the value cannot be kept.
        """
        self.write(value, path)
        self.prove(path)

    def defers(self, value: Any) -> bool:
        """Whether a value is read from elsewhere while it is written."""
        return False

    def describe(self, value: Any) -> dict[str, int]:
        """Return the value's sizes, such as rows and columns."""
        return {}

    def columns(self, file: BinaryIO, size: int) -> dict[str, str] | None:
        """Return the types of a table's columns by name, read without reading the whole.

        Args:
            file: what `write` wrote, from the store.
            size: its bytes.

        Returns:
            None where the format keeps no tables.

        Raises:
            ValueError: if there are none to read.
        """
        return None

    def picture_in(self, path: Path) -> str | None:
        """Return an SVG of the value to show in the UI, if it is something to look at.

        Args:
            path: what `write` wrote.
        """
        return None

    def sample_in(self, path: Path, rows: int) -> Sample | None:
        """Return columns and first rows of the value to show in the UI, if it is a table.

        Args:
            path: what `write` wrote.
            rows: how many rows; none to tell the columns alone.
        """
        return None

    def reading_code(self) -> Iterable[Callable[..., Any]]:
        """Return the classes and functions that make what `read` returns.

        Those among them that are first-party are part of what an artifact is for who reads it.
        """
        return [type(self)]

    def within(self, formats: "Formats") -> "Format":
        """Return the format as it is in a pipeline, which may trust classes of its own.

        Args:
            formats: all formats of the pipeline.
        """
        return self

    def inner(self) -> Iterable["Format"]:
        """Return the formats that keep parts of this format's values."""
        return ()

    def classes_in(self, path: Path) -> list[str] | None:
        """Return the full names of those in `reading_code` that a value needs; None if it may all.

        Args:
            path: what `write` wrote.
        """
        return None

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
        return self.distance_of(type(value))

    def distance_of(self, kind: type[Any]) -> int | None:
        """Return how far the class `kind` is from the nearest of `types`; None if it is of none."""
        for steps, cls in enumerate(kind.__mro__):
            name = f"{cls.__module__.partition('.')[0]}:{cls.__name__}"
            if cls in self.types or name in self.types:
                return steps
        return None


@contextmanager
def proving(name: str) -> Iterator[None]:
    """Turn what reading says of what cannot be read back into one error.

    Args:
        name: that of the format.
    """
    try:
        yield
    except (
        *(ArithmeticError, AttributeError, EOFError, ImportError, LookupError, RecursionError),
        *(TypeError, ValueError),
    ) as error:
        raise ArtifactDamaged(
            f"The format '{name}' must read back what it writes, but cannot:"
            f" {type(error).__name__}: {error!s:.300}. Put its read or write right."
        ) from error


def dotted(named: Any) -> str:
    """Return the full name of a class or function."""
    return f"{named.__module__}.{named.__qualname__}"
