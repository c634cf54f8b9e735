"""What to tell someone whose run needs an artifact that nobody has made.

Says which parameter sets do exist, nearest first, in terms of what differs, and how to make the
one that is missing.
"""

import contextlib
import itertools
from collections.abc import Mapping
from typing import Any, Final

from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.record import Record
from ml_pipeline.slots import Slot
from ml_pipeline.store import ArtifactStore

_LOOKED_AT: Final = 2000
_READ: Final = 100
_SHOWN: Final = 5


def explain_missing(store: ArtifactStore, slot: Slot) -> str:
    """Compose the message for an artifact that is not published.

    Args:
        store: where it was looked for.
        slot: where it would be.
    """
    wanted = _flat(slot.identity)
    values = ", ".join(f"{name}={value}" for name, value in wanted.items())
    nearest = sorted(_published(store, slot), key=lambda record: len(differences(record, slot)))
    seen: dict[str, str] = {}
    for record in nearest:
        seen.setdefault(record.run_id, "; ".join(differences(record, slot)) or "other labels only")
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
    flags = [f"--as-of {slot.as_of}"] if slot.as_of is not None else []
    flags += [
        f"--param {name}={value}"
        for fields in slot.identity["params"].values()
        for name, value in fields.items()
    ]
    return " ".join(["ml-pipeline run", *flags])


def differences(record: Record, slot: Slot) -> list[str]:
    """Return what a record's identity has other than a slot's, as ``name there (here)``."""
    theirs, ours = _flat(record.identity), _flat(slot.identity)
    return [
        f"{name} {theirs.get(name, 'unset')} (you: {ours.get(name, 'unset')})"
        for name in dict.fromkeys([*ours, *theirs])
        if theirs.get(name) != ours.get(name)
    ]


def _published(store: ArtifactStore, slot: Slot) -> list[Record]:
    """Read a bounded number of records of the asset, those of the same date before others."""
    some = list(itertools.islice(store.directories(slot.asset), _LOOKED_AT))
    some.sort(key=lambda directory: f"/as_of={slot.as_of}/" not in f"{directory}/")
    records = []
    for directory in some[:_READ]:
        with contextlib.suppress(ArtifactDamaged):
            record = store.read_record(directory)
            if record is not None:
                records.append(record)
    return records


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        name: value for values in identity["params"].values() for name, value in values.items()
    }
    return {"as_of": identity["as_of"], **fields}
