"""pandas frames and series, and Arrow tables: what comes back equal, and what is refused."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from ml_pipeline.errors import PipelineError
from ml_pipeline_tests.toys.keeping import kept

DAYS = pd.date_range("2026-01-05", periods=3, freq="D", tz="Europe/Zurich")
PLAIN = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
FRAMES = {
    "plain": PLAIN,
    "empty": PLAIN.iloc[:0],
    "no columns": pd.DataFrame(index=[3, 4]),
    "a part of another": PLAIN.iloc[1:],
    "categories": pd.DataFrame({"c": pd.Categorical(["u", "v", None], ["v", "u"], ordered=True)}),
    "times": pd.DataFrame({"t": DAYS, "n": DAYS.tz_localize(None), "d": DAYS - DAYS[0]}),
    "days as the index": pd.DataFrame({"a": [1.5, np.nan, -0.0]}, index=DAYS),
    "levels": PLAIN.set_index(["a", "b"]).assign(c=1),
    "a named index": PLAIN.set_index("b"),
    "whole numbers with none": pd.DataFrame({"i": pd.array([1, None, 3], dtype="Int64")}),
    "small types": pd.DataFrame({"f": np.float32([1]), "i": np.int8([1]), "b": [True]}),
    "objects": pd.DataFrame({"d": [date(2026, 1, 5)], "m": [Decimal("1.10")], "b": [b"x"]}),
    "numbers as names": pd.DataFrame({0: [1], 1: [2]}),
    "levels of names": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_product([["a"], [1, 2]])),
    "in pieces": pd.concat([PLAIN, PLAIN], ignore_index=True),
}
SERIES = {
    "plain": pd.Series([1, 2], name="a"),
    "without a name": pd.Series([1.0], index=["x"]),
    "days": pd.Series([1, 2, 3], index=DAYS, name="n"),
    "by number": pd.Series(["a"], name=3),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frame_comes_back_equal_and_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    frame = FRAMES[name]
    chosen = kept(frame, tmp_path / "one")
    assert chosen.name == "pandas"
    again = chosen.read(tmp_path / "one", lazy=False)
    assert_frame_equal(again, frame, check_exact=True, check_index_type="exact", check_freq=True)
    kept(again, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("name", SERIES)
def test_series_comes_back_equal_and_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    series = SERIES[name]
    chosen = kept(series, tmp_path / "one")
    again = chosen.read(tmp_path / "one", lazy=False)
    assert_series_equal(again, series, check_exact=True, check_freq=True)
    kept(again, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def with_attrs() -> pd.DataFrame:
    frame = PLAIN.copy()
    frame.attrs["unit"] = "m"
    return frame


@pytest.mark.parametrize(
    "make",
    [
        with_attrs,
        lambda: pd.DataFrame({"o": [1, "x"]}),
        lambda: pd.DataFrame({"o": [[1], [2, 3]]}),
        lambda: pd.DataFrame({"o": [(1, 2)]}),
        lambda: pd.DataFrame({"o": [object()]}),
        lambda: pd.DataFrame({"o": pd.Series([None, float("nan"), "x"], dtype=object)}),
        lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
        lambda: pd.DataFrame({"t": np.array(["2026-01-05"], dtype="datetime64[s]")}),
        lambda: pd.DataFrame({"c": [1j]}),
        lambda: pd.Series([1], name=("a", 1)),
        lambda: pd.Series([{1, 2}]),
    ],
)
def test_frame_that_would_come_back_as_another_is_refused(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    with pytest.raises(
        PipelineError, match="A pandas frame or series must come back as it is, but"
    ):
        kept(make(), tmp_path / "data")


def test_class_derived_from_a_frame_is_refused(tmp_path: Path) -> None:
    class Geo(pd.DataFrame):
        pass

    with pytest.raises(PipelineError, match="must return a frame"):
        kept(Geo({"a": [1]}), tmp_path / "data")


TABLE = pa.table(
    {
        "a": pa.array([1, None, 3], pa.int8()),
        "d": pa.array(["x", "y", "x"]).dictionary_encode(),
        "t": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
        "l": pa.array([[1.5], [], None], pa.list_(pa.float32())),
        "m": pa.array([Decimal("1.10")] * 3, pa.decimal128(10, 2)),
    }
).replace_schema_metadata({"unit": "m"})


def test_table_comes_back_equal_however_it_was_chunked(tmp_path: Path) -> None:
    pieces = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    for table, name in ((TABLE, "one"), (pieces, "two")):
        chosen = kept(table, tmp_path / name)
        assert chosen.name == "arrow"
        again = chosen.read(tmp_path / name, lazy=False)
        assert again.equals(table, check_metadata=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert chosen.describe(TABLE) == {"rows": 3, "columns": 5}


def test_table_that_parquet_cannot_hold_is_refused(tmp_path: Path) -> None:
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    for column in (union, pa.array([0], pa.timestamp("s"))):
        with pytest.raises(PipelineError, match="A table must have columns that Parquet can hold"):
            kept(pa.table({"u": column}), tmp_path / "data")
