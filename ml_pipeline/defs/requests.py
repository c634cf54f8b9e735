"""What may be asked for in this installation."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from ml_pipeline.addresses import masked
from ml_pipeline.current import current_environment
from ml_pipeline.defs.source import locate
from ml_pipeline.errors import SourceError, nearest
from ml_pipeline.pipeline.locations import is_name, normalized
from ml_pipeline.pipeline.sources import SAMPLE, find_source, refuse_missing
from ml_pipeline.settings import settings

SOURCE: Final = "data.source"


def refused(values: Mapping[str, Any]) -> Iterator[str]:
    """Tell why the values of a request may not be asked for, by dotted name."""
    return problems_with_source(values.get(SOURCE))


def problems_with_source(source: Any) -> Iterator[str]:
    """Tell why a request may not name a source: names are fine, and places that are allowed.

    Args:
        source: the raw value; none and what is no text are the model's to judge.
    """
    configured = settings()
    names = [SAMPLE, *current_environment().sources]
    may_be = f"{SOURCE} must be one of {', '.join(names)}"
    if not isinstance(source, str) or not source.strip():
        return
    if is_name(source.strip()):
        if source.strip() not in names:
            yield f"{may_be}, but got {source!r}.{nearest(source, names)}"
        else:
            yield from _missing(locate(source.strip()).location)
    elif any(_is_in(source, place) for place in configured.request_sources):
        yield from _missing(source)
    else:
        allowed = ", ".join(configured.request_sources) or "none so far"
        yield (
            f"{may_be}, or lie in a place that ML_PIPELINE_REQUEST_SOURCES allows ({allowed}),"
            f" but got {masked(source)!r}"
        )


def _missing(location: str) -> Iterator[str]:
    try:
        refuse_missing(location)
    except SourceError as error:
        yield f"{SOURCE}: {error}"


def _is_in(source: str, place: str) -> bool:
    """Whether a path or URI is a place or lies below it, wherever detours and links lead."""
    try:
        wanted, allowed = normalized(source), normalized(place)
    except ValueError:
        return False
    if "://" in allowed:
        inside = wanted == allowed or wanted.startswith(f"{allowed.rstrip('/')}/")
        return inside and ".." not in unquote(wanted).split("/")
    if "://" in wanted:
        return False
    folder = Path(allowed).resolve()
    if not Path(wanted).resolve().is_relative_to(folder):
        return False
    try:
        files = find_source(wanted).files
    except SourceError:
        return True  # There is nothing to read, which is told elsewhere.
    return all(Path(file).resolve().is_relative_to(folder) for file in files)
