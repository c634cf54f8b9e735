"""Columns of tables, compared: what was made for some cannot use others."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ml_pipeline.errors import StoreError
from ml_pipeline.runs.catalog import Entry, lineage_by_asset
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.text import quoted

_MOST_TOLD: Final = 5


def other_columns(
    store: ArtifactStore,
    entry: Entry,
    beside: ArtifactStore,
    standing: Entry,
    called: Callable[[str], str] = str,
) -> Iterator[str]:
    """Say which tables that a run was made from have other columns than those of another, as lines.

    Args:
        store: where the run is.
        entry: the run.
        beside: where the other is.
        standing: the other.
        called: returns the name that an asset has now.
    """
    made, there = (_read(*side, called) for side in ((store, entry), (beside, standing)))
    for name in made.keys() & there.keys():
        try:
            now = store.columns(made[name].path, made[name].record)
            before = beside.columns(there[name].path, there[name].record)
        except StoreError as error:
            yield f"{name} must have columns that can be compared, but {error}".rstrip(".")
            continue
        if now is not None and before is not None and now != before:
            yield (
                f"{name} must have the columns that {standing.record.run_id} was made from, but"
                f" {differences(before, now)}"
            )


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say how the columns of a table differ, given their types by name."""
    lacking = [quoted(name) for name in before if name not in now]
    more = [quoted(name) for name in now if name not in before]
    others = [
        f"{quoted(name)} is {kind}, not {before[name]}"
        for name, kind in now.items()
        if name in before and before[name] != kind
    ]
    told = [
        *([f"lacks {_some(lacking)}"] if lacking else []),
        *([f"has {_some(more)} besides"] if more else []),
        *([_some(others)] if others else []),
    ]
    return "; ".join(told)


def _read(store: ArtifactStore, entry: Entry, called: Callable[[str], str]) -> dict[str, Entry]:
    """Return what a run was made from by the asset's present name, without the run itself."""
    return {
        called(name): made
        for name, made in lineage_by_asset(store, entry).items()
        if made is not None and name != entry.record.asset
    }


def _some(told: list[str]) -> str:
    more = len(told) - _MOST_TOLD
    return f"{', '.join(told[:_MOST_TOLD])}{f' and {more} more' if more > 0 else ''}"
