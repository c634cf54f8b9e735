"""Values that JSON has no word for as JSON with tags: dates, tuples, data classes and the like."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.store.formats.format import Format
from ml_pipeline.store.formats.own_types import tag_of
from ml_pipeline.store.formats.tags import SIMPLE, Reader, Writer, is_scalar, text_of

if TYPE_CHECKING:
    from ml_pipeline.store.formats.registry import Formats


_TYPES: Final = (Mapping, list, str, int, float, tuple, set, frozenset, *SIMPLE)


class TaggedFormat(Format):
    """Plain values of Python's own types, and classes of one's own that hold such values."""

    name = "tagged"
    filename = "tagged.json"
    types = _TYPES

    def __init__(self, own: Mapping[str, type[Any]] | None = None) -> None:
        """Take the classes of one's own that may be read back.

        Args:
            own: these, by full name.
        """
        self.own = own or {}

    def within(self, formats: "Formats") -> Self:
        """Return the format with the classes that a pipeline knows."""
        return type(self)(formats.own_types)

    def reading_code(self) -> Iterable[Callable[..., Any]]:
        """Return the classes that a value may be made of."""
        return [type(self), *self.own.values()]

    def accepts(self, value: Any) -> bool:
        """Whether `value` is of a type that is written here; `write` tells what it may not hold."""
        kind = type(value)
        return isinstance(value, _TYPES) or is_scalar(kind) or tag_of(kind) is not None

    def write(self, value: Any, path: Path) -> None:
        """Write a document.

        Raises:
            PipelineError: if some of it would not come back as it is.
        """
        path.write_text(self._text(value), encoding="utf-8")

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a document.

        Raises:
            ArtifactDamaged: if it holds a class that is not known.
        """
        return Reader(self.own).value(json.loads(path.read_bytes()))

    def prove(self, path: Path) -> None:
        """Refuse what would be written otherwise once it is read.

        Raises:
            ArtifactDamaged: if it cannot be read, or gives another value.
        """
        super().prove(path)
        if self._text(self.read(path, lazy=False)).encode() != path.read_bytes():
            raise ArtifactDamaged(
                "A value must be the same when it is read back, but is another. Give the pipeline"
                " a Format of your own: Pipeline(..., formats=[...])."
            )

    def classes_in(self, path: Path) -> list[str]:
        """Return the full names of the classes of one's own in a document."""
        reader = Reader(self.own)
        reader.value(json.loads(path.read_bytes()))
        return sorted(reader.classes)

    def _text(self, value: Any) -> str:
        writer = Writer(self.own)
        return text_of(lambda: writer.written(value), writer.problems)
