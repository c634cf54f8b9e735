"""Folders that a table format keeps: what lies in them is not what the table holds.

Delta, Iceberg and Hudi keep files that were replaced until somebody cleans up, and a log tells
which of them count. Whoever reads all of them counts orders twice.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from ml_pipeline.errors import SourceError

_FOLDERS: Final = {
    "_delta_log": "Delta",
    ".hoodie": "Hudi",
    "_spark_metadata": "Spark's streaming",
}
_FILES: Final = {".hoodie_partition_metadata": "Hudi"}
_METADATA: Final = "metadata"
_ICEBERG: Final = ("*.metadata.json", "*.metadata.json.gz", "snap-*.avro", "version-hint.text")

MARKS: Final = (*_FOLDERS, _METADATA)
"""Names of the folders by which a table format is told."""


def refuse_tables(root: str, paths: Iterable[str]) -> None:
    """Refuse files among which there is a table.

    Args:
        root: what to call the place.
        paths: every file below it, relative or not, with slashes.

    Raises:
        SourceError: naming the format.
    """
    for path in paths:
        kind = _kind_of(PurePosixPath(path))
        if kind is not None:
            raise SourceError(
                f"A source must be plain files of which each counts, but {root} is, holds or lies"
                f" in a {kind} table ({path[-200:]}), whose folder keeps replaced files too. Read"
                " the table with its own library and write what it holds to Parquet, elsewhere."
            )


def marks_around(path: Path) -> Iterator[str]:
    """Yield the files of this machine that tell of a table in a folder or around it."""
    real = path.resolve()
    for folder in (real, *real.parents):
        for name in _FOLDERS:
            if (folder / name).is_dir():
                yield str(folder / name / "*")
        yield from (str(folder / name) for name in _FILES if (folder / name).is_file())
        metadata = folder / _METADATA
        if metadata.is_dir():
            for pattern in _ICEBERG:
                yield from map(str, metadata.glob(pattern))


def _kind_of(path: PurePosixPath) -> str | None:
    *folders, name = path.parts
    for folder in folders:
        if folder in _FOLDERS:
            return _FOLDERS[folder]
    if name in _FILES:
        return _FILES[name]
    is_metadata = bool(folders) and folders[-1] == _METADATA
    if is_metadata and any(PurePosixPath(name).match(pattern) for pattern in _ICEBERG):
        return "Iceberg"
    return None
