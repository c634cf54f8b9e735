"""Figures of matplotlib and Altair as pictures, which is what they come back as.

A figure is a program with its data; what can be kept for good and shown anywhere is what it draws.
"""

import base64
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats.format import Format

_SVG: Final = "picture.svg"
_SPEC: Final = "spec.json"
_MOST_SVG: Final = 1 << 18
_MOST_SHOWN: Final = 1 << 20


@dataclass(frozen=True)
class Picture:
    """What a figure draws.

    Attributes:
        svg: the drawing; one of very many shapes is the image of it within an SVG.
        spec: the Vega-Lite document of a figure of Altair.
    """

    svg: str
    spec: Mapping[str, Any] | None = None


class PictureFormat(Format):
    """Pictures, and figures of matplotlib and Altair, as SVG."""

    name = "picture"
    filename = "picture"
    is_directory = True
    types = (Picture, "matplotlib:Figure", "altair:TopLevelMixin")

    def write(self, value: Any, path: Path) -> None:
        """Write what a figure draws.

        Raises:
            PipelineError: if it is no SVG, or what draws it is not installed.
        """
        picture = drawn(value)
        if "<svg" not in picture.svg:
            raise PipelineError(
                f"A picture must be an SVG, but begins with {picture.svg[:40]!r}. Give it the text"
                " of one."
            )
        (path / _SVG).write_text(picture.svg, encoding="utf-8", newline="")
        if picture.spec is not None:
            text = json.dumps(picture.spec, indent=2, allow_nan=False)
            (path / _SPEC).write_text(text, encoding="utf-8")

    def read(self, path: Path, lazy: bool) -> Picture:
        """Read a picture."""
        svg = (path / _SVG).read_bytes().decode()
        has_spec = (path / _SPEC).exists()
        return Picture(svg, json.loads((path / _SPEC).read_bytes()) if has_spec else None)

    def picture_in(self, path: Path) -> str | None:
        """Return the SVG, unless it is too large to be shown beside numbers."""
        svg = self.read(path, lazy=False).svg
        return svg if len(svg) <= _MOST_SHOWN else None


def drawn(value: Any) -> Picture:
    """Return what a figure draws: always the same for the same figure.

    Args:
        value: a picture, the text of an SVG, or a figure of matplotlib or Altair.

    Raises:
        PipelineError: if it is none of these, or what draws it is not installed.
    """
    if isinstance(value, Picture):
        return value
    if isinstance(value, str):
        return Picture(value)
    if hasattr(value, "savefig"):
        return _of_matplotlib(value)
    if hasattr(value, "to_dict") and hasattr(value, "save"):
        return _of_altair(value)
    raise PipelineError(
        "A picture must be a Picture, the text of an SVG, or a figure of matplotlib or Altair, but"
        f" is {type(value).__qualname__}."
    )


def _of_matplotlib(figure: Any) -> Picture:
    import matplotlib as mpl

    file = io.BytesIO()
    # Without a salt names within are random, and there is the time of day.
    with mpl.rc_context({"svg.hashsalt": "ml_pipeline"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
        svg = file.getvalue().decode()
        if len(svg) <= _MOST_SVG:
            return Picture(svg)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return Picture(_around(file.getvalue()))


def _of_altair(chart: Any) -> Picture:
    file = io.StringIO()
    try:
        chart.save(file, format="svg")
    except ImportError as error:
        raise PipelineError(
            "A figure of Altair is drawn by vl-convert-python, which must be installed, but is not:"
            " pip install vl-convert-python."
        ) from error
    svg = _numbered(file.getvalue())
    if len(svg) > _MOST_SVG:
        image = io.BytesIO()
        chart.save(image, format="png")
        svg = _around(image.getvalue())
    return Picture(svg, chart.to_dict())


def _numbered(svg: str) -> str:
    """Name what is referred to within by order: Vega counts on from one drawing to the next."""
    numbers = {name: f"n{place}" for place, name in enumerate(re.findall(r'\bid="([^"]*)"', svg))}
    svg = re.sub(r'\bid="([^"]*)"', lambda found: f'id="{numbers[found[1]]}"', svg)
    return re.sub(r"#([\w-]+)(?=[)\"'])", lambda found: f"#{numbers.get(found[1], found[1])}", svg)


def _around(png: bytes) -> str:
    """Return an SVG that is an image."""
    width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    data = base64.b64encode(png).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}"><image width="{width}" height="{height}"'
        f' href="data:image/png;base64,{data}"/></svg>\n'
    )
