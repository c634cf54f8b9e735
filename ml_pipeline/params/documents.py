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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml

from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.params.scalar import NOT_FINITE, scalar
from ml_pipeline.text import quoted, shortened

MOST_BYTES: Final = 1_000_000
MOST_VALUES: Final = 100_000
MOST_LEVELS: Final = 32
MOST_BITS: Final = 1024
_MOST_NODES: Final = 30_000
_MOST_SLOW: Final = 250_000
"""Bytes of a language that takes a second for more."""

_TOO_DEEP: Final = f"it is nested more than {MOST_LEVELS} levels deep"

# Each name of a TOML key that has very many costs as much as all before it: found before parsing.
_NAME: Final = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY: Final = re.compile(
    rf"""(?<![\w."'-]){_NAME}(?:[ \t]*+\.[ \t]*+{_NAME}){{{MOST_LEVELS}}}"""
)


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
    language, parse, most = _LANGUAGES[suffix]
    if len(data) > most:
        instead = "" if most == MOST_BYTES else f"; as JSON it may be of {MOST_BYTES:,}"
        raise ParamsError([f"{name} must be of at most {most:,} bytes, but is larger{instead}"])
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
    if (found := _LONG_KEY.search(text)) is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise _Refused(f"line {line} has more than {MOST_LEVELS} names in a row")
    return tomllib.loads(text)


def _yaml(text: str) -> Any:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None or (node.tag == _PLAIN and not node.value):
            return {}
        if _Sizes().of(node) > MOST_VALUES:
            raise _Refused(f"it has more than {MOST_VALUES:,} values")
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _Refused(f"{place}{error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Refused(f"line {line} has the character U+{error.character:04X}") from error


_PLAIN: Final = "plain"
_TEXT: Final = "text"
_LIST: Final = "list"
_NAMES: Final = "names"


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads plain words by the rules of YAML 1.2, and refuses tags and what has two readings."""

    DEFAULT_SCALAR_TAG = _TEXT
    DEFAULT_SEQUENCE_TAG = _LIST
    DEFAULT_MAPPING_TAG = _NAMES
    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {None: [(_PLAIN, re.compile(""))]}
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nodes = 0
        self.level = -1

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Bound what is composed while it is, since that is what takes its time."""
        event = self.peek_event()
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise _Refused(f"it has more than {_MOST_NODES:,} values")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise _at(event, f"has *{event.anchor}, but no value before it is marked so")
        elif event.tag is not None:
            what = f"has the tag {shortened(event.tag)}: leave it out; quotes make a value text"
            raise _at(event, what)
        self.level += 1
        if self.level > MOST_LEVELS:
            raise _Refused(_TOO_DEEP)
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def word(self, node: Any) -> Any:
        """Read a word without quotes."""
        if NOT_FINITE.fullmatch(node.value):
            raise _at(node, f"has {node.value}, which is not a finite number")
        return scalar(node.value)

    def members(self, node: Any) -> list[Any]:
        """Read a list."""
        return [self.construct_object(member, deep=True) for member in node.value]

    def names(self, node: Any) -> dict[str, Any]:
        """Read a mapping."""
        mapping: dict[str, Any] = {}
        for name, value in node.value:
            if name.tag == _PLAIN and name.value == "<<":
                raise _at(name, "merges with <<, which is not supported: write the values out")
            key = self.construct_object(name, deep=True)
            if not isinstance(key, str):
                raise _at(name, f"has a name that is no text: {quoted(key)}; put it in quotes")
            if key in mapping:
                raise _at(name, f"has {quoted(key)} a second time")
            mapping[key] = self.construct_object(value, deep=True)
        return mapping


_Loader.add_constructor(_PLAIN, _Loader.word)
_Loader.add_constructor(_TEXT, _Loader.construct_scalar)
_Loader.add_constructor(_LIST, _Loader.members)
_Loader.add_constructor(_NAMES, _Loader.names)


class _Sizes:
    """Tells how many values a node comes to, its aliases written out, without doing so."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}

    def of(self, node: Any, level: int = 0) -> int:
        if level > MOST_LEVELS:
            raise _Refused(_TOO_DEEP)
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) not in self.known:
            parts = (
                node.value
                if isinstance(node, yaml.SequenceNode)
                else itertools.chain.from_iterable(node.value)
            )
            self.known[id(node)] = 1 + sum(self.of(part, level + 1) for part in parts)
        return self.known[id(node)]


def _at(node: Any, what: str) -> _Refused:
    return _Refused(f"line {node.start_mark.line + 1} {what}")


_LANGUAGES: Final[Mapping[str, tuple[str, Callable[[str], Any], int]]] = {
    ".yaml": ("YAML", _yaml, _MOST_SLOW),
    ".yml": ("YAML", _yaml, _MOST_SLOW),
    ".toml": ("TOML", _toml, _MOST_SLOW),
    ".json": ("JSON", _json, MOST_BYTES),
}
