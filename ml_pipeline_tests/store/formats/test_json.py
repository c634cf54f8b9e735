import datetime
import enum
from collections import Counter, OrderedDict, namedtuple
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from ml_pipeline.errors import PipelineError
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


class Size(enum.IntEnum):
    SMALL = 1


class Colour(enum.StrEnum):
    RED = "red"


class Ratio(float):
    pass


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": float("nan")}, "a is nan"),
        (float("nan"), "it is nan"),
        (Size.SMALL, f"it is {__name__}.Size"),
        (np.str_("x"), "it is numpy.str_"),
        ([float("inf")], "[0] is inf"),
        ({"a": np.float64("nan")}, "a is nan"),
        ({"a": {1, 2}}, "a is builtins.set"),
        ({"a": np.float32(1)}, "a is numpy.float32"),
        ({"a": np.int64(1)}, "a is numpy.int64"),
        ({"a": np.str_("x")}, "a is numpy.str_"),
        ({"a": np.True_}, "a is numpy.bool"),
        (MappingProxyType({"a": 1}), "it is builtins.mappingproxy"),
        (OrderedDict(a=1), "it is collections.OrderedDict"),
        ({"a": Counter("x")}, "a is collections.Counter"),
        ({"a": {"b": [0, (1, 2)]}}, "a.b[1] is builtins.tuple"),
        ([Point(1, 2)], f"[0] is {__name__}.Point"),
        ({"a": datetime.date(2026, 1, 1)}, "a is datetime.date"),
        ({"a": b"x"}, "a is builtins.bytes"),
        ({"a": Size.SMALL}, f"a is {__name__}.Size"),
        ({"a": Colour.RED}, f"a is {__name__}.Colour"),
        ({"a": Ratio(0.5)}, f"a is {__name__}.Ratio"),
        ({Colour.RED: 1}, "the key <Colour.RED: 'red'> of it is no text"),
        ({(1, 2): 3}, "the key (1, 2) of it is no text"),
        ({1: "a", "1": "b"}, "the key 1 of it is no text"),
        ({"a": {None: 1}}, "the key None of a is no text"),
        ({"a": {True: 1}}, "the key True of a is no text"),
        ({"a": (1,), "b": {2: 3}}, "a is builtins.tuple; the key 2 of b is no text"),
        ([(0,)] * 9, "; ".join(f"[{n}] is builtins.tuple" for n in range(5)) + "; and 4 more"),
        ([10**5000], "JSON says: Exceeds the limit (4300 digits) for integer string conversion"),
    ],
)
def test_document_that_would_come_back_as_another_is_refused(
    value: Any, why: str, tmp_path: Path
) -> None:
    with pytest.raises(PipelineError) as caught:
        kept(value, tmp_path / "data.json")
    said = str(caught.value)
    assert said.startswith(
        f"A mapping, list, number or text must come back from JSON as it is, but {why}"
    )
    assert said.endswith(". Return plain numbers, text, lists and mappings with text as keys.")
    assert not (tmp_path / "data.json").exists()


def test_document_that_holds_itself_is_refused(tmp_path: Path) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(PipelineError, match="nested too deeply, or holds itself"):
        kept(value, tmp_path / "data.json")
