"""Problems with the config of ops, in words: what must hold, what was found, and where."""

from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import BaseModel, Field

from ml_pipeline.params.op_config import problems_of


class Leaf(BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    size: int = Field(default=1, ge=1)
    name: str


class Left(BaseModel):
    side: Literal["left"] = "left"
    leaf: Leaf


class Right(BaseModel):
    side: Literal["right"] = "right"
    width: float = Field(default=1.0, lt=2)


class Whole(BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    rate: float = Field(default=0.1, gt=0, le=1)
    called: int = Field(default=1, le=3, alias="calledAs")
    kind: Literal["fast", "exact"] = "fast"
    either: Annotated[Left | Right, Field(discriminator="side")] = Right()
    leaves: dict[str, list[Leaf]] = Field(default={})
    numbers: list[Annotated[int, Field(gt=0)]] = Field(default=[])
    odd: Any = None
    token: str = Field(default="12345678", min_length=8)

    @pydantic.field_validator("odd")
    @classmethod
    def _odd(cls, value: Any) -> Any:
        if value == "even":
            raise ValueError("must be odd,\n  really")
        return value


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"rate": 7}, "fit.rate must be number > 0 and <= 1, but got 7"),
        ({"calledAs": 9}, "fit.calledAs must be integer <= 3, but got 9"),
        ({"kind": "slow"}, "fit.kind must be one of fast, exact, but got 'slow'"),
        ({"raet": 1}, "'fit.raet' does not exist. Did you mean 'rate'?"),
        (
            {"either": {"side": "left", "leaf": {"size": 0, "name": "a"}}},
            "fit.either.leaf.size must be integer >= 1, but got 0",
        ),
        (
            {"either": {"side": "left", "leaf": {}}},
            "fit.either.leaf.name is required: give text",
        ),
        (
            {"either": {"side": "right", "width": 3}},
            "fit.either.width must be number < 2, but got 3",
        ),
        (
            {"leaves": {"a": [{"name": "x"}, {"name": "y", "size": -1}]}},
            "fit.leaves.a[1].size must be integer >= 1, but got -1",
        ),
        (
            {"leaves": {"a": [{"name": "x", "nmae": "y"}]}},
            "'fit.leaves.a[0].nmae' does not exist. Did you mean 'name'?",
        ),
        ({"numbers": [1, 0]}, "fit.numbers[1]: Input should be greater than 0 (got 0)"),
        ({"odd": "even"}, "fit.odd must be odd, really (got 'even')"),
        ({"token": "secret"}, "fit.token must be text of at least 8 characters, but got ***"),
    ],
)
def test_problem_says_what_must_hold_what_was_found_and_where(
    given: dict[str, Any], problem: str
) -> None:
    with pytest.raises(pydantic.ValidationError) as refused:
        Whole(**given)
    assert problems_of(refused.value, "fit", Whole, given) == [problem]


def test_all_problems_are_told() -> None:
    given = {"rate": 7, "kind": "slow", "numbers": [0, -1]}
    with pytest.raises(pydantic.ValidationError) as refused:
        Whole(**given)
    assert len(problems_of(refused.value, "fit", Whole, given)) == 4
