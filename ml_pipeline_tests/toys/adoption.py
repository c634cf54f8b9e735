"""The location of the page on adoption, as each degree leaves it."""

import re
from pathlib import Path
from typing import Final

PAGE: Final = (Path(__file__).parents[2] / "ml_pipeline" / "docs" / "adoption.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the blocks of a language on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def location(degree: int) -> str:
    """Return the module `flats` at a degree: none is 0."""
    (text,) = blocks("python")
    for diff in blocks("diff")[:degree]:
        text = _patched(text, diff)
    return str(text)


def _patched(text: str, diff: str) -> str:
    """Return a text to which a diff has been applied; the last line of a part may be cut short."""
    for part in diff.split("@@\n")[1:]:
        lines = part.rstrip("\n").split("\n")
        before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
        after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
        assert text.count(before) == 1, f"{text.count(before)} places of:\n{before}"
        text = text.replace(before, after)
    return text
