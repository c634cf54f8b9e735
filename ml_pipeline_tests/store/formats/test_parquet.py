import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats import ParquetFormat, format_for
from ml_pipeline_tests.toys.keeping import kept

FRAMES = {
    "no rows": pl.DataFrame(schema={"a": pl.Int64, "b": pl.String}),
    "integers": pl.DataFrame(
        {
            "i8": pl.Series([-128, None, 127], dtype=pl.Int8),
            "i64": [-(2**63), None, 2**63 - 1],
            "u64": pl.Series([0, None, 2**64 - 1], dtype=pl.UInt64),
            "i128": pl.Series([0, None, 2**100], dtype=pl.Int128),
        }
    ),
    "floats": pl.DataFrame(
        {
            "f32": pl.Series([0.1, None, float("nan")], dtype=pl.Float32),
            "f64": [float("inf"), -0.0, 5e-324],
        }
    ),
    "text": pl.DataFrame({"s": ["", "日本\n\0", None], "b": [b"", b"\xff\x00", None]}),
    "times": pl.DataFrame(
        {
            "date": [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None],
            "time": [datetime.time(23, 59, 59, 999999), datetime.time(0), None],
            "naive": [datetime.datetime(1998, 5, 31, 12, 0, 0, 1), None, None],  # noqa: DTZ001, RUF100
            "ns": pl.Series([0, 1, None], dtype=pl.Datetime("ns")),
            "zoned": pl.Series([0, 1, None], dtype=pl.Datetime("ms", "Europe/Paris")),
            "duration": [datetime.timedelta(days=-1), datetime.timedelta(microseconds=1), None],
        }
    ),
    "categories": pl.DataFrame(
        {
            "cat": pl.Series(["x", None, "y"], dtype=pl.Categorical),
            "enum": pl.Series(["lo", "hi", None], dtype=pl.Enum(["lo", "hi"])),
            "bool": [True, False, None],
        }
    ),
    "decimals": pl.DataFrame({"d": pl.Series([Decimal("1.23"), None], dtype=pl.Decimal(20, 2))}),
    "nested": pl.DataFrame(
        {
            "list": [[1, 2], [], None],
            "deep": [[["a"], []], [None], None],
            "struct": [{"x": 1, "y": [1.5]}, {"x": None, "y": []}, {"x": 2, "y": None}],
            "array": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int16, 2)),
        }
    ),
    "nothing but nulls": pl.DataFrame({"n": pl.Series([None, None], dtype=pl.Null)}),
    "odd names": pl.DataFrame({"": [1], "a/b": [2], "dataset": [3], "ü\n": [4]}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frame_of_any_dtype_comes_back_the_same(name: str, tmp_path: Path) -> None:
    frame, file = FRAMES[name], tmp_path / "data.parquet"
    chosen = kept(frame, file)
    assert chosen.name == "parquet"
    assert_frame_equal(chosen.read(file, lazy=False), frame)
    deferred = chosen.read(file, lazy=True)
    assert isinstance(deferred, pl.LazyFrame)
    assert_frame_equal(deferred.collect(), frame)


@pytest.mark.parametrize("name", FRAMES)
def test_lazy_frame_is_kept_as_its_result(name: str, tmp_path: Path) -> None:
    file = tmp_path / "data.parquet"
    chosen = kept(FRAMES[name].lazy(), file)
    assert_frame_equal(chosen.read(file, lazy=False), FRAMES[name])


def test_lazy_frame_from_files_is_streamed_and_filtered_on_reading(tmp_path: Path) -> None:
    source, file = tmp_path / "source.parquet", tmp_path / "data.parquet"
    pl.DataFrame({"a": range(100_000)}).write_parquet(source)
    chosen = kept(pl.scan_parquet(source).filter(pl.col("a") % 2 == 0), file)
    deferred = chosen.read(file, lazy=True).filter(pl.col("a") < 10)
    assert deferred.collect().to_series().to_list() == [0, 2, 4, 6, 8]


def test_frame_describes_its_shape_and_a_lazy_one_does_not() -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
    assert ParquetFormat().describe(frame) == {"rows": 3, "columns": 2}
    assert ParquetFormat().describe(frame.lazy()) == {}


def test_frame_gets_no_columns_from_the_directories_above_it(tmp_path: Path) -> None:
    directory = tmp_path / "dataset=orders" / "as_of=1998-05-31"
    directory.mkdir(parents=True)
    frame = pl.DataFrame({"a": [1], "dataset": ["own"]})
    chosen = kept(frame, directory / "data.parquet")
    assert_frame_equal(chosen.read(directory / "data.parquet", lazy=False), frame)
    assert_frame_equal(chosen.read(directory / "data.parquet", lazy=True).collect(), frame)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("folder", ["plain", "st*r", "we[ird]", "q?", "br{a,b}ce", "per%20cent"])
def test_frame_in_a_folder_of_any_name_is_read_from_there_alone(
    folder: str, lazy: bool, tmp_path: Path
) -> None:
    decoys = {"st*r": "star", "we[ird]": "wei", "q?": "qq", "br{a,b}ce": "brace"}
    for name, number in ((folder, 1), (decoys.get(folder, "decoy"), 2)):
        (tmp_path / name).mkdir()
        ParquetFormat().write(pl.DataFrame({"a": [number]}), tmp_path / name / "data.parquet")
    found = ParquetFormat().read(tmp_path / folder / "data.parquet", lazy).lazy().collect()
    assert found.to_series().to_list() == [1]


def test_equal_frames_have_equal_bytes_however_they_were_made(tmp_path: Path) -> None:
    computed = pl.DataFrame({"a": range(1000)}).with_columns(b=pl.col("a").cast(pl.String))
    ParquetFormat().write(computed, tmp_path / "one")
    ParquetFormat().write(ParquetFormat().read(tmp_path / "one", lazy=False), tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_frame_with_a_column_of_objects_is_refused_by_name(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1], "thing": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(PipelineError) as caught:
        kept(frame, tmp_path / "data.parquet")
    assert str(caught.value) == (
        "A frame must have columns of Polars' own types, but thing hold Python objects. Cast them"
        " to text, numbers, lists or structs."
    )


def test_frame_with_a_column_that_parquet_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"columns that Parquet can hold, but: .* no child"):
        kept(pl.DataFrame({"a": [{}]}), tmp_path / "data.parquet")


def test_frame_of_a_class_derived_from_one_is_refused_since_it_would_come_back_as_a_frame() -> None:
    class Measured(pl.DataFrame):
        pass

    with pytest.raises(PipelineError, match="Measured"):
        format_for(Measured({"a": [1]}), "table")
