"""How much of metadata an event holds: enough to see, whatever a pipeline returns."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

import dagster as dg

MOST: Final = 150_000
"""Bytes of metadata that one event holds at most, as Dagster writes them."""

_LONGEST: Final = 2_000
_ENVELOPE: Final = 140


def fitting(
    entries: Mapping[str, Any], whole: str, always: Collection[str] = (), most: int = MOST
) -> dict[str, Any]:
    """Return metadata without what is too long for an event; a note says what was left out.

    Args:
        entries: metadata in the order in which it is shown: what comes first is kept first.
        whole: where everything is.
        always: names of those that are kept in any case.
        most: bytes that all may take.
    """
    cut = {name: _cut(value, whole) for name, value in entries.items()}
    sizes = {name: _size(name, value) for name, value in cut.items()}
    room = most - sum(size for name, size in sizes.items() if name in always)
    kept: dict[str, Any] = {}
    left_out = 0
    for name, value in cut.items():
        if name not in always:
            if sizes[name] > room:
                left_out += 1
                continue
            room -= sizes[name]
        kept[name] = value
    if left_out:
        kept["left_out"] = f"{left_out} of {len(cut)} entries are too long for here: see {whole}"
    return kept


def _cut(value: Any, whole: str) -> Any:
    """Return a value that is not long, or its beginning."""
    if isinstance(value, dg.JsonMetadataValue):
        text = json.dumps(value.data, default=str)
    elif isinstance(value, str | dg.TextMetadataValue):
        text = value if isinstance(value, str) else value.value or ""
    else:
        return value
    if len(text) <= _LONGEST:
        return value
    return f"{text[:_LONGEST]}... ({len(text):,} characters, see {whole})"


def _size(name: str, value: Any) -> int:
    """Return about how many bytes Dagster writes for an entry."""
    if isinstance(value, dg.TableMetadataValue):
        held: Any = [record.data for record in value.records]
        columns = sum(len(json.dumps(one.name)) + 250 for one in value.schema.columns)
        return _ENVELOPE + columns + len(json.dumps(held, default=str)) + 60 * len(held)
    if isinstance(value, dg.TableSchemaMetadataValue):
        told = [len(json.dumps([one.name, one.description])) for one in value.schema.columns]
        return _ENVELOPE + sum(told) + 250 * len(told)
    if isinstance(value, dg.TableColumnLineageMetadataValue):
        return _ENVELOPE + len(dg.serialize_value(value))
    held = getattr(value, "value", value)
    return _ENVELOPE + len(json.dumps(name)) + len(json.dumps(held, default=str))
