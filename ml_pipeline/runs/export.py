"""All records of a store as one Parquet file, for whoever reads such.

Records are read from the store once and kept on this disk meanwhile: which columns there are, and
of which types, is known when all have been seen. At no time are more than a few thousand in memory.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.runs import catalog
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.export_columns import Values, as_json, schema_of
from ml_pipeline.runs.export_rows import METRICS, PARAMS, fixed, row
from ml_pipeline.runs.query import fulfilling
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.exports import Exports
from ml_pipeline.store.housekeeping import assets_in
from ml_pipeline.store.record import Record

if TYPE_CHECKING:
    import polars as pl

MARK: Final = {"ml_pipeline": "export"}
"""What an export says of itself, by which it is told from other files."""
JSON_COLUMNS: Final = "ml_pipeline.json_columns"
"""What names the columns whose values are written as JSON, as JSON itself."""

_BATCH: Final = 1000
_ROW_GROUP: Final = 5000


@dataclass(frozen=True)
class Exported:
    """What exporting came to.

    Attributes:
        address: of the file.
        artifacts: how many rows it has.
        columns: how many columns.
        as_json: columns whose values had no type in common.
        missed: how many records could not be read.
    """

    address: str
    artifacts: int
    columns: int
    as_json: tuple[str, ...]
    missed: int


def export(
    store: ArtifactStore,
    pipeline: Pipeline,
    target: Exports,
    where: str | None = None,
    force: bool = False,
    progress: Callable[[str], object] = lambda _path: None,
) -> Exported:
    """Write what all records of a store say, a row for each artifact.

    Args:
        store: where the records are.
        pipeline: tells what assets and parameters are called now.
        target: the file.
        where: conditions such as ``asset=model and learning_rate<0.1``; all are written if omitted.
        force: whether what is there is overwritten, whatever it is.
        progress: called with the path of each record that was read.

    Raises:
        QueryError: if a condition cannot be read or names nothing, or something else is there.
        StoreUnreachable: if a store cannot be read or written.
    """
    if not force:
        target.refuse_others(MARK)
    with tempfile.TemporaryDirectory(prefix="ml_pipeline-export-") as folder:
        spool = _Spool(Path(folder) / "records.jsonl")
        missed: list[str] = []
        found = catalog.entries(store, assets_in(store), missed=missed.append)
        spool.fill(_watched(found, progress))
        wanted = spool.chosen(where, pipeline)
        seen: dict[str, Values] = {}
        count = 0
        for entry in wanted():
            count += 1
            for name, value in row(entry, pipeline, store).items():
                if name.startswith((PARAMS, METRICS)):
                    seen.setdefault(name, Values()).see(value)
        in_order = sorted(seen, key=lambda name: (name.startswith(METRICS), name))
        columns = schema_of({name: seen[name] for name in in_order})
        rows = (row(entry, pipeline, store) for entry in wanted())
        written = Path(folder) / target.file
        names = _write(written, rows, columns)
        target.put(written)
    kept_as_json = tuple(name for name, kind in columns.items() if kind is None)
    return Exported(target.address(target.file), count, names, kept_as_json, len(missed))


def _watched(found: Iterable[Entry], progress: Callable[[str], object]) -> Iterator[Entry]:
    for entry in found:
        progress(entry.path)
        yield entry


class _Spool:
    """Artifacts on this disk, without what no row says."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def fill(self, found: Iterable[Entry]) -> None:
        """Keep artifacts."""
        with self._file.open("w", encoding="utf-8") as lines:
            for entry in found:
                brief = entry.record.model_copy(update={"picture": None, "code_parts": {}})
                lines.write(f"{entry.path}\n{brief.model_dump_json()}\n")

    def entries(self) -> Iterator[Entry]:
        """Yield the artifacts."""
        with self._file.open(encoding="utf-8") as lines:
            for path, record in zip(lines, lines, strict=True):
                yield Entry(path.rstrip("\n"), Record.model_validate_json(record))

    def chosen(self, where: str | None, pipeline: Pipeline) -> Callable[[], Iterator[Entry]]:
        """Return what yields the artifacts that fulfil conditions."""
        wanted = fulfilling(self.entries, where, pipeline.params)
        return lambda: itertools.compress(self.entries(), wanted)


def _write(
    file: Path, rows: Iterator[dict[str, Any]], columns: "dict[str, pl.DataType | None]"
) -> int:
    """Write rows in batches, and return how many columns there are."""
    import polars as pl
    from polars.io.plugins import register_io_source

    told = {name: kind if kind is not None else pl.String() for name, kind in columns.items()}
    schema = {**fixed(), **told}
    kept_as_json = [name for name, kind in columns.items() if kind is None]

    def source(
        with_columns: list[str] | None, _predicate: object, _rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        for some in _batches(rows):
            for one in some:
                one.update({name: as_json(one.get(name)) for name in kept_as_json})
            frame = pl.DataFrame(
                {name: [one.get(name) for one in some] for name in schema}, schema=schema
            )
            yield frame if with_columns is None else frame.select(with_columns)

    notes = {**MARK, JSON_COLUMNS: as_json(kept_as_json) or "[]"}
    register_io_source(source, schema=schema).sink_parquet(
        file, metadata=notes, row_group_size=_ROW_GROUP
    )
    return len(schema)


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    while some := list(itertools.islice(rows, _BATCH)):
        yield some
