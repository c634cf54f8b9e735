"""Dates and times as text, read as instants in UTC.

What is read is ISO 8601 in the forms that occur, and none that could mean something else: years
have four digits, and a zone is an offset, ``Z`` or ``UTC``.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

_DATE: Final = r"[0-9]{4}(?:-[0-9]{1,2}-[0-9]{1,2}|[0-9]{4})"
_TIME: Final = r"[0-9]{1,2}(?::[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?)?"
_BASIC_TIME: Final = r"[0-9]{2}[0-5][0-9](?:[0-5][0-9](?:[.,][0-9]+)?)?"
_ZONE: Final = r" ?(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?(?: UTC)?)"
_ISO: Final = rf"^{_DATE}(?:T(?:{_TIME}|{_BASIC_TIME})(?:{_ZONE})?)?$"

_FORMATS: Final = (
    "%Y-%m-%d",
    "%Y%m%d",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
)
# Seldom forms are rewritten into the usual ones; the order counts.
_REWRITTEN: Final = (
    (r"(?:([+-][0-9]{2}(?::?[0-9]{2})?) UTC| ?(?:UTC|GMT))$", "${1}Z"),
    (r"([+-][0-9:]+)Z$", "${1}"),
    (r" ([Z+-])", "${1}"),
    (r",", "."),
    (r"^([0-9]{4})([0-9]{2})([0-9]{2})T", "${1}-${2}-${3}T"),
    (r"T([0-9]{2})([0-9]{2})", "T${1}:${2}"),
    (r"(T[0-9]{2}:[0-9]{2})([0-9]{2})", "${1}:${2}"),
    (r"T([0-9]{1,2})(Z|[+-]|$)", "T${1}:00${2}"),
    (r"(T[0-9]{1,2}:[0-9]{2})(Z|[+-]|$)", "${1}:00${2}"),
)


def instants(texts: "pl.Series") -> "pl.Series":
    """Read texts as instants.

    Args:
        texts: dates ``2009-01-05`` or ``20090105``, or dates and times in ISO 8601 with an offset,
            ``Z`` or ``UTC``, or without, which is UTC as well.

    Returns:
        Datetime in microseconds, in UTC without a zone; null where a text is none of these.
    """
    import polars as pl

    text = texts.str.strip_chars().str.to_uppercase().str.replace(" ", "T", literal=True)
    text = text.set(~text.str.contains(_ISO), None)
    found = pl.Series(texts.name, [None], dtype=pl.Datetime("us")).new_from_index(0, len(texts))
    found = _read(text, found)
    left = text.is_not_null() & found.is_null()
    if left.any():
        for pattern, instead in _REWRITTEN:
            text = text.str.replace(pattern, instead)
        found = _read(text, found)
    return found


def _read(text: "pl.Series", found: "pl.Series") -> "pl.Series":
    """Read those texts that have not been read yet, one form after the other."""
    for form in _FORMATS:
        left = text.is_not_null() & found.is_null()
        if not left.any():
            break
        zone = "UTC" if form.endswith("z") else None
        read = text.filter(left).str.to_datetime(form, strict=False, time_unit="us", time_zone=zone)
        found = found.scatter(left.arg_true(), read.dt.replace_time_zone(None))
    return found
