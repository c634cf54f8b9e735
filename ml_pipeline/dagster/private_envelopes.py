"""What is not public of how Dagster's events are stored, and used here to store them in short.

An event says twice what it says in words, three times which step it is of, and again what every
event of its run says. All of that may be missing, as it is in events that Dagster writes itself
before a step begins, and nothing of what it shows comes from there. As text, it has spaces that
nobody reads, and names what it has not: Dagster's own readers take that for missing, too.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import dagster as dg

Shorten = Callable[[dg.AssetCheckEvaluation], dg.AssetCheckEvaluation]

_CHECK: Final = "ASSET_CHECK_EVALUATION"
_SHORTENED: Final = ("ASSET_MATERIALIZATION", _CHECK)
_DESCRIPTION: Final = " Description: "
_NOTHING: Final[tuple[Any, ...]] = (None, [], {})
_MAY_BE_MISSING: Final = {
    "DagsterEvent": {"solid_handle", "step_handle", "logging_tags"},
    "StepMaterializationData": {"asset_lineage"},
    "AssetMaterialization": {"description"},
    "EventMetadataEntry": {"description"},
}
"""What may be missing of which class where there is nothing."""


@contextlib.contextmanager
def stored_in_short(instance: dg.DagsterInstance, shorten: Shorten) -> Iterator[None]:
    """Let what is told of assets and checks within take less of the instance's database.

    Who listens to the run hears of it as it was told.

    Args:
        instance: where events are stored.
        shorten: returns what is stored of what a check has found.
    """
    storage: Any = instance.event_log_storage
    if "store_event" in vars(storage):
        yield
        return
    store = storage.store_event
    storage.store_event = lambda event: store(_in_short(event, shorten))
    with _as_short_text(storage):
        try:
            yield
        finally:
            del storage.store_event


@contextlib.contextmanager
def _as_short_text(storage: Any) -> Iterator[None]:
    """Let rows of events have no more text than is read; where rows are made otherwise, as ever."""
    row_of = getattr(storage, "_event_to_row", None)
    if row_of is None:
        yield
        return

    def short(event: Any) -> Any:
        row = row_of(event)
        if row["dagster_event_type"] not in _SHORTENED:
            return row
        text = json.loads(row["event"], object_hook=_without_nothing)
        return {**row, "event": json.dumps(text, separators=(",", ":"))}

    storage._event_to_row = short
    try:
        yield
    finally:
        del storage._event_to_row


def _without_nothing(held: dict[str, Any]) -> dict[str, Any]:
    names = _MAY_BE_MISSING.get(held.get("__class__", ""), ())
    return {name: one for name, one in held.items() if name not in names or one not in _NOTHING}


def _in_short(event: Any, shorten: Shorten) -> Any:
    told = event.dagster_event
    if told is None or told.event_type_value not in _SHORTENED:
        return event
    message, specific = told.message, told.event_specific_data
    if told.event_type_value == _CHECK:
        # What was found is part of the check's own words.
        message, specific = message.partition(_DESCRIPTION)[0], shorten(specific)
    short = told._replace(
        step_handle=None,
        node_handle=None,
        logging_tags={},
        message=message,
        event_specific_data=specific,
    )
    return event._replace(user_message="", dagster_event=short)
