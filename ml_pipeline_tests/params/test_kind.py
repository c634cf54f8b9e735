import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NewType

import pydantic
import pytest
from pydantic import Field, SecretStr

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.annotations import kind_of
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.kind import Kind
from ml_pipeline.params.model import ParamModel

Rate = NewType("Rate", float)
ANYTHING = Kind(anything=True)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colors(enum.Enum):
    RED = ("r", "g")


class Inner(pydantic.BaseModel):
    depth: int = 1


def model_of(annotation: Any, default: Any = ..., name: str = "field") -> ParamModel:
    fields: dict[str, Any] = {name: (annotation, default)}
    return ParamModel(group=pydantic.create_model("Group", __base__=ParamGroup, **fields))


def refusal(annotation: Any, default: Any = ..., name: str = "field") -> str:
    with pytest.raises(PipelineError) as caught:
        model_of(annotation, default, name)
    head, problem = str(caught.value).splitlines()
    assert head == "Parameter groups do not fit together:"
    return problem.strip()


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (int, Kind(whole=True)),
        (Annotated[int, Field(ge=1)], Kind(whole=True)),
        (Rate, Kind(number=True)),
        (Annotated[Rate, Field(ge=1)] | None, Kind(number=True, none=True)),
        (int | Literal["auto"], Kind(whole=True, choices=("auto",))),
        (Literal["a", None], Kind(none=True, choices=("a",))),
        (Literal["a"] | Literal["a", "b"], Kind(choices=("a", "b"))),
        (Level, Kind(choices=(1, 2))),
        (list, Kind(items=ANYTHING)),
        (Sequence[int], Kind(items=Kind(whole=True))),
        (set[int], Kind(different=Kind(whole=True))),
        (pathlib.Path | None, Kind(spelled=pathlib.Path, none=True)),
        (list[decimal.Decimal], Kind(items=Kind(spelled=decimal.Decimal))),
        (uuid.UUID, Kind(spelled=uuid.UUID)),
        (tuple[int, ...], Kind(items=Kind(whole=True))),
        (tuple[int, str], Kind(places=(Kind(whole=True), Kind(text=True)))),
        (dict, Kind(values=ANYTHING)),
        (Mapping[str, list[float] | None],
         Kind(values=Kind(none=True, items=Kind(number=True)))),
    ],
)  # fmt: skip
def test_annotation_has_this_kind(annotation: Any, kind: Kind) -> None:
    assert kind_of(annotation) == kind


@pytest.mark.parametrize(
    "annotation",
    [
        bytes, set[bytes], frozenset[complex], complex, datetime.datetime,
        datetime.time, object, list[set[bytes]], dict[str, bytes], int | bytes,
        tuple[int, bytes],
    ],
)  # fmt: skip
def test_type_without_a_canonical_form_is_refused_naming_the_field(annotation: Any) -> None:
    problem = refusal(annotation)
    assert problem.startswith("'group.field' cannot be a parameter: a ")
    assert "has no form that is the same by every door" in problem


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (Any, "it may be anything: declare what it may be, like float | str"),
        (int | Any, "it may be anything: declare what it may be, like float | str"),
        (dict[int, str], "its keys must be text"),
        (Colors, "the choice ('r', 'g') must be text, a number or a truth value"),
        (list[int] | list[str], "two kinds of lists or mappings cannot be told apart: join them"),
        (list[int] | tuple[int, int], "lists, tuples and sets cannot be told apart: take one"),
        (Literal[1, "1"], "the choices 1 and '1' read the same: leave one out"),
        (Literal[1, True], "the choices 1 and True read the same: leave one out"),
        (Literal["true", True], "the choices 'true' and True read the same: leave one out"),
        (Literal["1.0", 1], "the choices '1.0' and 1 read the same: leave one out"),
        (Literal["5"] | int, "the choice '5' reads like 5, which it takes too"),
        (Literal["null", "a"] | None, "the choice 'null' reads like none, which it takes too"),
    ],
)
def test_annotation_with_two_readings_is_refused_with_the_reason(
    annotation: Any, told: str
) -> None:
    assert refusal(annotation) == f"'group.field' cannot be a parameter: {told}"


@pytest.mark.parametrize(
    ("annotation", "default", "told"),
    [
        (int, "many", "'group.field' must be integer, but its default holds many"),
        (float | None, "auto", "'group.field' must be number or none, but its default holds auto"),
        (list[int], [1, True], "'group.field' must be list, but its default holds true"),
        (
            float,
            Field(default_factory=iter([0.5, 1.5]).__next__),
            "'group.field' must have one default, but each one made is another",
        ),
        (
            float,
            Field(default_factory=lambda data: 0.1),
            "'group.field' has a default made of other values: do that in `resolved`",
        ),
        (
            float,
            Field(0.1, validation_alias=pydantic.AliasPath("a", 0)),
            "'group.field' cannot be a parameter: its alias is a path into other data",
        ),
    ],
)
def test_field_that_no_door_could_set_is_refused(annotation: Any, default: Any, told: str) -> None:
    assert refusal(annotation, default) == told


@pytest.mark.parametrize(
    "annotation",
    [str, str | None, list[str], dict[str, Any], dict[str, str], float | str, SecretStr, bytes],
)
def test_secret_name_of_a_type_that_can_hold_text_is_refused(annotation: Any) -> None:
    with pytest.raises(PipelineError, match=r"'group\.api_key' looks like a secret"):
        model_of(annotation, name="api_key")


@pytest.mark.parametrize("annotation", [int, bool, float | None, Literal["a", "b"], list[int]])
def test_secret_name_of_a_type_that_holds_no_text_is_accepted(annotation: Any) -> None:
    assert model_of(annotation, name="use_token").find("use_token").name == "use_token"


def test_parameter_tells_an_editor_its_choices_and_whether_it_may_be_none() -> None:
    model = model_of(Literal["auto", 5] | float | None, None)
    parameter = model.find("field")
    assert (parameter.choices, parameter.nullable) == (("auto", 5), True)
    assert parameter.kind == Kind(none=True, number=True, choices=("auto", 5))
    assert (model_of(int).find("field").choices, model_of(int).find("field").nullable) == (
        (),
        False,
    )
