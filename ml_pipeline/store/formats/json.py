"""Mappings, lists, numbers and text as JSON, where they come back as what they are."""

import json
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

from ml_pipeline.store.formats.format import Format
from ml_pipeline.store.formats.tags import PLAIN, refusal, text_of


class JsonFormat(Format):
    """Mappings, lists, numbers, truth values and text as JSON."""

    name = "json"
    filename = "data.json"
    types = (dict, list, str, int, float)

    def accepts(self, value: Any) -> bool:
        """Whether `value` comes back from JSON as it is, and all that it holds."""
        try:
            return self.distance(value) is not None and _is_plain(value)
        except RecursionError:
            return False

    def write(self, value: Any, path: Path) -> None:
        """Write a document.

        Raises:
            PipelineError: if some of it would not come back as it is.
        """
        if not self.accepts(value):
            raise refusal(["it holds what JSON has no word for"])
        path.write_text(text_of(lambda: value, []), encoding="utf-8")

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a document."""
        return json.loads(path.read_bytes())

    def prove(self, path: Path) -> None:
        """Nothing to prove: writing refuses what would not come back."""

    def copies(self, value: Any, is_fresh: bool) -> Callable[[], Any] | None:
        """Copy a document by its text, which is also what is stored."""
        text = json.dumps(value)
        return lambda: json.loads(text)


def _is_plain(value: Any) -> bool:
    """Whether JSON has a word for all of a value.

    A number of NumPy that is a `float` itself comes back as the plain one of the same value.
    """
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_plain(one) for key, one in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    if isinstance(value, float) and (kind is float or kind.__module__ == "numpy"):
        return isfinite(value)
    return kind in PLAIN
