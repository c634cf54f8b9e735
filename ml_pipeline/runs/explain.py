"""Reasons, in words: why an artifact is computed, and what there is where one is missing.

Both compare what is wanted with the nearest thing that is published, and name what differs:
a parameter, the code, an input or the outside data.

The nearest is looked for on one shelf after another, a shelf being a directory of runs with the
same labels: the artifact's own, those of the same date with other labels, those of the nearest
dates, anywhere. All of it is bounded; a sentence that a bound has made uncertain says so.
"""

import heapq
import itertools
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ml_pipeline.invocation import typed
from ml_pipeline.params.as_of import AsOf, nearest_keys
from ml_pipeline.params.history import told
from ml_pipeline.runs.changes import (
    changes_of_code,
    changes_of_inputs,
    changes_of_others,
    changes_outside,
)
from ml_pipeline.runs.differences import differences
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.surroundings import upgraded
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.fallbacks import Fallback
from ml_pipeline.store.record import OtherAsset, Record
from ml_pipeline.store.slots import Slot, as_of_label, as_of_on, asset_directory

# On a local disk, listing a file takes 12 us, reading a record 130 us; with an object store, a
# request takes 20 ms or more.
_LISTED: Final = 2000
_READ: Final = 200
_READ_REMOTE: Final = 40
_SHELVES: Final = 10
_DAYS: Final = 5
_SHOWN: Final = 5
_QUOTES: Final = {"'": '"', '"': "'"}


def why_computed(
    store: ArtifactStore,
    slot: Slot,
    stage: Stage,
    inputs: Mapping[str, Record | None],
    external: str | None,
    others: Mapping[str, OtherAsset] | None = None,
) -> str:
    """Say why something has to be computed, as a phrase.

    Args:
        store: where nothing was found.
        slot: the artifact's place.
        stage: what would make it.
        inputs: records of what it would read; None for what has to be computed first.
        external: digest of the outside data that it would read.
        others: the assets that it would read and that are no stages, by key.
    """
    for earlier in store.revisions(slot):
        changed = changes_of_code(earlier, stage)
        changed += changes_of_inputs(earlier, stage, inputs)
        changed += changes_of_others(earlier, others or {})
        if earlier.external != external:
            changed += changes_outside(earlier, stage)
        return ", ".join(changed) or f"revision {earlier.revision} is of another kind"
    record, compared = _nearest(store, slot)
    if record is None:
        before = [name for name in stage.former if store.children(asset_directory(name))]
        was = f" by this name; the stage was called {before[0]} before" if before else ""
        return f"nothing is published yet{was}"
    changes = differences(record, slot)
    sentence = ", ".join(change.told for change in changes)
    sentence += f" since run {record.run_id}"
    if len(changes) > 1 and compared == _most_read(store):
        sentence += f", the nearest of {compared} compared"
    return sentence


def why_reused(stage: Stage, slot: Slot, record: Record, lender: Fallback | None) -> str:
    """Say who made what is reused, and what has changed around it since.

    Args:
        stage: the stage.
        slot: where its artifact is.
        record: the artifact's record.
        lender: who has it, where that is another environment.
    """
    made_by = record.provenance.dagster_run_id or "a run outside Dagster"
    made = f"run {slot.run_id} was made {record.started_at:%Y-%m-%d %H:%M} by {made_by}"
    if lender is not None:
        made = f"from {lender.environment}: {made}"
    others = upgraded(record.provenance.packages, stage.libraries, stage.packages)
    return ", but ".join([made, *others])


def why_missing(store: ArtifactStore, slot: Slot) -> str:
    """Compose the message for an artifact that somebody needs and nobody has made.

    Args:
        store: where it was looked for.
        slot: where it would be.
    """
    values = ", ".join(f"{name}={value}" for name, value in _told(slot).items())
    seen: dict[str, str] = {}
    everywhere = itertools.chain.from_iterable(_from_near_to_far(store, slot))
    read = list(itertools.islice(everywhere, _most_read(store)))
    # Newest first among equals.
    read.sort(key=lambda record: record.started_at, reverse=True)
    read.sort(key=lambda record: len(differences(record, slot)))
    for record in read:
        differs = "; ".join(change.listed for change in differences(record, slot))
        seen.setdefault(record.run_id, differs)
    if seen:
        shown = list(seen.items())[:_SHOWN]
        listing = f"\nPublished for {slot.asset}, nearest first:" + "".join(
            f"\n  {run_id}  differs in {what}" for run_id, what in shown
        )
        if len(seen) > _SHOWN:
            at_least = "at least " if len(read) == _most_read(store) else ""
            listing += f"\n  and {at_least}{len(seen) - _SHOWN} more"
    else:
        listing = f"\nNothing is published for {slot.asset} in {store.uri}."
    return (
        f"'{slot.asset}' must be published for {values} (run id {slot.run_id}), but is not."
        f"{listing}\nTo make it, select '{slot.asset}' in the same run, or type:\n"
        f"  {command_for(slot, store.environment)} --select {slot.asset}"
    )


