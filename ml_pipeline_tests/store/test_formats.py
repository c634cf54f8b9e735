import datetime
import json
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats import (
    FORMATS,
    BytesFormat,
    Format,
    JsonFormat,
    ParquetFormat,
    SkopsFormat,
    format_for,
    format_named,
)

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


def kept(value: Any, path: Path) -> Format:
    chosen = format_for(value, "asset")
    chosen.write(value, path)
    return chosen


# Frames


@pytest.mark.parametrize("name", FRAMES)
def test_frame_of_any_dtype_comes_back_the_same(name: str, tmp_path: Path) -> None:
    frame, file = FRAMES[name], tmp_path / "data.parquet"
    chosen = kept(frame, file)
    assert chosen.name == "parquet"
    for source in (file, file.read_bytes()):
        assert_frame_equal(chosen.read(source, lazy=False), frame)
        deferred = chosen.read(source, lazy=True)
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


# Models


def training_data() -> tuple[Any, Any]:
    random = np.random.default_rng(7)
    x = random.normal(size=(300, 4))
    return x, x @ [1.0, -2.0, 0.5, 0.0] + random.normal(size=300)


def regressor() -> BaseEstimator:
    x, y = training_data()
    return HistGradientBoostingRegressor(max_iter=10, random_state=0).fit(x, y)


def classifier() -> BaseEstimator:
    x, y = training_data()
    return HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(x, y > 0)


def scaled_logistic() -> BaseEstimator:
    x, y = training_data()
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y > 0)


def ridge() -> BaseEstimator:
    x, y = training_data()
    return Ridge(alpha=2.0).fit(x, y)


MODELS = {m.__name__: m for m in (regressor, classifier, scaled_logistic, ridge)}


@pytest.mark.parametrize("name", MODELS)
def test_model_comes_back_with_the_same_predictions(name: str, tmp_path: Path) -> None:
    fitted, file = MODELS[name](), tmp_path / "model.skops"
    chosen = kept(fitted, file)
    assert chosen.name == "skops"
    x, _ = training_data()
    for source in (file, file.read_bytes()):
        loaded = chosen.read(source, lazy=False)
        assert type(loaded) is type(fitted)
        assert loaded.get_params().keys() == fitted.get_params().keys()
        np.testing.assert_array_equal(loaded.predict(x), fitted.predict(x))
        if hasattr(fitted, "predict_proba"):
            np.testing.assert_array_equal(loaded.predict_proba(x), fitted.predict_proba(x))


@pytest.mark.parametrize("name", MODELS)
def test_model_read_back_and_kept_again_has_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    SkopsFormat().write(MODELS[name](), first)
    SkopsFormat().write(SkopsFormat().read(first, lazy=False), second)
    assert first.read_bytes() == second.read_bytes()


FIT_IN_ANOTHER_PROCESS = """
import importlib.util, json, pathlib, sys
spec = importlib.util.spec_from_file_location("fits", sys.argv[1])
fits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fits)
junk = [object() for _ in range(int(sys.argv[3]))]  # other addresses
digests = {}
for name, fit in fits.MODELS.items():
    path = pathlib.Path(sys.argv[2]) / name
    fits.SkopsFormat().write(fit(), path)
"""


