"""Whether a stored model may be loaded: everything that its schema names, before any is made.

A schema is what skops keeps beside the arrays: a tree of nodes, each with the name of what it makes
and of the part of skops that makes it. Both have to be on the list, and the name has to lead to the
very thing that was defined under it: a name is no proof.
"""

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from ml_pipeline.store.formats.format import dotted
from ml_pipeline.store.formats.trusted_types import (
    BIT_GENERATORS,
    BY_LOADER,
    KEYS,
    OF_ONES_OWN,
    UFUNC_MODULES,
    estimator_names,
)

_PROTOCOLS: Final = (2,)
"""What skops 0.14 to 0.16 write; its readers of older ones take names from other places."""

_LIBRARIES: Final = ("lightgbm", "numpy", "scipy", "sklearn", "xgboost")

Kind = tuple[str, str]
"""A part of skops and the full name of what it makes."""


@dataclass
class Audit:
    """What a schema holds.

    Attributes:
        kinds: what is made, and by which part of skops.
        refused: what may not be, in words.
        trustable: names among these that a pipeline could trust as its own.
    """

    kinds: set[Kind] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    trustable: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """Full names of all that is made."""
        return sorted({name for _, name in self.kinds})


def audited(schema: Any, own: Mapping[str, Callable[..., Any]]) -> Audit:
    """Go through all that a schema names.

    Args:
        schema: what ``schema.json`` holds.
        own: what the pipeline trusts besides, by full name.
    """
    audit = Audit()
    if not isinstance(schema, dict) or schema.get("protocol") not in _PROTOCOLS:
        audit.refused.add("a schema of another version of skops")
        return audit
    made: dict[Any, Kind] = {}
    for node in _nodes(schema):
        kind = str(node["__loader__"]), f"{node.get('__module__')}.{node.get('__class__')}"
        number = node.get("__id__")
        if made.setdefault(number, kind) != kind and number is not None:
            audit.refused.add(f"{kind[1]} under the number of {made[number][1]}")
        if kind not in audit.kinds:
            audit.kinds.add(kind)
            if not _is_trusted(*kind, own):
                audit.refused.add(kind[1])
                audit.trustable.update([kind[1]] if _could_be_own(*kind) else [])
        audit.refused.update(_refused_within(node, kind[0]))
    return audit


def name_functions(schema: Any) -> None:
    """Name functions that work element by element after the module that defines them, in place.

    They do not know it themselves, and skops names the first module that holds them: it may be the
    user's, and another one in the next process.
    """
    for node in _nodes(schema):
        if node["__loader__"] == "FunctionNode" and node.get("__module__") not in UFUNC_MODULES:
            found: Any = getattr(sys.modules.get(node["__module__"]), node["__class__"], None)
            if not _is_ufunc(found):
                continue
            for module in UFUNC_MODULES:
                name = found.__name__
                if getattr(sys.modules.get(module), name, None) is found:
                    node["__module__"], node["__class__"] = module, name
                    break


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every node below and including this one."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("__loader__"), str):
                yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _refused_within(node: Mapping[str, Any], loader: str) -> Iterator[str]:
    """Yield what a node holds besides other nodes that would not be safe, or not come back."""
    if loader == "DictNode":
        key_types = node.get("key_types")
        members = key_types.get("content") if isinstance(key_types, dict) else None
        for key in members if isinstance(members, list) else [None]:
            name = (
                f"{key.get('__module__')}.{key.get('__class__')}" if isinstance(key, dict) else ""
            )
            if name not in KEYS:
                yield f"a mapping with keys of type {name or 'unknown'}"
    elif loader == "RandomGeneratorNode":
        try:
            name = json.loads(
                node["content"]["bit_generator"]["content"]["bit_generator"]["content"]
            )
        except (KeyError, TypeError, ValueError):
            name = None
        if name not in BIT_GENERATORS:
            yield f"numpy.random.{name}"


def _is_trusted(loader: str, name: str, own: Mapping[str, Callable[..., Any]]) -> bool:
    """Whether a part of skops may make what has this name."""
    if name in own:
        return loader in OF_ONES_OWN and _found(name) is own[name]
    if name in BY_LOADER.get(loader, ()):
        return _is_itself(name)
    if loader == "ObjectNode":
        return name in estimator_names() and _is_itself(name)
    if loader == "FunctionNode" and name.rpartition(".")[0] in UFUNC_MODULES:
        found = _found(name)
        return _is_ufunc(found) and bool(found.__name__ == name.rpartition(".")[2])
    return False


def _could_be_own(loader: str, name: str) -> bool:
    """Whether a name could be that of a class or function of the user's own."""
    top, attribute = name.partition(".")[0], name.rpartition(".")[2]
    is_library = top in sys.stdlib_module_names or top in _LIBRARIES
    return loader in OF_ONES_OWN and attribute.isidentifier() and not is_library


@cache
def _is_itself(name: str) -> bool:
    """Whether a name leads to what was defined under it, and to no alias."""
    found = _found(name)
    return found is not None and dotted(found) == name


def _found(name: str) -> Any:
    """Return what a name on the list leads to, or None."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return None


def _is_ufunc(found: Any) -> bool:
    import numpy as np

    return isinstance(found, np.ufunc)
