"""One text, one value, one id, whichever door it comes through: for models of any types."""

import datetime
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

import pydantic
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.layers import Layer, gathered
from ml_pipeline.params.model import ParamModel, nested


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Share(float, enum.Enum):
    HALF = 0.5
    WHOLE = 1.0


class Color(enum.StrEnum):
    RED = "red"
    NONE = "none"


class Switch(enum.Enum):
    ON = True
    OFF = False


@dataclass(frozen=True)
class Refused:
    """What a door says instead of a value."""

    needs_quotes: bool


def through(model: ParamModel, value: Any, is_typed: bool = False) -> tuple[Any, str] | Refused:
    """Return the value and the id that a raw value leads to, or the refusal."""
    (parameter,) = model.parameters("group")
    layer = Layer("somewhere", {parameter.name: value}, is_typed=is_typed, is_told=False)
    try:
        params = gathered(model, [layer]).validated(model)
    except ParamsError as error:
        return Refused("put text in quotes" in str(error))
    found = parameter.of(params.values()["group"])
    identity = run_id(params.identity_values(model.scope), None)
    return (type(found), found) if isinstance(found, float) else found, identity


def typed(model: ParamModel, text: str) -> tuple[Any, str] | Refused:
    return through(model, text, is_typed=True)


def in_yaml(model: ParamModel, text: str) -> tuple[Any, str] | Refused:
    return through(model, read_document(f"field: {text}".encode(), "a.yaml")["field"])


def model_of(annotation: Any, default: Any = ..., is_nested: bool = False) -> ParamModel:
    group = pydantic.create_model("Group", __base__=ParamGroup, field=(annotation, default))
    if is_nested:
        group = pydantic.create_model("Around", __base__=ParamGroup, inner=(group, ...))
    return ParamModel(group=group)


SCALARS = [
    int, float, str, bool, datetime.date, Level, Share, Color, Switch,
    Literal[1, 2, 3], Literal[0.1, 0.5], Literal["auto", 5], Literal["1", "2"],
    Literal["a b", " "], Literal[True, "auto"], Literal["none", "l2"], Literal["x", None],
    dict[str, Any], list[Any],
]  # fmt: skip


@st.composite
def annotations(draw: st.DrawFn) -> Any:
    members = draw(st.lists(st.sampled_from([*SCALARS, None]), min_size=1, max_size=3))
    joined: Any = Union[tuple(members)]  # noqa: UP007
    wrap = draw(st.sampled_from(["", "", "", "list", "mapping", "tuple", "pair"]))
    if wrap == "list":
        return list[joined]
    if wrap == "mapping":
        return dict[str, joined]
    if wrap == "tuple":
        return tuple[joined, ...]
    return tuple[joined, int] if wrap == "pair" else joined


@st.composite
def models(draw: st.DrawFn) -> ParamModel:
    try:
        return model_of(draw(annotations()), is_nested=draw(st.booleans()))
    except PipelineError:
        assume(False)
        raise


WORDS = st.sampled_from([
    "1", "2", "3", "0", "-0", "1.0", "0.1", "0.5", ".5", "5", "5.0", "1e0", "1e3", "1e-3", "1E5",
    "true", "True", "false", "yes", "no", "on", "off", "none", "None", "null", "~", "", "auto",
    "l2", "x", "red", "010", "0x1F", "0o17", "12e4567", "1_1_1", "1_000", "1:40", "1:30:00",
    ".inf", "nan", "inf", "1998-05-31", "1998-02-30", "Bergen", " Bergen", "Bergen ", "'Bergen'",
    '"Bergen"', "' Bergen'", "'5'", '"5"', "' '", "a b", "9" * 400, "0x" + "f" * 400, "é", "1.10",
])  # fmt: skip
TEXTS = WORDS | st.from_regex(r"[-+]?[0-9._exn]{1,6}", fullmatch=True)


@given(models(), TEXTS)
@example(model_of(str | None), "")
@example(model_of(str | None), "none")
@example(model_of(float | str), "0.5")
@example(model_of(int | float), "1.0")
@example(model_of(Literal["1", "2"]), "2")
def test_word_means_the_same_typed_and_in_a_file(model: ParamModel, text: str) -> None:
    try:
        of_file = in_yaml(model, text)
    except ParamsError:
        assert text in (".inf", "9" * 400) or ".nan" in text
        return
    of_typed = typed(model, text)
    if of_typed != of_file:
        assert of_file == Refused(needs_quotes=True)
        assert of_typed == in_yaml(model, json.dumps(text, ensure_ascii=False))


