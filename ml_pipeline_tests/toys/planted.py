"""Archives of skops as somebody would plant them: they hold what skops itself never writes."""

import io
import itertools
import json
import zipfile
from typing import Any

_numbers = itertools.count(1)


def node(loader: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return a part of a schema: what makes something, the full name of that, and its content."""
    module, _, attribute = name.rpartition(".")
    made = {"__loader__": loader, "__module__": module, "__class__": attribute}
    return made | {"__id__": next(_numbers)} | fields


def plain(value: Any) -> dict[str, Any]:
    """Return a number, a text or a nested list of them."""
    if isinstance(value, tuple):
        return node("TupleNode", "builtins.tuple", content=[plain(member) for member in value])
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def call(name: str, *arguments: Any) -> dict[str, Any]:
    """Return what is made by calling something."""
    return node("ConstructorFromReduceNode", name, content=plain(tuple(arguments)))


def mapping(of_key: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """Return a mapping from text; `of_key` takes the place of the type of its keys."""
    key = of_key or node("TypeNode", "builtins.str")
    keys = node("ListNode", "builtins.list", content=[key] * len(members))
    return node("DictNode", "builtins.dict", content=members, key_types=keys)


def ridge(protocol: Any = 2, of_key: dict[str, Any] | None = None, **attributes: Any) -> bytes:
    """Return an archive of a Ridge with these attributes."""
    schema = node(
        "ObjectNode", "sklearn.linear_model._ridge.Ridge", content=mapping(of_key, **attributes)
    )
    return archive(schema | {"protocol": protocol, "_skops_version": "0.16.0"})


def archive(schema: Any) -> bytes:
    """Return an archive with a schema and nothing else."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as into:
        into.writestr("schema.json", json.dumps(schema))
    return packed.getvalue()
