"""Values that hold frames, arrays, models or files: a document, and a file for each of these.

{"train": <frame>, "model": <model>, "day": date(2026, 1, 5)}      the value
value.json, 0-train.parquet, 1-model.skops                         what is kept of it
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.store.formats.format import Format, dotted, proving
from ml_pipeline.store.formats.own_types import held_by, tag_of
from ml_pipeline.store.formats.tags import PART, Reader, Writer, text_of

if TYPE_CHECKING:
    from ml_pipeline.store.formats.registry import Formats

_DOCUMENT: Final = "value.json"
_LONGEST: Final = 40


class PartsFormat(Format):
    """Mappings, lists, tuples and data classes of which parts have formats of their own."""

    name = "parts"
    filename = "parts"
    is_directory = True
    needs_file = True
    types = (dict, list, tuple)

    def __init__(self, formats: "Formats | None" = None) -> None:
        """Take the formats of the parts.

        Args:
            formats: those of a pipeline.
        """
        self.formats = formats

    def within(self, formats: "Formats") -> "PartsFormat":
        """Return the format with all that a pipeline keeps values with."""
        return PartsFormat(formats)

    def inner(self) -> Iterable[Format]:
        """Return the formats of the parts."""
        if self.formats is None:
            return []
        return [one for one in self.formats.known() if not isinstance(one, PartsFormat)]

    def accepts(self, value: Any) -> bool:
        """Whether some part of `value` has a format of its own."""
        try:
            return any(self._part_format(one) is not None for one in _leaves(value))
        except (RecursionError, ValueError):
            return False

    def write(self, value: Any, path: Path) -> None:
        """Write the document and its parts, each proven to be readable.

        Raises:
            PipelineError: if some of it would not come back as it is.
        """
        written: list[str] = []

        def part(one: Any, place: str) -> Any:
            kept_as = self._part_format(one)
            if kept_as is None:
                return None
            name = _file_name(len(written), place, kept_as)
            written.append(name)
            if kept_as.is_directory:
                (path / name).mkdir()
            kept_as.keep(one, path / name)
            return {PART: [kept_as.name, name]}

        writer = Writer(self._own, part)
        text = text_of(lambda: writer.written(value), writer.problems)
        (path / _DOCUMENT).write_text(text, encoding="utf-8")

    def read(self, path: Path, lazy: bool) -> Any:
        """Read the document and its parts.

        Raises:
            ArtifactDamaged: if it holds a class or a format that is not known.
        """

        def part(held: Any) -> Any:
            file, kept_as = self._located(path, *held)
            return kept_as.read(file, lazy)

        return self._reader(part).value(_document(path))

    def prove(self, path: Path) -> None:
        """Refuse a document or a part that cannot be read back."""

        def part(held: Any) -> None:
            file, kept_as = self._located(path, *held)
            kept_as.prove(file)

        with proving(self.name):
            self._reader(part).value(_document(path))

    def keep(self, value: Any, path: Path) -> None:
        """Write a value; parts are proven as they are written, so that none is read twice."""
        self.write(value, path)
        with proving(self.name):
            self._reader(lambda _held: None).value(_document(path))

    def classes_in(self, path: Path) -> list[str]:
        """Return the full names of what the document and its parts need of one's own."""
        found: set[str] = set()

        def part(held: Any) -> None:
            file, kept_as = self._located(path, *held)
            named = kept_as.classes_in(file)
            if named is None:
                # A built-in format is no more one's own than Parquet is.
                is_own = self.formats is not None and kept_as in self.formats.own
                code = [one for one in kept_as.reading_code() if is_own or one is not type(kept_as)]
                named = [dotted(one) for one in code]
            found.update(named)

        reader = self._reader(part)
        reader.value(_document(path))
        return sorted(found | reader.classes)

    @property
    def _own(self) -> Mapping[str, type[Any]]:
        return self.formats.own_types if self.formats is not None else {}

    def _part_format(self, value: Any) -> Format | None:
        return self.formats.of_part(value) if self.formats is not None else None

    def _reader(self, part: Callable[[Any], Any]) -> Reader:
        return Reader(self._own, part)

    def _located(self, folder: Path, name: str, file: str) -> tuple[Path, Format]:
        """Return where a part is, and its format."""
        if PurePosixPath(file).name != file or file == _DOCUMENT or self.formats is None:
            raise ArtifactDamaged(f"A part must be a file beside its document, but is {file!r}.")
        return folder / file, self.formats.named(name)


def _document(folder: Path) -> Any:
    return json.loads((folder / _DOCUMENT).read_bytes())


def _file_name(number: int, place: str, kept_as: Format) -> str:
    told = re.sub(r"[^A-Za-z0-9_]+", "-", place).strip("-")[:_LONGEST]
    suffix = "" if kept_as.is_directory else PurePosixPath(kept_as.filename).suffix
    return f"{number}-{told}{suffix}" if told else f"{number}{suffix}"


def _leaves(value: Any) -> Iterable[Any]:
    """Yield what a value holds that is no collection and of no class of one's own."""
    kind = type(value)
    if kind is dict:
        held: Iterable[Any] = value.values()
    elif kind in (list, tuple):
        held = value
    elif (tag := tag_of(kind)) is not None:
        held = held_by(tag, value)
        yield value
    else:
        yield value
        return
    for one in held:
        yield from _leaves(one)
