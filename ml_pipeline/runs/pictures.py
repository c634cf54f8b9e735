"""Pictures of a result: SVGs by name, or a refusal that names what is none."""

from collections.abc import Mapping
from typing import Any, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.runs.stage import Result
from ml_pipeline.store.formats.picture import drawn
from ml_pipeline.store.pages import PICTURE

_LONGEST_NAME: Final = 100


def plain_pictures(stage: str, result: Result) -> dict[str, str]:
    """Return what a result draws, the picture to show first in front.

    Args:
        stage: name of the stage that returned it.
        result: what it returned.

    Raises:
        PipelineError: if a name or a picture is none, with all that are.
    """
    given = {} if result.picture is None else {PICTURE: result.picture}
    if not isinstance(result.pictures, Mapping):
        raise PipelineError(
            f"Pictures of '{stage}' must be a mapping from names to pictures, but are of type"
            f" {type(result.pictures).__qualname__}. Return Result(value, pictures={{'name':"
            " picture})."
        )
    found: dict[str, str] = {}
    problems: list[str] = []
    for name, one in [*given.items(), *result.pictures.items()]:
        try:
            if isinstance(name, str) and name in found:
                raise PipelineError("There is one of that name already. Rename it.")
            found[_named(name)] = _svg(one)
        except PipelineError as error:
            problems.append(f"Picture {name!r:.120} of '{stage}' is not shown. {error}")
    if problems:
        raise PipelineError("\n".join(problems))
    return found


def _named(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise PipelineError(
            f"Its name must be text of 1 to {_LONGEST_NAME} printable characters. Rename it."
        )
    return name


def _svg(one: Any) -> str:
    svg = drawn(one).svg
    if "<svg" not in svg:
        raise PipelineError(
            f"It must be an SVG, but begins with {svg[:40]!r}. Give it the text of one."
        )
    return svg
