"""What is not public of how Dagster's events are stored, and used here to store them in short.

An event says twice what it says in words, three times which step it is of, and again what every
event of its run says. All of that may be missing, as it is in events that Dagster writes itself
before a step begins, and nothing of what it shows comes from there.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import dagster as dg

Shorten = Callable[[dg.AssetCheckEvaluation], dg.AssetCheckEvaluation]

_CHECK: Final = "ASSET_CHECK_EVALUATION"
_SHORTENED: Final = ("ASSET_MATERIALIZATION", _CHECK)
_DESCRIPTION: Final = " Description: "


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
    try:
        yield
    finally:
        del storage.store_event


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
