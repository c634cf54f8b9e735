from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline_tests.toys.keeping import kept

ARRAYS: dict[str, Any] = {
    "floats": np.array([0.1, -0.0, np.nan, np.inf]),
    "none": np.zeros((0, 3)),
    "a point": np.array(3.5),
    "whole numbers": np.arange(24, dtype=np.int8).reshape(2, 3, 4),
    "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "other order of bytes": np.arange(3, dtype=">i4"),
    "truth": np.array([True, False]),
    "text": np.array(["a", "ü\n", ""]),
    "bytes": np.array([b"a", b"bc"]),
    "times": np.array(["2026-01-05", "NaT"], dtype="datetime64[D]"),
    "durations": np.array([1, 2], dtype="timedelta64[ns]"),
    "complex": np.array([1 + 2j]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_array_comes_back_the_same(name: str, tmp_path: Path) -> None:
    array, file = ARRAYS[name], tmp_path / "data.npy"
    chosen = kept(array, file)
    assert chosen.name == "numpy"
    again = chosen.read(file, lazy=False)
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.flags.f_contiguous == array.flags.f_contiguous
    np.testing.assert_array_equal(again, array)
    kept(again, tmp_path / "again.npy")
    assert (tmp_path / "again.npy").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}, None], dtype=object),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["a"], dtype=np.dtypes.StringDType()),
        np.zeros(2, dtype="V3"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_array_without_one_plain_type_is_refused(array: Any, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="must have one plain type for all its members"):
        kept(array, tmp_path / "data.npy")
    assert not (tmp_path / "data.npy").exists()


@pytest.mark.parametrize("kind", [np.ma.MaskedArray, np.recarray, np.memmap])
def test_array_of_a_class_derived_from_one_is_refused(kind: type, tmp_path: Path) -> None:
    made = {
        np.ma.MaskedArray: lambda: np.ma.zeros(2),
        np.recarray: lambda: np.zeros(2).view(np.recarray),
        np.memmap: lambda: np.memmap(tmp_path / "x", dtype="f8", mode="w+", shape=(2,)),
    }[kind]()
    with pytest.raises(PipelineError, match=kind.__name__):
        kept(made, tmp_path / "data.npy")


def test_copy_of_an_array_lies_in_memory_as_what_is_read(tmp_path: Path) -> None:
    for name in ("floats", "by columns", "whole numbers"):
        array = ARRAYS[name].copy(order="K")
        chosen = kept(array, tmp_path / "data.npy")
        copies = chosen.copies(array, is_fresh=True)
        assert copies is not None
        before, array[:] = copies(), 0
        again = copies()
        assert again is not before
        np.testing.assert_array_equal(again, chosen.read(tmp_path / "data.npy", lazy=False))
        assert again.flags.f_contiguous == ARRAYS[name].flags.f_contiguous
    assert chosen.copies(np.arange(10)[::2], is_fresh=True) is None


def test_array_describes_rows_and_columns(tmp_path: Path) -> None:
    shapes = {name: kept(ARRAYS[name], tmp_path / "x").describe(ARRAYS[name]) for name in ARRAYS}
    assert shapes["by columns"] == {"rows": 2, "columns": 3}
    assert shapes["floats"] == {"rows": 4}
    assert shapes["a point"] == shapes["whole numbers"] == {}
