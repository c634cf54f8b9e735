"""What MLflow can hold: names, texts and numbers, each so that nothing is lost on the way.

A name keeps letters, digits and ``_ - .`` and single slashes; any other character is written as its
number, ``_x25_`` for ``%``, which `original` reads back. What is too long is cut, and told whole in
a file beside.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ml_pipeline.params.identity import digest_of

LONGEST_NAME: Final = 250
LONGEST_PARAM: Final = 500
"""Any server takes as much; later ones would take 6,000 characters."""
LONGEST_TAG: Final = 5000
MOST_PARAMS: Final = 100
MOST_METRICS: Final = 900
"""Parameters and metrics in one request; of both and tags together there may be 1,000."""

_ODD: Final = re.compile(r"[^A-Za-z0-9_.\-/]|_(?=x[0-9a-f])|(?:^|(?<=/))[./]|/(?=$)")
_WRITTEN: Final = re.compile(r"_x([0-9a-f]+)_")


def mapped(name: str) -> str:
    """Return a name as MLflow takes it; of one that is too long, the beginning and a digest."""
    written = _ODD.sub(lambda odd: "".join(f"_x{ord(one):x}_" for one in odd[0]), name)
    if len(written) <= LONGEST_NAME:
        return written
    return f"{written[: LONGEST_NAME - 17]}-{digest_of(name)}"


def original(written: str) -> str:
    """Return the name that was mapped, unless it was cut."""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), written)


def text_of(value: Any) -> str:
    """Return a value as text that tells it exactly: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


@dataclass
class Held:
    """What MLflow can hold of the values of a run, and what it cannot.

    Attributes:
        params: texts by name.
        metrics: finite numbers by name.
        tags: texts by name.
        whole: what is told otherwise there, whole: ``{kind: {name: value}}``.
    """

    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    whole: dict[str, dict[str, Any]] = field(default_factory=dict)


def held(params: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]) -> Held:
    """Fit values into MLflow's limits.

    Args:
        params: values by name.
        metrics: numbers by name; one that is not finite becomes a tag of that name.
        tags: texts by name.
    """
    fitted = Held()

    def keep(kind: str, name: str, value: Any) -> None:
        fitted.whole.setdefault(kind, {})[name] = value

    for name, value in params.items():
        text = text_of(value)
        fitted.params[mapped(name)] = _cut(text, LONGEST_PARAM)
        if len(text) > LONGEST_PARAM or len(mapped(name)) == LONGEST_NAME:
            keep("params", name, value)
    for name, number in metrics.items():
        if math.isfinite(number):
            fitted.metrics[mapped(name)] = number
        else:
            fitted.tags[mapped(name)] = str(number)
        if not math.isfinite(number) or len(mapped(name)) == LONGEST_NAME:
            keep("metrics", name, str(number) if not math.isfinite(number) else number)
    for name, text in tags.items():
        fitted.tags[mapped(name)] = _cut(text, LONGEST_TAG)
        if len(text) > LONGEST_TAG or len(mapped(name)) == LONGEST_NAME:
            keep("tags", name, text)
    return fitted


def _cut(text: str, most: int) -> str:
    """Return a text, or as much of it as there is room for and how long it is."""
    if len(text) <= most:
        return text
    end = f"... ({len(text)} characters)"
    return text[: most - len(end)] + end
