"""Reasons, in words: why an artifact is computed, and what there is where one is missing.

Both compare what is wanted with the nearest thing that is published, and name what differs:
a parameter, the code, an input or the outside data.
"""

import contextlib
import itertools
import json
import shlex
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from ml_pipeline.record import Record
from ml_pipeline.slots import Slot
from ml_pipeline.store import ArtifactStore

_LISTED: Final = 2000
_READ: Final = 40
_SHOWN: Final = 5


def why_computed(
    store: ArtifactStore,
    slot: Slot,
    code: str,
    inputs: Mapping[str, Record | None],
    external: str | None,
) -> str:
    """Say why something has to be computed, as a phrase.

    Args:
        store: where nothing was found.
        slot: the artifact's place.
        code: fingerprint or version of its code.
        inputs: records of what it would read; None for what has to be computed first.
        external: digest of the outside data that it would read.
    """
    for earlier in store.revisions(slot):
        changed = []
        if earlier.code != code:
            changed.append(f"code changed since revision {earlier.revision}")
        changed += [
            f"input {name} changed"
            for name, record in inputs.items()
            if record is not None
            and (name not in earlier.inputs or earlier.inputs[name].digest != record.content.digest)
        ]
        changed += [
            f"input {name} has to be computed" for name, record in inputs.items() if record is None
        ]
        if earlier.external != external:
            changed.append("source data changed")
        return ", ".join(changed) or f"revision {earlier.revision} is of another kind"
    nearest = _nearest(_neighbours(store, slot), slot)
    if not nearest:
        return "nothing is published yet"
    record = nearest[0]
    changes = [f"{name} {there} -> {here}" for name, there, here in differences(record, slot)]
    return f"{', '.join(changes)} since run {record.run_id}"


def why_missing(store: ArtifactStore, slot: Slot) -> str:
    """Compose the message for an artifact that somebody needs and nobody has made.

    Args:
        store: where it was looked for.
        slot: where it would be.
    """
    values = ", ".join(f"{name}={value}" for name, value in _flat(slot.identity).items())
    seen: dict[str, str] = {}
    for record in _nearest(_anywhere(store, slot), slot):
        differs = "; ".join(
            f"{name} {there} (you: {here})" for name, there, here in differences(record, slot)
        )
        seen.setdefault(record.run_id, differs)
    if seen:
        shown = list(seen.items())[:_SHOWN]
        listing = f"\nPublished for {slot.asset}, nearest first:" + "".join(
            f"\n  {run_id}  differs in {what}" for run_id, what in shown
        )
        if len(seen) > _SHOWN:
            listing += f"\n  and {len(seen) - _SHOWN} more"
    else:
        listing = f"\nNothing is published for {slot.asset} in {store.uri}."
    return (
        f"'{slot.asset}' must be published for {values} (run id {slot.run_id}), but is not."
        f"{listing}\nTo make it, select '{slot.asset}' in the same run, or type:\n"
        f"  {command_for(slot)} --select {slot.asset}"
    )


def command_for(slot: Slot) -> str:
    """Return the command line that makes what belongs in a slot."""
    values = {name: value for name, value in _flat(slot.identity).items() if name != "as_of"}
    return command_line(values, slot.as_of, slot.as_of)


def command_line(values: Mapping[str, Any], first: date | None, last: date | None) -> str:
    """Return the command line that runs everything for parameters and dates.

    Args:
        values: parameters by plain name.
        first: the first date, or None for a pipeline without dates.
        last: the last date.
    """
    if first is None or last is None:
        flags = []
    else:
        flags = [f"--as-of {first}"] if first == last else [f"--from {first} --to {last}"]
    flags += [f"--param {shlex.quote(f'{name}={_typed(value)}')}" for name, value in values.items()]
    return " ".join(["ml-pipeline run", *flags])


def _typed(value: Any) -> str:
    """Write a value as it is typed on a command line."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def differences(record: Record, slot: Slot) -> list[tuple[str, Any, Any]]:
    """Return ``(name, there, here)`` of what a record's identity has other than a slot's."""
    theirs, ours = _flat(record.identity), _flat(slot.identity)
    return [
        (name, theirs.get(name, "unset"), ours.get(name, "unset"))
        for name in dict.fromkeys([*ours, *theirs])
        if theirs.get(name) != ours.get(name)
    ]


def _nearest(records: Iterable[Record], slot: Slot) -> list[Record]:
    """Sort records by how little they differ, the newest first among equals."""
    newest_first = sorted(records, key=lambda record: record.started_at, reverse=True)
    return sorted(newest_first, key=lambda record: len(differences(record, slot)))


def _neighbours(store: ArtifactStore, slot: Slot) -> list[Record]:
    """Read a bounded number of records with the same labels, or else of the nearest date."""
    beside = slot.path.rpartition("/")[0]
    found = _read(store, store.newest_directories(beside, _LISTED))
    wanted = slot.as_of
    if found or wanted is None:
        return found
    above, marker, below = beside.partition(f"/as_of={slot.as_of}")
    days = {}
    for name in store.children(above) if marker else ():
        with contextlib.suppress(ValueError):
            days[date.fromisoformat(name.removeprefix("as_of="))] = name
    for day in sorted(days, key=lambda day: abs(day - wanted))[:_SHOWN]:
        found = _read(store, store.newest_directories(f"{above}/{days[day]}{below}", _LISTED))
        if found:
            return found
    return []


def _anywhere(store: ArtifactStore, slot: Slot) -> list[Record]:
    """Read a bounded number of records of the asset, those of the same date before others."""
    some = list(itertools.islice(store.directories(slot.asset), _LISTED))
    some.sort(key=lambda directory: f"/as_of={slot.as_of}/" not in directory)
    return _read(store, some)


def _read(store: ArtifactStore, directories: Iterable[str]) -> list[Record]:
    read = (store.readable_record(directory) for directory in itertools.islice(directories, _READ))
    return [record for record in read if record is not None]


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return a date and fields by name; of a document that is none of ours, what can be read."""
    params = identity.get("params")
    groups = params.values() if isinstance(params, Mapping) else ()
    fields = {
        name: value
        for values in groups
        if isinstance(values, Mapping)
        for name, value in values.items()
    }
    return {"as_of": identity.get("as_of"), **fields}
