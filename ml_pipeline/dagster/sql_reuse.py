"""What Dagster does anew for each of some eighty connections of a run, done once.

It makes an SQLAlchemy engine for every connection, so every statement is compiled again, and lets
alembic execute all its migration scripts for every database. Together that takes longer than
deciding to reuse a run. Dagster has no setting for either, so both are replaced while a run of this
process needs them; where a later Dagster has other names, nothing is replaced and nothing is lost.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def reused() -> Iterator[None]:
    """Keep engines and migration scripts until the context ends; one context at a time."""
    from alembic.script import ScriptDirectory
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage

    with contextlib.ExitStack() as replaced:
        for module in (sqlite_event_log, sqlite_run_storage):
            replaced.enter_context(_kept(module, "create_engine", str))
        replaced.enter_context(_kept(ScriptDirectory, "from_config", _place_of_scripts))
        yield


def _place_of_scripts(config: Any) -> str:
    return str(config.get_main_option("script_location"))


@contextlib.contextmanager
def _kept(owner: Any, name: str, key: Callable[[Any], str]) -> Iterator[None]:
    """Let a function return what it returned before for the same key of its first argument."""
    own = vars(owner).get(name)
    if own is None:
        yield
        return
    make: Callable[..., Any] = getattr(owner, name)
    made: dict[str, Any] = {}

    def once(of: Any, **options: Any) -> Any:
        if key(of) not in made:
            made[key(of)] = make(of, **options)
        return made[key(of)]

    setattr(owner, name, staticmethod(once) if isinstance(owner, type) else once)
    try:
        yield
    finally:
        setattr(owner, name, own)
