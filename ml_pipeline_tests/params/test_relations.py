"""Defaults that choices decide, and rules over several parameters, as data of the model."""

import enum
from datetime import date
from typing import Any, Literal

import pytest
from pydantic import Field

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.marks import filled_in
from ml_pipeline.params.model import ParamModel


class Speed(enum.Enum):
    SLOW = "slow"
    FAST = "fast"


class Tree(ParamGroup):
    depth: int = 3


class Data(ParamGroup):
    dataset: Literal["orders", "customers"] = "orders"
    days: int | None = 28
    first: date = date(1997, 1, 1)
    name: str = "a"
    bits: Literal[8, 16] = 8
    tree: Tree = Tree()


class Shape(ParamGroup):
    follows = ("data",)
    rules = ("horizon < data.days", "until >= data.first", "tree.depth <= horizon")

    horizon: int | None = Field(
        default=None, ge=1, json_schema_extra=filled_in("dataset", {"orders": 5, "customers": 30})
    )
    speed: Speed | None = Field(
        default=None, json_schema_extra=filled_in("data.bits", {8: "slow", 16: "fast"})
    )
    until: date | None = None


def shapes() -> ParamModel:
    return ParamModel(data=Data, shape=Shape)


@pytest.mark.parametrize(
    ("typed", "horizon", "speed"),
    [
        ({}, 5, "slow"),
        ({"dataset": "customers", "days": "40"}, 30, "slow"),
        ({"dataset": "customers", "horizon": 7, "bits": 16}, 7, "fast"),
        ({"bits": "16", "horizon": "none"}, 5, "fast"),
    ],
)
def test_filled_in_default_is_that_of_the_choice_and_the_run_of_the_same_value_typed(
    typed: dict[str, Any], horizon: int, speed: str
) -> None:
    model = shapes()
    filled = model.parse(typed)
    assert filled.values()["shape"] == {"horizon": horizon, "speed": speed, "until": None}
    by_hand = model.parse({**typed, "horizon": horizon, "speed": speed})
    assert filled == by_hand
    values = [one.identity_values(model.scope) for one in (filled, by_hand)]
    assert len({run_id(one, None) for one in values}) == 1
    assert "shape.horizon" in by_hand.origins


@pytest.mark.parametrize(
    ("typed", "problems"),
    [
        (
            {"dataset": "customers"},
            ["shape: `horizon < days` must hold, but got (horizon=30, days=28)"],
        ),
        (
            {"horizon": 2, "until": "1996-12-31"},
            [
                "shape: `until >= first` must hold, but got (until=1996-12-31, first=1997-01-01)",
                "shape: `tree.depth <= horizon` must hold, but got (tree.depth=3, horizon=2)",
            ],
        ),
        ({"dataset": "customers", "days": None, "until": "1997-01-01"}, []),
    ],
)
def test_rule_is_broken_by_values_in_effect_and_not_by_none(
    typed: dict[str, Any], problems: list[str]
) -> None:
    assert _problems(typed) == problems


def _problems(typed: dict[str, Any]) -> list[str]:
    try:
        shapes().parse(typed)
    except ParamsError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize(
    ("by", "values", "said"),
    [
        ("colour", {}, "which must be a parameter of its group or of one that it follows"),
        ("name", {"a": 1}, "which must be a choice of values"),
        ("dataset", {"orders": 1}, "so it must have a value for each of orders, customers"),
        ("dataset", {"orders": 1, "customers": "x"}, "with values that must be integer or none"),
    ],
)
def test_filled_in_field_that_cannot_be_is_refused(by: str, values: Any, said: str) -> None:
    class Group(ParamGroup):
        follows = ("data",)
        field: int | None = Field(default=None, json_schema_extra=filled_in(by, values))

    with pytest.raises(PipelineError) as caught:
        ParamModel(data=Data, group=Group)
    assert f"'group.field' is filled in by '{by}', {said}" in str(caught.value)


def test_filled_in_field_with_a_default_of_its_own_is_refused() -> None:
    class Group(ParamGroup):
        field: int = Field(default=1, json_schema_extra=filled_in("group.field", {}))

    with pytest.raises(PipelineError, match="must be a field of a group, with none as its default"):
        ParamModel(group=Group)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("days", "which must compare two parameters of it and of those that it follows"),
        ("size < other.size", "which must compare two parameters of it"),
        ("size ~ data.days", "which must compare two parameters of it"),
        ("size < data.name", "which must compare numbers, or dates"),
        ("size < data.first", "which must compare numbers, or dates"),
    ],
)
def test_rule_that_cannot_be_is_refused(rule: str, said: str) -> None:
    class Other(ParamGroup):
        size: int = 1

    class Group(ParamGroup):
        follows = ("data",)
        rules = (rule,)
        size: int = 1

    with pytest.raises(PipelineError) as caught:
        ParamModel(data=Data, other=Other, group=Group)
    assert f"group 'group' has the rule '{rule}', {said}" in str(caught.value)
