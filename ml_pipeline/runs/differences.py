"""What is another between the parameters of a run and those of a place in the store.

Names are those that parameters have now. A parameter that one side does not have at all was added
or removed, which is no change of its value, and is told so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_pipeline.params.history import completed, present, told_names
from ml_pipeline.params.model import ParamModel
from ml_pipeline.store.record import Record
from ml_pipeline.store.slots import Slot


@dataclass(frozen=True)
class Difference:
    """One thing that is another.

    Attributes:
        name: of a parameter, `as_of`, or a whole group.
        there: what the run has, or `...` where it has none.
        here: what the place has, or `...` where it has none.
        is_group: whether a whole group is meant.
    """

    name: str
    there: Any = ...
    here: Any = ...
    is_group: bool = False

    @property
    def told(self) -> str:
        """What has happened since the run."""
        if self.is_group:
            done = "added to" if self.there is ... else "removed from"
            return f"the group {self.name} was {done} what it depends on"
        if self.there is ...:
            return f"the parameter {self.name} ({self.here}) was added"
        if self.here is ...:
            return f"the parameter {self.name} ({self.there}) was removed"
        return f"{self.name} {self.there} -> {self.here}"

    @property
    def listed(self) -> str:
        """What the run has, and what the place has."""
        there = "no such " + ("group" if self.is_group else "parameter")
        there = there if self.there is ... else str(self.there)
        here = "none such" if self.here is ... else str(self.here)
        return f"{self.name} {there} (you: {here})"


def differences(record: Record, slot: Slot) -> list[Difference]:
    """Return what a record's identity has other than a slot's."""
    return differing(slot.model, record.identity, slot.identity)


def differing(
    model: ParamModel | None, there: Mapping[str, Any], here: Mapping[str, Any]
) -> list[Difference]:
    """Return what one identity has other than another.

    Args:
        model: the parameters as they are now, if known.
        there: the document of one id; of one that is none of ours, what can be read counts.
        here: the document of the other.
    """
    found = []
    if there.get("as_of") != here.get("as_of"):
        found.append(Difference("as_of", there.get("as_of"), here.get("as_of")))
    theirs, ours = (completed(model, _groups(document)) for document in (there, here))
    for group in dict.fromkeys([*ours, *theirs]):
        if group not in theirs:
            found.append(Difference(group, here=ours[group], is_group=True))
        elif group not in ours:
            found.append(Difference(group, there=theirs[group], is_group=True))
    both = theirs.keys() & ours.keys()
    their_values = present(model, {group: theirs[group] for group in theirs if group in both})
    our_values = present(model, {group: ours[group] for group in ours if group in both})
    names = told_names(model, {**our_values, **their_values})
    for dotted, name in names.items():
        values = their_values.get(dotted, ...), our_values.get(dotted, ...)
        if ... in values or json.dumps(values[0]) != json.dumps(values[1]):
            found.append(Difference(name, *values))
    return found


def _groups(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    params = document.get("params")
    groups = params.items() if isinstance(params, Mapping) else ()
    return {group: values for group, values in groups if isinstance(values, Mapping)}
