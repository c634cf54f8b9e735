"""Identity must never change by accident.

The hex values below are the ids of runs that exist somewhere. A test that fails here says that
such runs would no longer be found: unless that is what you want, and `identity.SCHEME` has the next
number, put the code right and not the value.
"""

import datetime
import enum
import json
import math
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ml_pipeline.defs.config import DataParams, FeatureParams, TrainingParams
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import digest_of, document, run_id
from ml_pipeline.params.model import ParamModel

AS_OF = date(1998, 5, 31)
REFERENCE = ParamModel(data=DataParams, features=FeatureParams, training=TrainingParams)
EVERYTHING = ("data", "features", "training")


def id_of(values: dict[str, Any], scope: tuple[str, ...] = EVERYTHING) -> str:
    return run_id(REFERENCE.parse(values).identity_values(scope), AS_OF)


# Golden vectors


@pytest.mark.parametrize(
    ("scope", "with_date", "without"),
    [
        (("data",), "8fdfaa51042eb353", "2d12e6987980666a"),
        (("data", "features"), "3826fa82881b8c55", "9228f4799e7d41ce"),
        (EVERYTHING, "162ad1ceb5bd28a1", "742735c99a7acee2"),
    ],
)
def test_run_id_of_the_reference_defaults_stays_what_it_was(
    scope: tuple[str, ...], with_date: str, without: str
) -> None:
    values = REFERENCE.defaults.identity_values(scope)
    assert run_id(values, AS_OF) == with_date
    assert run_id(values, None) == without


@pytest.mark.parametrize(
    ("params", "as_of", "expected"),
    [
        ({}, None, "7db6b04d829dad99"),
        ({}, "2026-10-25-02:00", "d7a3bee38c648e42"),
        ({}, "2026-10-25-02:00+0100", "727cfe45b185889a"),
        ({}, "20260105", "c6e41c4cbe876905"),
        ({}, "oslo", "f9409ea5759a9bee"),
        ({}, "2026-01-05|oslo", "f103913bb05ccb11"),
        ({}, "a b|c/\n\u00e9", "6c2b4aa3851079c8"),
        ({"g": {}}, None, "ff0e9393478625aa"),
        ({"g": {"a": 1}}, None, "72bbf67b13685bcb"),
        ({"g": {"a": 1.0}}, None, "449fdfa58e800cc0"),
        ({"g": {"a": True}}, None, "9a3cf991f636ebbe"),
        ({"g": {"a": None}}, None, "2283422de0f5c86f"),
        ({"g": {"a": ""}}, None, "c201698bebd6ef58"),
        ({"g": {"a": "é"}}, date(2020, 2, 29), "1e85449b3a6148ff"),
        ({"g": {"a": [1, [2.5, "x"], {"k": None}]}}, None, "3c32080745e0e4d9"),
        ({"g": {"a": 1e300, "b": 5e-324, "c": 0.1 + 0.2, "d": 10**30}}, None, "c00b5842f86bd957"),
    ],
)
def test_run_id_of_a_document_stays_what_it_was(
    params: dict[str, Any], as_of: date | None, expected: str
) -> None:
    assert run_id(params, as_of) == expected


def test_document_of_the_reference_defaults_stays_what_it_was() -> None:
    assert document(REFERENCE.defaults.identity_values(EVERYTHING), AS_OF) == {
        "scheme": 1,
        "as_of": "1998-05-31",
        "params": {
            "data": {"dataset": "orders", "source": "sample", "history_days": 730},
            "features": {"lookback_days": 28, "horizon_days": 1},
            "training": {
                "estimator": "gradient_boosting",
                "learning_rate": 0.1,
                "max_depth": 3,
                "max_iter": 100,
                "regularization": 1.0,
                "holdout_days": 56,
                "seed": 0,
                "model_version": "v1",
            },
        },
    }