def test_models_fitted_in_two_processes_have_equal_bytes(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    for folder, junk in (("1", "0"), ("2", "123457")):
        (tmp_path / folder).mkdir()
        run_python(
            FIT_IN_ANOTHER_PROCESS, __file__, str(tmp_path / folder), junk, PYTHONHASHSEED=folder
        )
    for name in MODELS:
        first, second = (tmp_path / folder / name for folder in ("1", "2"))
        assert first.read_bytes() == second.read_bytes(), name


def test_model_file_holds_no_address_and_no_time(tmp_path: Path) -> None:
    SkopsFormat().write(scaled_logistic(), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        ids = [int(n) for n in _values_of(json.loads(archive.read("schema.json")), "__id__")]
    assert max(ids) <= len(ids)


def _values_of(node: Any, key: str) -> Iterator[Any]:
    members = node if isinstance(node, list) else node.values() if isinstance(node, dict) else ()
    if isinstance(node, dict) and key in node:
        yield node[key]
    for member in members:
        yield from _values_of(member, key)


def test_parts_that_a_model_shares_are_still_shared_when_read_back(tmp_path: Path) -> None:
    shared = StandardScaler().fit(training_data()[0])
    model = make_pipeline(shared, StandardScaler(), shared)
    SkopsFormat().write(model, tmp_path / "model")
    first, second, third = (step for _, step in SkopsFormat().read(tmp_path / "model", False).steps)
    assert first is third
    assert first is not second
    np.testing.assert_array_equal(first.mean_, shared.mean_)


class Homemade(RegressorMixin, BaseEstimator):
    def predict(self, x: Any) -> Any:
        return np.zeros(len(x))


def test_model_of_a_type_from_elsewhere_is_refused_on_reading(tmp_path: Path) -> None:
    SkopsFormat().write(Homemade(), tmp_path / "model")
    with pytest.raises(ArtifactDamaged) as caught:
        SkopsFormat().read(tmp_path / "model", lazy=False)
    assert str(caught.value) == (
        "A stored model may hold only types of sklearn., numpy., scipy. but holds"
        f" {Homemade.__module__}.Homemade. It was not loaded."
    )


def test_model_with_a_part_from_elsewhere_is_refused_on_reading(tmp_path: Path) -> None:
    SkopsFormat().write(make_pipeline(StandardScaler(), Homemade()), tmp_path / "model")
    with pytest.raises(ArtifactDamaged, match="Homemade"):
        SkopsFormat().read((tmp_path / "model").read_bytes(), lazy=False)


# Documents and bytes


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": [1, 2.5, None, True, {"b": "é\n\0"}], "": {}},
        [{"x": 10**30, "y": 1e-300}],
    ],
)
def test_document_comes_back_the_same(value: Any, tmp_path: Path) -> None:
    chosen = kept(value, tmp_path / "data.json")
    assert chosen.name == "json"
    assert chosen.read(tmp_path / "data.json", lazy=False) == value
    assert chosen.read((tmp_path / "data.json").read_bytes(), lazy=False) == value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": float("nan")}, "Out of range float values are not JSON compliant: nan"),
        ([float("inf")], "Out of range float values are not JSON compliant: inf"),
        ({"a": {1, 2}}, "Object of type set is not JSON serializable"),
        ({"a": np.float64(1).astype("float32")}, "Object of type float32 is not JSON serializable"),
        (MappingProxyType({"a": 1}), "Object of type mappingproxy is not JSON serializable"),
        ({(1, 2): 3}, "keys must be str, int, float, bool or None, not tuple"),
    ],
)
def test_document_that_json_cannot_hold_is_refused(value: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        kept(value, tmp_path / "data.json")
    assert str(caught.value) == (
        f"A mapping must hold only what JSON can: {why}. Return plain numbers, text, lists and"
        " mappings."
    )
    assert not (tmp_path / "data.json").exists()


@pytest.mark.parametrize("value", [{1: "a"}, {None: 1}, {1: "a", "1": "b"}])
def test_document_that_json_would_change_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(PipelineError):
        kept(value, tmp_path / "data.json")


@pytest.mark.parametrize("value", [b"", b"\x00\xff" * 1000])
def test_bytes_come_back_the_same(value: bytes, tmp_path: Path) -> None:
    chosen = kept(value, tmp_path / "data.bin")
    assert chosen.name == "bytes"
    assert (tmp_path / "data.bin").read_bytes() == value
    assert chosen.read(tmp_path / "data.bin", lazy=True) == value


# Choosing


class NotAFrame:
    __module__ = "elsewhere"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "builtins.NoneType"),
        (3, "builtins.int"),
        ("text", "builtins.str"),
        ({1, 2}, "builtins.set"),
        (np.zeros(3), "numpy.ndarray"),
        (NotAFrame(), "elsewhere.NotAFrame"),
        (pl.Series([1]), "polars.series.series.Series"),
    ],
)
def test_value_of_unknown_type_is_refused_with_what_can_be_kept(value: Any, name: str) -> None:
    with pytest.raises(PipelineError) as caught:
        format_for(value, "table")
    assert str(caught.value) == (
        "'table' must return a Polars frame, a scikit-learn estimator, a mapping, a list or bytes,"
        f" but returned {name}. Return one of those, or append a Format of your own to"
        " ml_pipeline.store.formats.FORMATS."
    )


def test_class_that_is_only_named_like_a_frame_is_not_taken_for_one() -> None:
    with pytest.raises(PipelineError, match="DataFrame"):
        format_for(type("DataFrame", (), {"__module__": "pandas"})(), "table")


def test_format_that_nobody_knows_is_refused_with_those_known() -> None:
    with pytest.raises(ArtifactDamaged) as caught:
        format_named("pickle")
    assert str(caught.value) == (
        "A record names the format 'pickle', which is none of parquet, skops, bytes, json. Append"
        " its Format to ml_pipeline.store.formats.FORMATS."
    )


def test_names_and_files_of_formats_are_unique() -> None:
    assert len({f.name for f in FORMATS}) == len({f.filename for f in FORMATS}) == len(FORMATS)


class TextFormat(Format):
    name: ClassVar[str] = "text"
    filename: ClassVar[str] = "data.txt"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str)

    def write(self, value: Any, path: Path) -> None:
        path.write_text(value, encoding="utf-8")

    def read(self, source: Path | bytes, lazy: bool) -> Any:
        return (source if isinstance(source, bytes) else source.read_bytes()).decode()


@pytest.fixture
def text_format() -> Iterator[TextFormat]:
    added = TextFormat()
    FORMATS.append(added)
    yield added
    FORMATS.remove(added)


def test_format_of_a_user_is_used_once_it_is_appended(
    text_format: TextFormat, tmp_path: Path
) -> None:
    assert kept("words", tmp_path / "data.txt") is text_format
    assert format_named("text") is text_format
    assert text_format.read(tmp_path / "data.txt", lazy=False) == "words"
    assert text_format.describe("words") == {}
    assert isinstance(format_for(b"x", "a"), BytesFormat)
    assert isinstance(format_for({}, "a"), JsonFormat)


def test_format_of_a_user_is_gone_once_it_is_removed() -> None:
    with pytest.raises(PipelineError):
        format_for("words", "asset")
