"""What is not public of how Dagster's events get into its log, and used here."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import dagster as dg


@contextlib.contextmanager
def stored_at_once(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let the events that are yielded within be stored by one transaction of each database.

    SQLite waits for the disk at the end of each, and Dagster makes two or three for an event; the
    batches that it knows itself are for others than checks, and not for SQLite. What was yielded is
    stored whatever happens then. Other databases, and a Dagster that has other names, store one
    event after the other, which takes longer and gives the same.
    """
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

    storage: Any = instance.event_log_storage
    connect = getattr(storage, "_connect", None)
    is_known = type(storage) is SqliteEventLogStorage and hasattr(storage, "_db_lock")
    if not is_known or connect is None or "_connect" in vars(storage):
        yield
        return
    connections: dict[str, Any] = {}
    here = threading.get_ident()
    # Two databases are open at once, by the one thread that stores; others wait for it.
    storage._db_lock = threading.RLock()
    with contextlib.ExitStack() as opened:

        def once(shard: str) -> contextlib.AbstractContextManager[Any]:
            if threading.get_ident() != here:
                return connect(shard)  # type: ignore[no-any-return]
            if shard not in connections:
                connections[shard] = opened.enter_context(connect(shard))
            return contextlib.nullcontext(connections[shard])

        storage._connect = once
        try:
            yield
        finally:
            del storage._connect
            opened.close()