def test_digest_is_that_of_sorted_compact_ascii_json() -> None:
    assert digest_of({"b": "é", "a": [1.0, None]}) == digest_of({"a": [1.0, None], "b": "é"})
    # printf '%s' '{"a":[1.0,null],"b":"\u00e9"}' | sha256sum
    assert digest_of({"b": "é", "a": [1.0, None]}) == "21ee3f74dac57538"


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_run_id_is_the_same_in_a_process_with_another_hash_seed(
    run_python: Callable[..., str], seed: str
) -> None:
    printed = run_python(
        "import json\n"
        "from datetime import date\n"
        "from ml_pipeline.params.identity import run_id\n"
        "from ml_pipeline import ParamModel\n"
        "from ml_pipeline.defs.config import DataParams, FeatureParams, TrainingParams\n"
        "model = ParamModel(data=DataParams, features=FeatureParams, training=TrainingParams)\n"
        "params = model.parse({'learning_rate': '1e-3', 'dataset': 'customers'})\n"
        "scope = {'training', 'features', 'data'}\n"
        "as_of = date(1998, 5, 31)\n"
        "print(json.dumps([run_id(params.identity_values(scope), as_of),\n"
        "                  run_id(model.defaults.identity_values(scope), as_of)]))",
        PYTHONHASHSEED=seed,
    )
    assert json.loads(printed) == [
        id_of({"learning_rate": 0.001, "dataset": "customers"}),
        "162ad1ceb5bd28a1",
    ]


# What counts


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.text("abcdef_", min_size=1, max_size=4)
params = st.dictionaries(names, st.dictionaries(names, values, max_size=4), max_size=3)


def reversed_everywhere(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_everywhere(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [reversed_everywhere(member) for member in value]
    return value


@given(params)
def test_order_of_groups_and_fields_does_not_matter(params: dict[str, Any]) -> None:
    assert run_id(params, AS_OF) == run_id(reversed_everywhere(params), AS_OF)


def kinds_kept(value: Any) -> Any:
    """Tell 1, 1.0 and True apart, which Python calls equal."""
    if isinstance(value, dict):
        return {key: kinds_kept(member) for key, member in value.items()}
    if isinstance(value, list):
        return [kinds_kept(member) for member in value]
    return (type(value).__name__, value)


@given(params, params)
def test_different_values_have_different_ids(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume(kinds_kept(one) != kinds_kept(other))
    assert run_id(one, AS_OF) != run_id(other, AS_OF)


@given(values, values)
def test_one_field_with_another_value_has_another_id(one: Any, other: Any) -> None:
    assume(kinds_kept(one) != kinds_kept(other))
    assert run_id({"g": {"a": one}}, None) != run_id({"g": {"a": other}}, None)


@given(params)
def test_document_survives_a_json_round_trip(params: dict[str, Any]) -> None:
    made = document(params, AS_OF)
    assert json.loads(json.dumps(made)) == made
    assert digest_of(json.loads(json.dumps(made))) == run_id(params, AS_OF)


@given(st.dates(), st.dates())
def test_different_dates_have_different_ids(one: date, other: date) -> None:
    assert (run_id({}, one) == run_id({}, other)) == (one == other)
    assert run_id({}, one) != run_id({}, None)


def test_date_of_a_run_is_no_parameter_value() -> None:
    assert run_id({"g": {"as_of": "1998-05-31"}}, None) != run_id({"g": {}}, AS_OF)


@given(st.integers(-(2**53), 2**53))
def test_integer_float_and_text_of_a_float_field_agree(number: int) -> None:
    class Group(ParamGroup):
        x: float = 0.5

    model = ParamModel(g=Group)
    forms = (number, float(number), str(number), f"{number}.0", f"{number}e0", f" {number} ")
    ids = {run_id(model.parse({"x": form}).identity_values(["g"]), None) for form in forms}
    assert len(ids) == 1


@given(st.floats(min_value=1e-300, max_value=1))
def test_float_agrees_with_what_is_printed_of_it(number: float) -> None:
    assert id_of({"learning_rate": number}) == id_of({"learning_rate": repr(number)})
    assert id_of({"learning_rate": number}) == id_of({"learning_rate": f"{number:.17e}"})


def test_negative_zero_is_zero() -> None:
    assert run_id({"g": {"a": -0.0}}, None) == run_id({"g": {"a": 0.0}}, None)
    assert run_id({"g": {"a": [{"b": -0.0}]}}, None) == run_id({"g": {"a": [{"b": 0.0}]}}, None)
    assert math.copysign(1, document({"g": {"a": -0.0}}, None)["params"]["g"]["a"]) == 1
    assert id_of({"regularization": "-0.0"}) == id_of({"regularization": 0})


@given(st.floats(min_value=0.001, max_value=1))
def test_learning_rate_changes_the_runs_id_but_not_that_of_its_features(rate: float) -> None:
    assume(rate != 0.1)
    assert id_of({"learning_rate": rate}) != id_of({})
    features = ("data", "features")
    assert id_of({"learning_rate": rate}, features) == id_of({}, features) == "3826fa82881b8c55"


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "customers"},
        {"source": "other"},
        {"history_days": 100},
        {"lookback_days": 7},
        {"horizon_days": 2},
        {"estimator": "linear"},
        {"max_depth": 4},
        {"max_iter": 99},
        {"regularization": 2},
        {"holdout_days": 57},
        {"seed": 1},
        {"model_version": "v2"},
    ],
)
def test_every_parameter_of_the_reference_counts(change: dict[str, Any]) -> None:
    assert id_of(change) != id_of({})


