"""Documents that the store keeps: typed, sealed by a digest of their own text, read strictly.

The seal is the last line of the text and covers all that is before it, so a document that somebody
has edited is told from one that is as it was written. Documents from before there were seals are
read as they are.
"""

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Self

import pydantic
from blake3 import blake3

from ml_pipeline.errors import ArtifactDamaged

_SEAL: Final = re.compile(rb',\n  "seal": "([0-9a-f]{32})"\n\}\n?\Z')
_SHOWN: Final = 3
_YEARS: Final = range(1970, 9000)


def _below_root(path: str) -> str:
    """Refuse a path that would leave the directory that it is relative to."""
    if not path or path.startswith("/") or "\\" in path or "\0" in path:
        raise ValueError("must be a path below the store's root")
    if {"", ".", ".."} & set(path.split("/")):
        raise ValueError("must be a path below the store's root, without '.' and '..'")
    return path


def _plain_name(name: str) -> str:
    if "/" in _below_root(name):
        raise ValueError("must be the name of a file, without directories")
    return name


def _within(moment: datetime) -> datetime:
    """Refuse a moment next to which there is none: ages are computed from it."""
    if moment.year not in _YEARS:
        raise ValueError(f"must be a moment of the years {_YEARS.start} to {_YEARS.stop - 1}")
    return moment


BelowRoot = Annotated[str, pydantic.AfterValidator(_below_root)]
"""A directory below the store's root."""
PlainName = Annotated[str, pydantic.AfterValidator(_plain_name)]
"""The name of a file in a directory known otherwise."""
Moment = Annotated[pydantic.AwareDatetime, pydantic.AfterValidator(_within)]
"""A moment with its time zone."""
Seconds = Annotated[float, pydantic.Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
"""A duration; a clock that was set back makes it negative."""


class Part(pydantic.BaseModel):
    """A part of a document: never changed once made, and without fields that nobody knows."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class Document(Part):
    """A document of its own, in a file of its own.

    Attributes:
        called: what messages call it.
        remedy: what it means that one cannot be read, and what to do about it.
    """

    called: ClassVar[str]
    remedy: ClassVar[str]

    def to_json(self) -> bytes:
        """Return the document as indented JSON with a seal."""
        text = self.model_dump_json(indent=2).encode()
        return text.removesuffix(b"\n}") + b',\n  "seal": "' + _digest(text).encode() + b'"\n}\n'

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Self:
        """Read a document.

        Args:
            data: its text.
            where: its path, for the error.

        Raises:
            ArtifactDamaged: if the text is none, or is not as it was written.
        """
        if sealed := _SEAL.search(data):
            data = data[: sealed.start()] + b"\n}"
            if _digest(data) != sealed[1].decode():
                raise ArtifactDamaged(
                    f"{where} must be {cls.called} as it was written, but its text has been changed"
                    f" since: its seal is that of another. {cls.remedy}"
                )
        try:
            return cls.model_validate_json(data)
        except pydantic.ValidationError as error:
            raise ArtifactDamaged(
                f"{where} must be {cls.called}, but cannot be read as one: {_told(error)}."
                f" {cls.remedy}"
            ) from error


def _digest(text: bytes) -> str:
    return blake3(text).hexdigest(length=16)


def _told(error: pydantic.ValidationError) -> str:
    """Return what is wrong, with its place, and no value of it."""
    found: list[Any] = error.errors(include_url=False, include_input=False)
    lines = [
        f"{'.'.join(str(step) for step in one['loc'])}: {one['msg']}" if one["loc"] else one["msg"]
        for one in found[:_SHOWN]
    ]
    more = len(found) - _SHOWN
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
