"""Mappings, lists, numbers and text as JSON, where they come back as what they are."""

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats.format import Format, dotted

_PLAIN: Final = (str, int, bool, type(None))
_SHOWN: Final = 5


class JsonFormat(Format):
    """Mappings, lists, numbers, truth values and text as JSON."""

    name = "json"
    filename = "data.json"
    types = (Mapping, list, str, int, float)

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a mapping, a list, a number or text."""
        return isinstance(value, self.types)

    def write(self, value: Any, path: Path) -> None:
        """Write a document; what JSON has no word for, or would turn into another, is refused."""
        try:
            problems = list(_problems(value, ""))
            text = "" if problems else json.dumps(value, indent=2, allow_nan=False)
        except RecursionError:
            problems = ["it is nested too deeply, or holds itself"]
        except ValueError as error:
            problems = [f"JSON says: {error}"]
        if problems:
            more = len(problems) - _SHOWN
            listed = "; ".join(problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise PipelineError(
                "A mapping, list, number or text must come back from JSON as it is, but"
                f" {listed}. Return plain numbers, text, lists and mappings with text as keys."
            )
        path.write_text(text + "\n", encoding="utf-8")

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a document."""
        return json.loads(path.read_bytes())

    def prove(self, path: Path) -> None:
        """Nothing to prove: writing refuses what would not come back."""


def _problems(value: Any, place: str) -> Iterator[str]:
    """Yield what in a document would not come back as it is, each with its place.

    A number of NumPy that is a `float` itself comes back as the plain one of the same value.
    """
    kind = type(value)
    if kind is dict:
        for key, member in value.items():
            if type(key) is not str:
                yield f"the key {key!r:.80} of {place or 'it'} is no text"
            yield from _problems(member, f"{place}.{key}" if place else str(key))
    elif kind is list:
        for number, member in enumerate(value):
            yield from _problems(member, f"{place}[{number}]")
    elif isinstance(value, float) and (kind is float or kind.__module__ == "numpy"):
        if not isfinite(value):
            yield f"{place or 'it'} is {value}"
    elif kind not in _PLAIN:
        yield f"{place or 'it'} is {dotted(kind)}"
