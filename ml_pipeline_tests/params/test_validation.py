import math
from collections.abc import Mapping
from typing import Any, Literal, Self

import pydantic
import pytest
from pydantic import Field
from pydantic_core import PydanticCustomError

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline_tests.toys.params import (
    FOOTER,
    Data,
    Features,
    Training,
    refusal,
)


@pytest.fixture
def model() -> ParamModel:
    return ParamModel(data=Data, features=Features, training=Training)


# One value


RATE = "number > 0 and <= 1"
DEPTH = "integer >= 1 and <= 32"
PENALTY = "number >= 0 and < 10"
SOURCE = "text of 1 to 12 characters"


@pytest.mark.parametrize(
    ("name", "value", "rule", "shown"),
    [
        ("learning_rate", 0, RATE, "0"),
        ("learning_rate", 1.5, RATE, "1.5"),
        ("learning_rate", "1.5", RATE, "'1.5'"),
        ("learning_rate", "fast", RATE, "'fast'"),
        ("learning_rate", "", RATE, "''"),
        ("learning_rate", None, RATE, "None"),
        ("learning_rate", "none", RATE, "'none'"),
        ("learning_rate", [0.1], RATE, "[0.1]"),
        ("learning_rate", True, RATE, "True"),
        ("learning_rate", math.nan, RATE, "nan"),
        ("learning_rate", "nan", RATE, "'nan'"),
        ("regularization", math.inf, PENALTY, "inf"),
        ("regularization", "-inf", PENALTY, "'-inf'"),
        ("regularization", 10, PENALTY, "10"),
        ("max_depth", 0, DEPTH, "0"),
        ("max_depth", "33", DEPTH, "'33'"),
        ("max_depth", 2.5, DEPTH, "2.5"),
        ("max_depth", "2.5", DEPTH, "'2.5'"),
        ("max_depth", False, DEPTH, "False"),
        ("max_depth", math.nan, DEPTH, "nan"),
        ("max_depth", 10**400, DEPTH, f"1{'0' * 39}... (401 characters)"),
        ("horizon_days", 0, "integer >= 1 or none", "0"),
        ("horizon_days", True, "integer >= 1 or none", "True"),
        ("shuffle", "maybe", "true or false", "'maybe'"),
        ("shuffle", 2, "true or false", "2"),
        ("dataset", "order", "one of orders, customers", "'order'"),
        ("dataset", True, "one of orders, customers", "True"),
        ("color", "green", "one of red, blue", "'green'"),
        ("source", "", SOURCE, "''"),
        ("source", 7, SOURCE, "7: put text in quotes"),
        ("source", " ", SOURCE, "' '"),
        ("source", "\ud800", SOURCE, r"'\ud800'"),
        ("source", "x" * 99, SOURCE, f"'{'x' * 39}... (99 characters)"),
        ("model_version", "a b", "text matching ^[a-z0-9.]+$", "'a b'"),
        ("model_version", "v\n1", "text matching ^[a-z0-9.]+$", r"'v\n1'"),
        ("weights", "1,2", "list", "'1,2'"),
        ("weights", "[1,", "list", "'[1,'"),
        ("limits", {"a": "x"}, "mapping", "'x' at .a"),
        ("limits", {"a": True}, "mapping", "True at .a"),
        ("weights", [1, True], "list", "True at [1]"),
        ("first_day", 5, "date", "5"),
        ("first_day", "5", "date", "'5'"),
        ("first_day", "soon", "date", "'soon'"),
        ("workers", 0, "integer >= 1", "0"),
    ],
)
def test_value_that_breaks_a_rule_is_refused_with_rule_and_value(
    model: ParamModel, name: str, value: Any, rule: str, shown: str
) -> None:
    found = refusal(model, {name: value})
    assert found == f"{model.find(name).dotted} must be {rule}, but got {shown}"


def test_value_that_breaks_a_rule_of_its_own_is_refused_in_the_words_of_that_rule(
    model: ParamModel,
) -> None:
    assert refusal(model, {"note": "lengthy"}) == "training.note must be short (got 'lengthy')"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", "1.0e-3", 0.001),
        ("learning_rate", "0.30", 0.3),
        ("learning_rate", "3e-1", 0.3),
        ("learning_rate", ".3", 0.3),
        ("learning_rate", "1", 1.0),
        ("learning_rate", 1, 1.0),
        ("max_depth", "7", 7),
        ("max_depth", 7.0, 7),
        ("horizon_days", "none", 1),
        ("horizon_days", "None", 1),
        ("horizon_days", "null", 1),
        ("horizon_days", "14", 14),
        ("shuffle", "true", True),
        ("shuffle", "no", False),
        ("color", "blue", "blue"),
        ("weights", "[1, 2.5]", [1.0, 2.5]),
        ("weights", [1, 2], [1.0, 2.0]),
        ("limits", '{"a": 3}', {"a": 3}),
        ("note", "none", None),
        ("note", "[x", "[x"),
        ("first_day", "1998-02-03", "1998-02-03"),
    ],
)
def test_text_form_of_a_value_is_read_as_the_value(
    model: ParamModel, name: str, text: Any, value: Any
) -> None:
    group = model.find(name).group
    found = model.parse({name: text}).values()[group][name]
    assert found == value
    assert type(found) is type(value)


