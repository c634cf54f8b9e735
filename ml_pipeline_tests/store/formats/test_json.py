from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats import JsonFormat
from ml_pipeline_tests.toys.keeping import kept


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": [1, 2.5, None, True, {"b": "é\n\0"}], "": {}},
        [{"x": 10**30, "y": 1e-300, "z": -0.0}],
        ["\ud800"],
        3,
        -0.5,
        True,
        "text\n",
        "",
    ],
)
def test_document_comes_back_the_same(value: Any, tmp_path: Path) -> None:
    chosen = kept(value, tmp_path / "data.json")
    assert chosen.name == "json"
    again = chosen.read(tmp_path / "data.json", lazy=False)
    assert again == value
    assert repr(again) == repr(value)


def test_float_of_numpy_comes_back_as_the_plain_one(tmp_path: Path) -> None:
    chosen = kept({"r2": np.float64(1 / 3)}, tmp_path / "data.json")
    again = chosen.read(tmp_path / "data.json", lazy=False)
    assert again == {"r2": 1 / 3}
    assert type(again["r2"]) is float


@pytest.mark.parametrize("value", [{"$schema": "x", "$date": 1}, [{"$tuple": [1]}]])
def test_key_with_a_dollar_is_a_key(value: Any, tmp_path: Path) -> None:
    assert kept(value, tmp_path / "data.json").read(tmp_path / "data.json", False) == value


def test_what_json_has_no_word_for_is_refused_by_it(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="it holds what JSON has no word for"):
        JsonFormat().write({"a": (1, 2)}, tmp_path / "data.json")