def command_for(slot: Slot, environment: str | None = None) -> str:
    """Return the command line that makes what belongs in a slot.

    Args:
        slot: the slot.
        environment: where; None where no environments are configured.
    """
    values = {name: value for name, value in _told(slot).items() if name != "as_of"}
    run = {} if environment is None else {"environment": environment}
    return command_line({**values, **run}, slot.as_of, slot.as_of)


def command_line(
    values: Mapping[str, Any],
    first: AsOf | None,
    last: AsOf | None,
    typed: Callable[[str], str] = typed,
) -> str:
    """Return the command line that runs everything for parameters and dates.

    Args:
        values: parameters by plain name.
        first: the first date, or None for a pipeline without dates.
        last: the last date.
        typed: returns a command as it has to be typed for the pipeline.
    """
    if first is None or last is None:
        flags = []
    else:
        ends = {"--as-of": first} if first == last else {"--from": first, "--to": last}
        flags = [f"{option} {shlex.quote(str(key))}" for option, key in ends.items()]
    flags += [f"--param {shlex.quote(f'{name}={_typed(value)}')}" for name, value in values.items()]
    return typed(" ".join(["run", *flags]))


def _typed(value: Any) -> str:
    """Write a value as it is typed on a command line."""
    if value is None:
        return "none"
    if not isinstance(value, str):
        return json.dumps(value)
    # One pair of quotes around a text is not part of it.
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES
    return f"{_QUOTES[value[0]]}{value}{_QUOTES[value[0]]}" if is_quoted else value


def _nearest(store: ArtifactStore, slot: Slot) -> tuple[Record | None, int]:
    """Find the record that differs least, the newest among equals; tell how many were compared."""
    nearest, least, compared = None, 0, 0
    for records in _from_near_to_far(store, slot):
        for record in itertools.islice(records, _most_read(store) - compared):
            compared += 1
            count = len(differences(record, slot))
            if nearest is None or count < least:
                nearest, least = record, count
            if least <= 1:
                # What does not differ at all would have been a revision of the slot itself.
                return nearest, compared
        if nearest is not None:
            break
    return nearest, compared


def _from_near_to_far(store: ArtifactStore, slot: Slot) -> Iterator[Iterator[Record]]:
    """Yield records of the same date, of each of the nearest dates, and of anywhere."""
    shelf = slot.path.rpartition("/")[0]
    yield itertools.chain(_on_shelf(store, shelf), _with_other_labels(store, slot))
    for other in _shelves_of_nearest_days(store, slot, shelf):
        yield _on_shelf(store, other)
    yield _anywhere(store, slot)


def _with_other_labels(store: ArtifactStore, slot: Slot) -> Iterator[Record]:
    """Yield records of the same date from shelves with other labels, newest first."""
    root = asset_directory(slot.asset)
    labels = slot.path.removeprefix(f"{root}/").split("/")[:-1]
    shelves = [(0, root)]
    for label in labels:
        if slot.as_of is not None and label == as_of_label(slot.as_of):
            shelves = [(others, f"{shelf}/{label}") for others, shelf in shelves]
            continue
        name = label.partition("=")[0]
        shelves = sorted(
            (others + (child != label), f"{shelf}/{child}")
            for others, shelf in shelves
            for child in store.children(shelf)
            if child.startswith(f"{name}=")
        )[:_SHELVES]
    records = [_on_shelf(store, shelf) for others, shelf in shelves if others]
    yield from heapq.merge(*records, key=lambda record: record.started_at, reverse=True)


def _shelves_of_nearest_days(store: ArtifactStore, slot: Slot, shelf: str) -> Iterator[str]:
    if slot.as_of is None:
        return
    ours = as_of_label(slot.as_of)
    above, marker, below = shelf.partition(f"/{ours}")
    if not marker:
        return
    told = {
        as_of: label for label in store.children(above) if (as_of := as_of_on(label)) is not None
    }
    for as_of in nearest_keys(slot.as_of, told)[:_DAYS]:
        yield f"{above}/{told[as_of]}{below}"


def _on_shelf(store: ArtifactStore, shelf: str) -> Iterator[Record]:
    """Yield the readable records of a shelf, newest first."""
    return _read(store, store.newest_on_shelf(shelf))


def _anywhere(store: ArtifactStore, slot: Slot) -> Iterator[Record]:
    """Yield records of the asset, those first whose date and labels differ least."""
    ours = set(slot.path.split("/"))
    same_date = as_of_label(slot.as_of) if slot.as_of is not None else None

    def distance(directory: str) -> tuple[int, bool]:
        levels = directory.split("/")
        return len(ours.difference(levels)), same_date not in levels

    some = itertools.islice(store.directories(slot.asset), _LISTED)
    return _read(store, sorted(some, key=distance))


def _read(store: ArtifactStore, directories: Iterable[str]) -> Iterator[Record]:
    """Yield what can be read, trying no more than there is time for."""
    for directory in itertools.islice(directories, _most_read(store)):
        record = store.readable_record(directory)
        if record is not None:
            yield record


def _most_read(store: ArtifactStore) -> int:
    return _READ_REMOTE if store.directory is None else _READ


def _told(slot: Slot) -> dict[str, Any]:
    """Return the date and the parameters of a slot by the names that people see."""
    return {"as_of": slot.identity["as_of"], **told(slot.model, slot.identity["params"])}