# Several problems


def test_several_problems_of_different_kinds_are_reported_together(model: ParamModel) -> None:
    found = refusal(
        model,
        {
            "learning_rate": math.nan,
            "max_depth": True,
            "regularization": -1,
            "lookback_days": "many",
            "dataset": "order",
            "data.shuffle": True,
            "colour": "red",
        },
    )
    assert found == (
        "7 problems with the parameters:\n"
        "  - 'data.shuffle' does not exist. Did you mean 'training.shuffle'?\n"
        "  - 'colour' does not exist. Did you mean 'color'?\n"
        "  - data.dataset must be one of orders, customers, but got 'order'\n"
        "  - features.lookback_days must be integer >= 7 and <= 365, but got 'many'\n"
        "  - training.learning_rate must be number > 0 and <= 1, but got nan\n"
        "  - training.max_depth must be integer >= 1 and <= 32, but got True\n"
        "  - training.regularization must be number >= 0 and < 10, but got -1"
    )


def test_several_problems_of_a_nested_form_are_all_kept_as_lines(model: ParamModel) -> None:
    with pytest.raises(ParamsError) as caught:
        model.validate(
            {"trainig": {}, "data": {"max_depth": 1}, "training": {"max_depth": 0, "max_deth": 1}}
        )
    assert caught.value.problems == (
        "'trainig' is no parameter group. Did you mean 'training'?",
        "'data.max_depth' does not exist. It belongs in group 'training'.",
        "'training.max_deth' does not exist. Did you mean 'max_depth'?",
        "training.max_depth must be integer >= 1 and <= 32, but got 0",
    )


def test_required_parameter_without_value_is_named() -> None:
    class Needed(ParamGroup):
        target: str = Field(min_length=2, max_length=9)

    with pytest.raises(ParamsError) as caught:
        ParamModel(needed=Needed).validate({})
    assert str(caught.value) == (
        f"needed.target is required: give text of 2 to 9 characters{FOOTER}"
    )


def test_rule_over_several_fields_is_reported_in_its_own_words() -> None:
    class Range(ParamGroup):
        low: int = 1
        high: int = 2

        @pydantic.model_validator(mode="after")
        def _in_order(self) -> Self:
            if self.low > self.high:
                got = f"(low={self.low}, high={self.high})"
                raise ValueError(f"`low <= high` must hold, but got {got}")
            return self

    with pytest.raises(ParamsError) as caught:
        ParamModel(range=Range).parse({"low": 3})
    assert str(caught.value) == f"range: `low <= high` must hold, but got (low=3, high=2){FOOTER}"


def test_union_field_with_one_wrong_value_is_one_problem() -> None:
    class Depth(ParamGroup):
        depth: int | Literal["auto"] = "auto"

    with pytest.raises(ParamsError) as caught:
        ParamModel(depth=Depth).parse({"depth": "aut"})
    assert caught.value.problems == ("depth.depth must be integer or one of auto, but got 'aut'",)


def test_multiple_of_shows_in_the_message() -> None:
    class Batch(ParamGroup):
        size: int = Field(default=8, multiple_of=8)

    with pytest.raises(ParamsError, match="multiple of 8"):
        ParamModel(batch=Batch).parse({"size": 9})


def test_length_of_a_list_is_not_counted_in_characters() -> None:
    class Some(ParamGroup):
        columns: list[str] = Field(default=["a"], min_length=1)

    with pytest.raises(ParamsError) as caught:
        ParamModel(some=Some).parse({"columns": "[]"})
    assert "character" not in caught.value.problems[0]


def test_truth_value_inside_a_list_of_numbers_is_refused(model: ParamModel) -> None:
    with pytest.raises(ParamsError, match=r"training\.weights"):
        model.parse({"weights": [True]})


# Words of validators, and messages that stay short


