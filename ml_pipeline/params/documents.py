"""YAML, TOML and JSON documents, read so that the same text means the same in each.

YAML has the numbers and truth values of YAML 1.2: ``1e-3`` is a number; ``yes``, ``on``, dates and
``010`` stay text, and so does everything else that the versions of YAML disagree about. What has
two readings is refused in every language: a name given twice, a name that is not text, a number
that is not finite.
"""

import datetime
import itertools
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.text import quoted

MOST_BYTES: Final = 1_000_000
MOST_VALUES: Final = 100_000
MOST_LEVELS: Final = 32
MOST_BITS: Final = 1024

_TOO_DEEP: Final = f"it is nested more than {MOST_LEVELS} levels deep"

_NULL: Final = re.compile(r"~|null|Null|NULL|")
_TRUTH: Final = re.compile(r"(?P<true>true|True|TRUE)|false|False|FALSE")
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_BASED: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Refused(ValueError):
    """A document that its language allows but that is refused here."""


def read_document(data: bytes, name: str) -> Any:
    """Parse a document in the language that its name's suffix says.

    Args:
        data: the document in UTF-8, at most `MOST_BYTES`.
        name: what errors call it; ends in .yaml, .yml, .toml or .json.

    Returns:
        Lists, mappings with text keys, text, finite numbers, truth values and None. Dates are
        text, and an empty document is an empty mapping.

    Raises:
        ParamsError: if it cannot be read, saying where and why.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in _LANGUAGES:
        raise ParamsError([f"{name} must end in {', '.join(_LANGUAGES)} to be read"])
    language, parse = _LANGUAGES[suffix]
    if len(data) > MOST_BYTES:
        raise ParamsError([f"{name} must be of at most {MOST_BYTES:,} bytes, but is larger"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParamsError(
            [f"{name} must be UTF-8 text, but byte {error.start + 1} is 0x{data[error.start]:02x}"]
        ) from error
    try:
        return _Reduction().of(parse(text))
    except RecursionError:
        reason = _TOO_DEEP
    except (_Refused, tomllib.TOMLDecodeError) as error:
        reason = str(error).replace("\n", " ")
    except (ValueError, OverflowError):
        reason = "it has a number or an escaped character beyond what can be read"
    raise ParamsError([f"{name} must be {language}, but {reason}"])


def read_file(path: Path) -> Any:
    """Parse the document in a file.

    Raises:
        ParamsError: if the file is missing or cannot be read, saying why.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        hint = nearest(path.name, _names_in(path.parent))
        raise ParamsError([f"{path} must be a file, but there is none.{hint}"]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ParamsError([f"{path} must be a readable file, but: {reason}"]) from error
    return read_document(data, str(path))


def as_mapping(document: Any, name: str) -> Mapping[str, Any]:
    """Return a document that has to have names at its top.

    Raises:
        ParamsError: if it is a list or a single value.
    """
    if isinstance(document, Mapping):
        return document
    found = "a list" if isinstance(document, list) else quoted(document)
    raise ParamsError([f"{name} must hold names and values, but holds {found}"])


def _names_in(folder: Path) -> list[str]:
    try:
        return [file.name for file in itertools.islice(folder.iterdir(), 1000)]
    except OSError:
        return []


class _Reduction:
    """Reduces what a parser returned to JSON types, refusing what has no safe reading.

    It bounds what a document may come to, aliases written out included.
    """

    def __init__(self) -> None:
        self.values = 0

    def of(self, value: Any, where: tuple[str, ...] = ()) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            raise _Refused(f"it has more than {MOST_VALUES:,} values")
        if len(where) > MOST_LEVELS:
            raise _Refused(_TOO_DEEP)
        if isinstance(value, Mapping):
            for key in value:
                _refuse_broken_text(key, where)
            return {key: self.of(member, (*where, key)) for key, member in value.items()}
        if isinstance(value, list):
            return [self.of(member, (*where, str(place))) for place, member in enumerate(value)]
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if isinstance(value, str):
            _refuse_broken_text(value, where)
        elif isinstance(value, float) and not math.isfinite(value):
            raise _Refused(f"{'.'.join(where)} is not a finite number")
        elif isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise _Refused(f"{'.'.join(where)} is an integer of more than {MOST_BITS} bits")
        return value


def _refuse_broken_text(text: str, where: tuple[str, ...]) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        place = f" in {'.'.join(where)}" if where else ""
        raise _Refused(f"it has a lone surrogate{place}, which is not text")


def _json(text: str) -> Any:
    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in members:
            if key in mapping:
                raise _Refused(f"it has {key!r} twice")
            mapping[key] = value
        return mapping

    def constant(found: str) -> Any:
        raise _Refused(f"it has {found}, which is not a finite number")

    if not text.strip():
        return {}
    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise _Refused(f"line {error.lineno}, column {error.colno}: {error.msg}") from error


def _toml(text: str) -> Any:
    return tomllib.loads(text)


def _yaml(text: str) -> Any:
    try:
        return _Composer(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _Refused(f"{place}{error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Refused(f"line {line} has the character U+{error.character:04X}") from error


class _Composer:
    """Builds values from YAML's events, where every rule of this module can name its line."""

    def __init__(self, text: str) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        self.anchored: dict[str, Any] = {}

    def document(self) -> Any:
        next(self.events)  # the stream begins
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            return {}
        event = next(self.events)
        is_empty = isinstance(event, yaml.ScalarEvent) and not event.value and not event.style
        value = self.value(event, 0)
        next(self.events)  # the document ends
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise _at(event, "begins a second document")
        return {} if is_empty else value

    def value(self, event: Any, level: int) -> Any:
        if level > MOST_LEVELS:
            raise _Refused(_TOO_DEEP)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchored:
                raise _at(event, f"has *{event.anchor}, but no value before it is marked so")
            return self.anchored[event.anchor]
        if event.tag is not None:
            raise _at(event, f"has the tag {event.tag}: leave it out; quotes make a value text")
        if isinstance(event, yaml.ScalarEvent):
            value = event.value if event.style else _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self.members(level)
        else:
            value = self.pairs(level)
        if event.anchor is not None:
            self.anchored[event.anchor] = value
        return value

    def members(self, level: int) -> list[Any]:
        members = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            members.append(self.value(event, level + 1))
        return members

    def pairs(self, level: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.value(event, level + 1)
            if not isinstance(key, str):
                raise _at(event, f"has a name that is no text: {quoted(key)}; put it in quotes")
            if key == "<<" and isinstance(event, yaml.ScalarEvent) and not event.style:
                raise _at(event, "merges with <<, which is not supported: write the values out")
            if key in mapping:
                raise _at(event, f"has {key!r} a second time")
            mapping[key] = self.value(next(self.events), level + 1)
        return mapping


def _scalar(event: Any) -> Any:
    text: str = event.value
    if _NULL.fullmatch(text):
        return None
    if match := _TRUTH.fullmatch(text):
        return match["true"] is not None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        raise _at(event, f"has {text}, which is not a finite number")
    return text


def _at(event: Any, what: str) -> _Refused:
    return _Refused(f"line {event.start_mark.line + 1} {what}")


_LANGUAGES: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    ".yaml": ("YAML", _yaml),
    ".yml": ("YAML", _yaml),
    ".toml": ("TOML", _toml),
    ".json": ("JSON", _json),
}
