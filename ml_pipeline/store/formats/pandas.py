"""pandas frames and series as Parquet, with index, categories and time zones.

Parquet has no word for much that a frame can hold, so every frame is read back and compared before
it is published: that costs as much as writing it.
"""

import json
from pathlib import Path
from typing import Any, BinaryIO, Final

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats.arrow import arrow, read_table, sample_of, write_table
from ml_pipeline.store.formats.format import Format
from ml_pipeline.store.formats.parquet_footer import columns_of
from ml_pipeline.store.formats.sample import Sample

_OURS: Final = b"ml_pipeline"


class PandasFormat(Format):
    """pandas frames and series."""

    name = "pandas"
    filename = "pandas.parquet"
    types = ("pandas:DataFrame", "pandas:Series")

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a frame or a series, and of no class derived from these."""
        return self.distance(value) == 0

    def write(self, value: Any, path: Path) -> None:
        """Write a frame or a series.

        Raises:
            PipelineError: if Parquet cannot hold it.
        """
        pa = arrow()
        about: dict[str, Any] = {"freq": getattr(value.index, "freqstr", None)}
        frame = value
        if value.ndim == 1:
            about["series"] = value.name
            frame = value.to_frame("value")
        try:
            if value.attrs:
                raise ValueError("it has attrs")
            told = json.dumps(about)
            table = pa.Table.from_pandas(frame)
            held = {**table.schema.metadata, _OURS: told.encode()}
            write_table(table.replace_schema_metadata(held), path)
        except (pa.ArrowException, NotImplementedError, TypeError, ValueError) as error:
            raise _refusal(f"Parquet cannot hold it: {error!s:.300}") from error

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a frame or a series."""
        table = read_table(path)
        about = json.loads(table.schema.metadata[_OURS])
        value = table.to_pandas()
        if about["freq"] is not None and getattr(value.index, "freqstr", None) is None:
            value.index.freq = about["freq"]
        return value["value"].rename(about["series"]) if "series" in about else value

    def keep(self, value: Any, path: Path) -> None:
        """Write a value, read it back and compare.

        Raises:
            PipelineError: if it comes back as another.
        """
        from pandas.testing import assert_frame_equal, assert_series_equal

        self.write(value, path)
        try:
            again = self.read(path, lazy=False)
            compare = assert_series_equal if value.ndim == 1 else assert_frame_equal
            compare(again, value, check_exact=True, check_index_type="exact", check_freq=True)
            for name, objects in _objects(value):
                kinds = [type(one) for one in objects]
                if kinds != [type(one) for one in dict(_objects(again))[name]]:
                    raise TypeError(f"what {name} holds comes back as other types")
        except (AssertionError, ArtifactDamaged, LookupError, TypeError, ValueError) as error:
            said = " ".join(str(error).split())
            raise _refusal(f"it comes back as another: {said:.300}") from error

    def columns(self, file: BinaryIO, size: int) -> dict[str, str]:
        """Return the types of the columns by name."""
        return columns_of(file, size)

    def sample_in(self, path: Path, rows: int) -> Sample:
        """Return columns and first rows; no others are read."""
        return sample_of(path, rows)

    def describe(self, value: Any) -> dict[str, int]:
        """Return rows and columns."""
        return {"rows": len(value), "columns": 1 if value.ndim == 1 else value.shape[1]}


def _objects(value: Any) -> list[tuple[str, Any]]:
    """Return what holds Python objects: of these a comparison passes lists for arrays."""
    columns = [(f"column {place}", one) for place, one in enumerate(_columns(value))]
    found = [*columns, ("the index", value.index)]
    return [(name, one) for name, one in found if one.dtype == object]


def _columns(value: Any) -> list[Any]:
    if value.ndim == 1:
        return [value]
    return [value.iloc[:, place] for place in range(value.shape[1])]


def _refusal(why: str) -> PipelineError:
    return PipelineError(
        f"A pandas frame or series must come back as it is, but {why}. Cast what it names, reset"
        f" the index, or give the pipeline a Format of your own: Pipeline(..., formats=[...])."
    )