def test_same_place_written_otherwise_is_the_same_source() -> None:
    assert id_of({"source": "/data/x/../orders.csv"}) == id_of({"source": "/data/orders.csv"})
    assert id_of({"source": "file:///data/orders.csv"}) == id_of({"source": "/data//orders.csv"})
    assert id_of({"source": "S3://Bucket/a/./b"}) == id_of({"source": "s3://bucket/a/b"})
    assert id_of({"source": "s3://bucket/A"}) != id_of({"source": "s3://bucket/a"})


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Odd(ParamGroup):
    level: Level = Level.LOW
    since: datetime.date = date(2020, 1, 1)
    more: dict[str, Any] | None = None


def test_enum_and_date_count_by_what_they_are_written_as() -> None:
    params = ParamModel(odd=Odd).parse({"level": "high", "since": "2021-02-03"})
    assert document(params.identity_values(["odd"]), None)["params"] == {
        "odd": {"level": "high", "since": "2021-02-03", "more": None}
    }


# What is refused


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "g.a must be a finite number, but is nan."),
        (-math.inf, "g.a must be a finite number, but is -inf."),
        ([1, [math.inf]], "g.a[1][0] must be a finite number, but is inf."),
        ({"k": {1: 2}}, "g.a.k must have text keys, but has the key 1."),
        ({None: 2}, "g.a must have text keys, but has the key None."),
    ],
)
def test_value_without_canonical_form_is_refused_naming_the_field(value: Any, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        document({"g": {"a": value}}, None)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({1, 2}, "set"),
        (b"x", "bytes"),
        (1j, "complex"),
        (object(), "object"),
        (date(2020, 1, 1), "date"),
        (Level.LOW, "Level"),
    ],
)
def test_type_without_canonical_form_is_refused_naming_the_field(value: Any, kind: str) -> None:
    for nested, where in ((value, "g.a"), ([value], "g.a[0]"), ({"k": value}, "g.a.k")):
        with pytest.raises(PipelineError) as caught:
            document({"g": {"a": nested}}, None)
        assert str(caught.value) == (
            f"{where} must be made of none, true/false, numbers, text, lists and mappings to have"
            f" an identity, but holds {kind}. Give the field one of those types."
        )
