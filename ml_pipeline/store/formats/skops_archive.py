"""scikit-learn estimators as skops archives that are the same for the same estimator.

skops names the parts of an archive by memory address and stamps them with the time of day. Here
they are numbered in order of appearance. The state is taken from skops before it becomes an
archive: packing, unpacking and packing again would cost more than fitting a small model does.
"""

import io
import json
import zipfile
from collections.abc import Collection
from typing import Any, Final

from ml_pipeline.store.formats.audit import name_functions

_ARRAY: Final = b"\x93NUMPY"
_HEADER_BYTES: Final = 4096


class Parts(dict[str, bytes | memoryview]):
    """The arrays of an estimator by name; takes the place of the archive that skops writes to."""

    def __init__(self) -> None:
        """Start without any."""
        super().__init__()
        self.files: dict[str, str] = {}

    def writestr(self, name: str, data: bytes | memoryview) -> None:
        """Take a part from skops."""
        self[name] = data

    def namelist(self) -> Collection[str]:
        """Tell skops which parts there are."""
        return self.keys()

    def packed(self, schema: Any) -> bytes:
        """Return the archive of a schema and these parts, which `skops.io.loads` reads."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
            for old, new in self.files.items():
                packed.writestr(zipfile.ZipInfo(new), _without_gaps(self[old]))
            packed.writestr(zipfile.ZipInfo("schema.json"), json.dumps(schema))
        return archive.getvalue()


def parts_of(estimator: Any) -> tuple[Any, Parts]:
    """Return the schema and the arrays of an estimator, numbered in order of appearance.

    Objects that share an address still share a number, except for plain values: whether two equal
    ones are one object is up to the interpreter.

    Args:
        estimator: what skops can keep.
    """
    import skops
    from skops.io._utils import SaveContext, get_state

    parts = Parts()
    context = SaveContext(zip_file=parts)
    state = get_state(estimator, context)
    context.clear_memo()
    state["protocol"], state["_skops_version"] = context.protocol, skops.__version__
    schema = json.loads(json.dumps(state))
    name_functions(schema)
    parts.files = _renumber(schema, parts)
    return schema, parts


def _without_gaps(part: bytes | memoryview) -> bytes | memoryview:
    """Clear what lies between the fields of a stored array: it is whatever was in memory there."""
    head = bytes(part[:_HEADER_BYTES])
    if not head.startswith(_ARRAY) or b"('', '|V" not in head:
        return part
    import numpy as np

    array = np.load(io.BytesIO(part), allow_pickle=False)
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    written = io.BytesIO()
    np.save(written, clean)
    return written.getvalue()


def _renumber(schema: Any, parts: Parts) -> dict[str, str]:
    """Replace addresses in place; return the new name of every part by its old one."""
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}
    count = 0

    def visit(node: Any) -> None:
        nonlocal count
        if isinstance(node, list):
            for member in node:
                visit(member)
        elif isinstance(node, dict):
            if "__id__" in node:
                if node.get("is_json") or node["__id__"] not in numbers:
                    count += 1
                    numbers[node["__id__"]] = count
                node["__id__"] = numbers[node["__id__"]]
            file = node.get("file")
            if isinstance(file, str) and file in parts:
                suffix = file.rpartition(".")[2]
                node["file"] = files.setdefault(file, f"{len(files)}.{suffix}")
            for member in node.values():
                visit(member)

    visit(schema)
    return files
