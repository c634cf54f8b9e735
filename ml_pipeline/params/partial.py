"""Fields of one value that were named one by one: ``model.size=10`` where `model` takes classes.

They lie over what the value would be without them: that of a weaker layer, or the default. Where
they say that it is of another class, nothing of that stays.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_pipeline.params.kind import Kind, aliases_of


class Partial(dict[str, Any]):
    """Some fields of a value, in raw form."""


def partial_of(kind: Kind, steps: Sequence[str], raw: Any) -> Partial | None:
    """Return the one field of a value that some steps lead to, or None where there is none.

    Args:
        kind: what the value may be.
        steps: names of fields, each within the one before.
        raw: what the field is to be.
    """
    first, *others = steps
    for shape in kind.shapes:
        for name, member in shape.members.items():
            if first not in (name, *aliases_of(member.info)):
                continue
            inner = partial_of(member.kind, others, raw) if others else raw
            if not others or inner is not None:
                return Partial({name: inner})
    return None


def joined(some: Mapping[str, Any], more: Mapping[str, Any]) -> Partial | None:
    """Return fields together, or None where one of them is in both."""
    found = Partial(some)
    for name, raw in more.items():
        if name in found:
            inner = found[name]
            both = isinstance(inner, Partial) and isinstance(raw, Partial)
            raw = joined(inner, raw) if both else None
            if raw is None:
                return None
        found[name] = raw
    return found


def over(kind: Kind, partial: Mapping[str, Any], base: Any) -> dict[str, Any]:
    """Return fields with those that lie below them.

    Args:
        kind: what the value may be.
        partial: the fields.
        base: what the value would be without them.
    """
    found = dict(base) if isinstance(base, Mapping) else {}
    if kind.tag in partial and str(partial[kind.tag]) != str(found.get(kind.tag)):
        found = {}
    for name, raw in partial.items():
        inner = next((s.members[name].kind for s in kind.shapes if name in s.members), Kind())
        found[name] = over(inner, raw, found.get(name)) if isinstance(raw, Partial) else raw
    return found