class Wordy(ParamGroup):
    low: int = 1
    high: int = 2
    name: str = "a"
    many: list[int] = Field(default=[1], max_length=3)

    @pydantic.field_validator("name")
    @classmethod
    def _is_short(cls, name: str) -> str:
        if len(name) > 2:
            # What `assert` raises; pytest would add words of its own to one.
            raise AssertionError("a name has\ntwo letters" if name == "abc" else "")
        if name == "b":
            raise ValueError("b is taken")
        if name == "c":
            raise PydanticCustomError("taken", "c is taken, too")
        return name

    @pydantic.model_validator(mode="after")
    def _is_ordered(self) -> "Wordy":
        if self.low >= self.high:
            raise AssertionError("low must be below high")
        return self


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"name": "abc"}, ["wordy.name a name has two letters (got 'abc')"]),
        ({"name": "xyz"}, ["wordy.name breaks a rule of its own (got 'xyz')"]),
        ({"name": "b"}, ["wordy.name b is taken (got 'b')"]),
        ({"name": "c"}, ["wordy.name c is taken, too (got 'c')"]),
        ({"low": 3}, ["wordy: low must be below high"]),
        ({"low": 3, "high": "x"}, ["wordy.high must be integer, but got 'x'"]),
        ({"many": [1, 2, 3, "x"]}, ["wordy.many must be list of 0 to 3 items, but got 'x' at [3]"]),
    ],
)
def test_words_of_a_validator_reach_the_user(values: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(ParamsError) as caught:
        ParamModel(wordy=Wordy).validate({"wordy": values})
    assert list(caught.value.problems) == problems


@pytest.mark.parametrize(
    "values",
    [
        {f"name{number}": 1 for number in range(10_000)},
        {"x" * 100_000: 1},
        {"wordy": {"many": ["x" * 100_000] * 1000}},
        {"wordy": {"many": {"x" * 100_000: 1}}},
        {"wordy": {"name": "x" * 100_000}},
        {"name": {"x" * 100_000: [True]}},
    ],
)
def test_refusal_stays_under_2_kb_whatever_was_given(values: dict[str, Any]) -> None:
    model = ParamModel(wordy=Wordy)
    for refused in (model.validate, model.parse):
        with pytest.raises(ParamsError) as caught:
            refused(values)
        assert len(str(caught.value)) < 2000


def test_problems_left_out_of_a_message_are_counted() -> None:
    error = ParamsError([f"problem {number}: {'x' * 100}" for number in range(50)])
    lines = str(error).splitlines()
    assert lines[0] == "50 problems with the parameters:"
    assert lines[-2] == f"  - and {50 - len(lines[1:-2])} more"
    assert len(error.problems) == 50


class Drifting(ParamGroup):
    share: float = 50.0
    word: str = "a"
    size: Literal["small", "big"] = "small"
    length: int = 1
    wide: int = 1

    @pydantic.field_validator("share")
    @classmethod
    def _of_percent(cls, share: float) -> float:
        return share / 100

    @pydantic.field_validator("word")
    @classmethod
    def _is_lower(cls, word: str) -> str:
        return word.strip().lower()

    @pydantic.field_validator("size")
    @classmethod
    def _in_metres(cls, size: str) -> Any:
        return {"small": 1, "big": 10}[size]

    def resolved(self, others: Mapping[str, ParamGroup]) -> Self:
        return self.model_copy(update={"length": self.length * 2, "wide": max(self.wide, 4)})


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            {"share": 20},
            (
                "drifting.share must stay as it is when it is read again, but 20.0 becomes 0.2, and"
                " that becomes 0.002: let its validator leave alone what it has made"
            ),
        ),
        (
            {"size": "big", "word": "B"},
            (
                "drifting.size must stay as it is when it is read again, but 'big' becomes 10, and"
                " that is refused: let its validator leave alone what it has made"
            ),
        ),
        (
            {"length": 3},
            (
                "drifting.length must stay as it is when it is read again, but it becomes 6, and"
                " that becomes 12: let `resolved` leave alone what it has made"
            ),
        ),
    ],
)
def test_value_that_code_would_change_again_is_refused(values: dict[str, Any], found: str) -> None:
    with pytest.raises(ParamsError) as caught:
        ParamModel(drifting=Drifting).validate({"drifting": values})
    assert caught.value.problems == (found,)


def test_value_that_code_changes_once_is_taken() -> None:
    made = ParamModel(drifting=Drifting).validate({"drifting": {"word": " ABC ", "wide": 2}})
    assert made.values()["drifting"] == {
        "share": 50.0, "word": "abc", "size": "small", "length": 2, "wide": 4
    }  # fmt: skip
