"""The page: one HTML file with its style, its script and what it knows in it."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_PARTS: Final = Path(__file__).parent
_FOR_SOME: Final[Mapping[str, str]] = {"spelled": "spelled.js", "shapes": "shapes.js"}
_HOLES: Final = re.compile(r"\{\{(title|style|document|script)\}\}")
_FOR_AUTHORS: Final = re.compile(r"^ +|^ *//[^\n]*\n|^/\*.*?\*/\n|^\n", re.MULTILINE | re.DOTALL)


def form_page(document: Mapping[str, Any]) -> str:
    """Return the page of a pipeline.

    Args:
        document: what `form_document` returns.
    """
    # Within a script no tag may end it, and no comment may begin.
    known = json.dumps(document, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    # Most pipelines have none of what takes most of the script.
    scripts = ["values.js", *(part for name, part in _FOR_SOME.items() if f'"{name}":' in known)]
    parts = {
        "title": html.escape(str(document["title"])),
        "style": _part("form.css"),
        "document": known,
        "script": "".join(map(_part, [*scripts, "form.js"])),
    }
    return _HOLES.sub(lambda hole: parts[hole[1]], _part("page.html"))


def _part(name: str) -> str:
    """Return a part as it is in the page: without indents and notes, to be small."""
    return _FOR_AUTHORS.sub("", (_PARTS / name).read_text(encoding="utf-8"))
