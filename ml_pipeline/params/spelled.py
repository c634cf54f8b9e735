"""Types whose values have no form of their own in JSON, and the one text that each value has.

Path       as it is written, without detours: data/a.csv
Decimal    digits without an exponent or zeros at the end: 0.1
timedelta  ISO 8601: P1DT2H
UUID       lower case with hyphens
SecretRef  as it is written: env:SHOP_TOKEN
"""

import enum
import numbers
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import pydantic

from ml_pipeline.params.scalar import MOST_DIGITS, scalar
from ml_pipeline.params.secret import SecretRef


def spelled(value: Any) -> str | None:
    """Return the one text of a value, or None where it is of another type."""
    for cls, (_, text, _) in SPELLED.items():
        if isinstance(value, cls):
            return text(value)
    return None


def of_spelling(cls: type, raw: Any) -> Any:
    """Return the value that is meant.

    Args:
        cls: one of `SPELLED`.
        raw: from any door.

    Raises:
        ValueError: if it means none.
    """
    if isinstance(raw, cls):
        return raw
    read, _, _ = SPELLED[cls]
    return read(raw.strip() if isinstance(raw, str) else raw)


def in_order(members: Iterable[Any]) -> list[Any]:
    """Return the members of a set in the order that its list has: numbers by size, then texts."""

    def place(member: Any) -> tuple[bool, str, Any]:
        member = member.value if isinstance(member, enum.Enum) else member
        is_number = isinstance(member, int | float) and not isinstance(member, bool)
        name = "" if is_number else type(member).__name__
        return not is_number, name, "" if member is None else spelled(member) or member

    return sorted(members, key=place)


def _path(raw: Any) -> Path:
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise ValueError(raw)
    raw.encode()
    return Path(raw)


def _decimal(raw: Any) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, str | numbers.Real):
        raise ValueError(raw)  # noqa: TRY004 - as for any other value that means none
    try:
        number = Decimal(raw if isinstance(raw, int | str) else repr(float(raw)))
    except InvalidOperation:
        raise ValueError(raw) from None
    # What YAML and JSON read as a float was written with these digits, unless they are so many.
    is_float = not isinstance(raw, int | str)
    if is_float and len(number.normalize().as_tuple().digits) > sys.float_info.dig:
        raise ValueError(raw)
    if not number.is_finite() or max(-_exponent(number), number.adjusted()) > MOST_DIGITS:
        raise ValueError(raw)
    return number


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _digits(number: Decimal) -> str:
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


@cache
def _durations() -> pydantic.TypeAdapter[timedelta]:
    return pydantic.TypeAdapter(timedelta)


def _duration(raw: Any) -> timedelta:
    if isinstance(raw, bool):
        raise ValueError(raw)  # noqa: TRY004 - as for any other value that means none
    return _durations().validate_python(scalar(raw) if isinstance(raw, str) else raw)


def _iso(duration: timedelta) -> str:
    return str(_durations().dump_python(duration, mode="json"))


def _secret(raw: Any) -> SecretRef:
    if not isinstance(raw, str):
        raise ValueError("")  # noqa: TRY004 - as for any other value that means none
    return SecretRef(raw)


def _uuid(raw: Any) -> UUID:
    if not isinstance(raw, str):
        raise ValueError(raw)  # noqa: TRY004 - as for any other value that means none
    return UUID(raw)


SPELLED: Final[Mapping[type, tuple[Callable[[Any], Any], Callable[[Any], str], str]]] = (
    MappingProxyType(
        {
            Path: (_path, str, "path"),
            Decimal: (_decimal, _digits, "decimal number"),
            timedelta: (_duration, _iso, "duration, such as P1DT2H, 02:00:00 or seconds"),
            UUID: (_uuid, str, "UUID"),
            SecretRef: (_secret, str, "secret reference, such as env:NAME or file:/PATH"),
        }
    )
)
"""How values are read and written, and what they are called, by type."""