@given(models(), TEXTS)
def test_text_means_the_same_typed_and_in_quotes_in_every_language(
    model: ParamModel, text: str
) -> None:
    assume(not text.startswith(("'", '"')))
    quoted = json.dumps(text, ensure_ascii=False)
    forms = {"a.yaml": "field: {}", "a.toml": "field = {}", "a.json": '{{"field": {}}}'}
    found = [
        through(model, read_document(form.format(quoted).encode(), name)["field"])
        for name, form in forms.items()
    ]
    assert found == [typed(model, text)] * 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0, 1e22, 0.1]) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)


@given(models(), JSON)
def test_value_means_the_same_typed_as_json_and_in_every_document(
    model: ParamModel, value: Any
) -> None:
    launchpad = through(model, value)
    text = json.dumps({"field": value}, ensure_ascii=False).encode()
    for name in ("a.yaml", "a.json"):
        assert through(model, read_document(text, name)["field"]) == launchpad
    if isinstance(value, list | dict) and launchpad != Refused(needs_quotes=True):
        assert typed(model, json.dumps(value)) == launchpad


@given(models(), JSON)
def test_value_that_was_read_is_read_again_as_itself(model: ParamModel, value: Any) -> None:
    try:
        params = model.validate(nested({model.parameters("group")[0].dotted: value}))
    except ParamsError:
        return
    again = model.validate(params.values())
    assert again == params
    assert again.identity_values(model.scope) == params.identity_values(model.scope)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (Literal[1, 2, 3], "2", 2),
        (Literal[1, 2, 3], "2.0", 2),
        (Literal[0.1, 0.5], "0.5", 0.5),
        (Literal["auto", 5], "5", 5),
        (Literal["1", "2"], "2", "2"),
        (Level, "2", 2),
        (Share, "0.5", 0.5),
        (Switch, "true", True),
        (Color | None, "none", "none"),
        (Color | None, "null", None),
        (int | float, "1", 1),
        (int | float, "1.0", 1.0),
        (float | int, "5", 5),
        (float | str, "0.5", 0.5),
        (float | str, "scale", "scale"),
        (int | str, "1_1_1", "1_1_1"),
        (int, "1_000", 1000),
        (bool | int, "1", 1),
        (bool | str, "yes", "yes"),
        (bool, "yes", True),
        (str, "  Bergen ", "Bergen"),
        (str, "12e4567", "12e4567"),
        (str | None, "", None),
        (list[Any], "[1.0, '1']", [1, "1"]),
        (dict[str, Any], "{a: 100.0, b: [1e3]}", {"a": 100, "b": [1000]}),
        (dict[str, int | float], "{a: 100.0}", {"a": 100.0}),
        (list[str], "[' Bergen', Oslo]", ["Bergen", "Oslo"]),
        (tuple[int, str], "[1, x]", [1, "x"]),
        (tuple[float, ...], "[1, 2]", [1.0, 2.0]),
        (datetime.date, "1998-05-31", "1998-05-31"),
    ],
)
def test_text_is_this_value_by_every_door(annotation: Any, text: str, value: Any) -> None:
    model = model_of(annotation)
    for params in (
        model.parse({"field": text}),
        model.validate({"group": read_document(f"field: {text}".encode(), "a.yaml")}),
    ):
        found = params.values()["group"]["field"]
        assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "010"),
        (int, "true"),
        (Literal[0, 1], "true"),
        (Literal[True, "auto"], "1"),
        (list[int], "[true]"),
        (list[list[int]], "[[1], [true]]"),
        (dict[str, float], "{a: true}"),
        (tuple[int, int], "[1]"),
        (datetime.date, "5"),
        (float, "12e4567"),
        (int, "1:40"),
        (int, "1e23"),
        (int, "9007199254740993.0"),
        (list[int], "[-1e16]"),
    ],
)
def test_text_that_is_no_value_is_refused_by_every_door(annotation: Any, text: str) -> None:
    model = model_of(annotation)
    assert isinstance(typed(model, text), Refused)
    assert isinstance(in_yaml(model, text), Refused)


@pytest.mark.parametrize("text", ["1234567", "1e10", "0x1F", "true", "null"])
def test_label_that_reads_as_something_else_asks_for_quotes(text: str) -> None:
    model = model_of(str)
    assert in_yaml(model, text) == Refused(needs_quotes=True)
    assert in_yaml(model, f"'{text}'") == typed(model, text)
    assert model.parse({"field": text}).values()["group"]["field"] == text


def test_default_counts_as_the_value_that_it_reads_as() -> None:
    defaults: Mapping[Any, Any] = {
        float: 1, dict[str, Any]: {"a": 1.0}, tuple[float, ...]: (1, 2), Level: Level.HIGH,
    }  # fmt: skip
    for annotation, default in defaults.items():
        model = model_of(annotation, default)
        raw = default.value if isinstance(default, enum.Enum) else default
        assert through(model, raw) == through(model, json.loads(json.dumps(raw)))
        assert model.defaults == model.validate({"group": {"field": raw}})
        assert model.find("field").default == model.defaults.values()["group"]["field"]
