"""Secrets as parameters hold them: by where they are kept, and never themselves.

    env:SHOP_TOKEN             a variable of the process that uses it
    file:/run/secrets/shop     a file, as container platforms mount them

A team's own store of secrets is one more scheme: a small class. What a reference stands for is read
where it is used, in the process that uses it, so the value is in no parameter, id, record or log;
an error that would show it is raised without it.
"""

import contextlib
import os
import re
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from ml_pipeline.errors import PipelineError, SecretError

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HIDDEN: Final = "***"
_FEWEST_LETTERS: Final = 4
"""What is shorter is found in too much that is no secret."""


class SecretScheme(ABC):
    """A place that secrets are kept in, such as a team's own store of them.

    Attributes:
        name: what references to it begin with, before the colon.
    """

    name: ClassVar[str]

    def accepts(self, place: str) -> bool:
        """Whether a `place`, after the colon, can name a secret; nothing is looked up for that."""
        return bool(place)

    @abstractmethod
    def get(self, place: str) -> str:
        """Return a secret.

        Args:
            place: what follows the colon in a reference.

        Raises:
            SecretError: if there is none; the message must not hold any.
        """


class SecretRef:
    """Where a secret is kept: what a parameter holds in its stead.

    It is no part of a run's identity, since where a secret is kept does not change what is
    computed; a field that does change it says so with ``json_schema_extra={"identity": True}``.
    """

    __slots__ = ("_reference",)

    def __init__(self, reference: str) -> None:
        """Refer to a secret; it is not looked up.

        Args:
            reference: a scheme, a colon and what the scheme takes, such as ``env:SHOP_TOKEN``.

        Raises:
            ValueError: if it is no reference; it may be the secret itself, so it is not repeated.
        """
        scheme, _, place = reference.partition(":")
        if scheme not in _schemes or not _schemes[scheme].accepts(place):
            raise ValueError(f"a secret must be given by reference: {forms()}")
        self._reference = reference

    def get(self) -> str:
        """Return the secret, to be used at once and kept nowhere.

        Raises:
            SecretError: if there is none where the reference says.
        """
        scheme, _, place = self._reference.partition(":")
        secret = _schemes[scheme].get(place)
        if len(secret) >= _FEWEST_LETTERS:
            _used.add(secret)
        return secret

    def __str__(self) -> str:
        """Return the reference."""
        return self._reference

    def __repr__(self) -> str:
        """Return the reference as Python has it."""
        return f"SecretRef({self._reference!r})"

    def __eq__(self, other: object) -> bool:
        """Whether another reference is the same."""
        return isinstance(other, SecretRef) and other._reference == self._reference

    def __hash__(self) -> int:
        """Return a hash of the reference."""
        return hash(self._reference)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes the same reference."""
        return SecretRef, (self._reference,)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Tell pydantic to take references as they are, and to write them as text."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell programs what a reference is."""
        return {"type": "string", "format": "secret-reference", "description": forms()}


class _Variable(SecretScheme):
    name = "env"

    def accepts(self, place: str) -> bool:
        return _VARIABLE.fullmatch(place) is not None

    def get(self, place: str) -> str:
        found = os.environ.get(place)
        if not found:
            is_what = "empty" if found == "" else "not set"
            raise SecretError(
                f"The secret env:{place} must be there where it is used, but the variable {place}"
                f" is {is_what}. Set it for the processes that run stages."
            )
        return found


class _File(SecretScheme):
    name = "file"

    def accepts(self, place: str) -> bool:
        return Path(place).is_absolute() and "\0" not in place

    def get(self, place: str) -> str:
        try:
            found = Path(place).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SecretError(
                f"The secret file:{place} must be there where it is used, but cannot be read:"
                f" {said}. Mount it for the processes that run stages."
            ) from None
        if not found:
            raise SecretError(f"The secret file:{place} must hold a secret, but the file is empty.")
        return found


class Hidden:
    """Stands for a value in messages that must not show it."""

    def __repr__(self) -> str:
        """Say that it is not shown."""
        return "what may be the secret itself (not shown)"


_schemes: Final[dict[str, SecretScheme]] = {one.name: one for one in (_Variable(), _File())}
_used: Final[set[str]] = set()


def register_secrets(scheme: SecretScheme) -> None:
    """Let references name a team's own store of secrets.

    Call it in the module that declares the parameters, before them: every process that reads them
    imports that.

    Args:
        scheme: the store; the same class may be registered again.

    Raises:
        PipelineError: if its name is none, or another class has it.
    """
    name = getattr(scheme, "name", None)
    if not isinstance(name, str) or not _SCHEME.fullmatch(name):
        raise PipelineError(
            "A scheme of secrets must have a `name` of lower-case letters, digits, + and -, but"
            f" {type(scheme).__name__} has {name!r}."
        )
    other = _schemes.get(name)
    if other is not None and type(other).__qualname__ != type(scheme).__qualname__:
        raise PipelineError(
            f"A scheme of secrets must have a name of its own, but '{name}' is that of"
            f" {type(other).__name__}. Choose another for {type(scheme).__name__}."
        )
    _schemes[name] = scheme


def schemes() -> list[str]:
    """Return what references may begin with, before the colon."""
    return list(_schemes)


def forms() -> str:
    """Say what references look like."""
    own = [f"{name}:..." for name in _schemes if name not in ("env", "file")]
    return ", ".join(["env:NAME", "file:/PATH", *own])


def without_secrets(text: str) -> str:
    """Return a text with `***` for every secret in it that this process has used."""
    for secret in sorted(_used, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def holds_secret(data: bytes) -> bool:
    """Whether a secret that this process has used stands in some bytes as it is."""
    return any(secret.encode() in data for secret in _used)


@contextlib.contextmanager
def secrets_hidden() -> Iterator[None]:
    """Let no error leave that would show a secret which this process has used.

    Raises:
        PipelineError: in its place, with the secret masked.
    """
    try:
        yield
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        if not any(secret in told for secret in _used):
            raise
        raise PipelineError(without_secrets(f"{type(error).__name__}: {error}")) from None
