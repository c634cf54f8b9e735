"""What MLflow's limits do to names, texts and numbers."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.tracking.mlflow.limits import (
    LONGEST_NAME,
    LONGEST_PARAM,
    LONGEST_TAG,
    held,
    mapped,
    original,
)

TAKEN_BY_MLFLOW = re.compile(r"[/\w.\- ]*\Z", re.ASCII)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("training.learning_rate", "training.learning_rate"),
        ("features/left_out", "features/left_out"),
        ("top 5%", "top_x20_5_x25_"),
        ("größe", "gr_xf6__xdf_e"),
        ("_x25_", "_x5f_x25_"),
        ("../up", "_x2e_./up"),
        ("/root//", "_x2f_root/_x2f_"),
        ("a\nb:c", "a_xa_b_x3a_c"),
    ],
)
def test_name_is_written_so_that_mlflow_takes_it(name: str, written: str) -> None:
    assert mapped(name) == written
    assert original(written) == name


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_names_come_back_and_stay_apart(one: str, other: str) -> None:
    assert original(mapped(one)) == one
    assert (mapped(one) == mapped(other)) == (one == other)
    assert TAKEN_BY_MLFLOW.match(mapped(one))


def test_names_that_are_too_long_stay_apart_and_are_told_whole() -> None:
    long = ["x" * 300 + end for end in "ab"]
    fitted = held(dict.fromkeys(long, 1), dict.fromkeys(long, 0.5), dict.fromkeys(long, "t"))
    for kind in (fitted.params, fitted.metrics, fitted.tags):
        assert len(kind) == 2
        assert {len(name) for name in kind} == {LONGEST_NAME}
    assert {kind: set(values) for kind, values in fitted.whole.items()} == {
        kind: set(long) for kind in ("params", "metrics", "tags")
    }


def test_values_are_told_exactly_or_cut_and_told_whole_beside() -> None:
    long = "y" * (LONGEST_TAG + 1)
    exact = {"rate": 0.1 + 0.2, "on": True, "none": None, "text": "1", "list": [1, 2.5]}
    fitted = held({**exact, "long": long}, {"loss": 5e-324}, {"tag": long})
    assert {name: json.loads(fitted.params[name]) for name in exact} == {**exact, "text": 1}
    assert fitted.params["text"] == "1"
    assert len(fitted.params["long"]) == LONGEST_PARAM
    assert len(fitted.tags["tag"]) == LONGEST_TAG
    assert fitted.params["long"].endswith("... (5001 characters)")
    assert fitted.metrics == {"loss": 5e-324}
    assert fitted.whole == {"params": {"long": long}, "tags": {"tag": long}}


def test_number_that_is_not_finite_is_a_tag() -> None:
    fitted = held({}, {"loss": math.nan, "gain": math.inf, "size": 2.0}, {})
    assert fitted.metrics == {"size": 2.0}
    assert fitted.tags == {"loss": "nan", "gain": "inf"}
    assert fitted.whole == {"metrics": {"loss": "nan", "gain": "inf"}}
