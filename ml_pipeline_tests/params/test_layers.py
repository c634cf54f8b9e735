import json
from typing import Any, Literal

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st
from pydantic import Field

from ml_pipeline.addresses import credentials_in
from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.run_config import ORIGINS_TAG, origin_tags
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import document, run_id
from ml_pipeline.params.layers import Given, Layer, gathered, like
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL, added_later
from ml_pipeline.params.model import ParamModel, ParamSet, nested


class Data(ParamGroup):
    dataset: Literal["orders", "customers"] = Field(default="orders", json_schema_extra=PATH_LABEL)
    source: str = Field(default="sample", min_length=1)
    horizon_days: int | None = Field(default=None, ge=1)


class Training(ParamGroup):
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    max_depth: int = Field(default=3, ge=1, le=2000)
    shuffle: bool = False
    weights: list[float | None] = Field(default=[1.0])
    limits: dict[str, float] = Field(default={})
    note: str = ""
    workers: int = Field(default=1, ge=1, json_schema_extra=NOT_IDENTITY)


MODEL = ParamModel(data=Data, training=Training)
SECTIONS = {"as_of": "is given with --as-of", "search": "belongs to a sweep"}


def typed(**values: str) -> Layer:
    return Layer("command line", values, is_typed=True)


def identity_of(params: ParamSet) -> str:
    return run_id(params.identity_values(MODEL.scope), None)


def file(text: str, name: str = "base.yaml") -> Layer:
    return Layer(name, read_document(text.encode(), name))


# Precedence and origins


def test_later_layers_win_and_every_origin_is_told() -> None:
    given = gathered(
        MODEL,
        [
            Layer("environment prod", {"learning_rate": 0.1, "workers": 8}),
            file("training: {learning_rate: 1e-3, max_depth: 5}\nsource: shop", "base.yaml"),
            file("training.learning_rate = 0.05", "more.toml"),
            typed(max_depth="7", dataset="customers"),
        ],
    )
    assert given.problems == []
    assert given.values == {
        "training": {"learning_rate": 0.05, "workers": 8, "max_depth": "7"},
        "data": {"source": "shop", "dataset": "customers"},
    }
    assert given.origins == {
        "training.learning_rate": "more.toml; overrides 0.001 of base.yaml",
        "training.workers": "environment prod",
        "training.max_depth": "command line; overrides 5 of base.yaml",
        "data.source": "base.yaml",
        "data.dataset": "command line",
    }
    params = given.validated(MODEL)
    assert params.values()["training"]["learning_rate"] == 0.05
    assert params.origins == given.origins


def test_value_that_is_the_default_keeps_its_origin() -> None:
    given = gathered(MODEL, [file("max_depth: 5"), typed(max_depth="3")])
    assert given.validated(MODEL).origin("training.max_depth") == (
        "command line; overrides 5 of base.yaml"
    )


def test_values_are_not_validated_when_gathered() -> None:
    given = gathered(MODEL, [file("learning_rate: [0.01, 0.1]"), typed(max_depth="2,3")])
    assert given.problems == []
    assert given.values == {"training": {"learning_rate": [0.01, 0.1], "max_depth": "2,3"}}


def test_refused_value_of_a_file_is_reported_with_the_file() -> None:
    given = gathered(
        MODEL,
        [
            file("learning_rate: 7\nmax_depth: 0\nsource: 1e-3"),
            file("training = {shuffle = 3}", "more.toml"),
            typed(max_depth="-1"),
        ],
    )
    with pytest.raises(ParamsError) as caught:
        given.validated(MODEL)
    assert caught.value.problems == (
        (
            "data.source must be text of at least 1 characters, but got 0.001: put text in quotes"
            " (base.yaml)"
        ),
        "training.shuffle must be true or false, but got 3 (more.toml)",
        "training.learning_rate must be number > 0 and <= 1, but got 7 (base.yaml)",
        "training.max_depth must be integer >= 1 and <= 2000, but got '-1'",
    )


# Names


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lerning_rate: 1", "'lerning_rate' does not exist. Did you mean 'learning_rate'?"),
        ("lr: 1", "'lr' does not exist. Did you mean 'learning_rate'?"),
        (
            "data.max_depth: 1",
            "'data.max_depth' does not exist. Did you mean 'training.max_depth'?",
        ),
        (
            "data: {max_depth: 1}",
            "'data.max_depth' does not exist. It belongs in group 'training'.",
        ),
        (
            "training: {max_deth: 1}",
            "'training.max_deth' does not exist. Did you mean 'max_depth'?",
        ),
        ("trainig: {max_depth: 1}", "'trainig' is no parameter group. Did you mean 'training'?"),
        ("limts: {a: 1}", "'limts' is no parameter group. Did you mean 'limits'?"),
        ("training: fast", "training must be a mapping of parameters, but got 'fast'"),
        ("training: [1]", "training must be a mapping of parameters, but got [1]"),
        (
            "training: {max_depth: 1}\nmax_depth: 2",
            "training.max_depth is set twice: give it one value",
        ),
        (
            "training.max_depth: 1\nmax_depth: 1",
            "training.max_depth is set twice: give it one value",
        ),
        ("as_of: 1998-05-31", "as_of is given with --as-of"),
        ("search: {n_trials: 3}", "search belongs to a sweep"),
    ],
)
def test_name_that_cannot_be_given_is_a_problem_of_its_file(text: str, problem: str) -> None:
    given = gathered(MODEL, [Layer("environment prod", {}), file(text)], SECTIONS)
    assert given.problems == [f"base.yaml: {problem}"]
    with pytest.raises(ParamsError, match="Nothing was launched"):
        given.validated(MODEL)


def test_name_mistyped_on_the_command_line_is_reported_without_a_place() -> None:
    assert gathered(MODEL, [typed(lr="1", training="2", as_of="3")], SECTIONS).problems == [
        "as_of is given with --as-of",
        "'lr' does not exist. Did you mean 'learning_rate'?",
        "training must be a mapping of parameters, but got '2'",
    ]


def test_section_that_nobody_speaks_of_does_not_exist() -> None:
    assert gathered(MODEL, [file("search: {n_trials: 3}")]).problems == [
        "base.yaml: 'search' is no parameter group."
    ]


def test_problem_of_a_layer_that_is_not_told_has_no_place() -> None:
    given = gathered(MODEL, [Layer("request a.yaml", {"lr": 1, "max_depth": 0}, is_told=False)])
    with pytest.raises(ParamsError) as refused:
        given.validated(MODEL)
    assert refused.value.problems == (
        "'lr' does not exist. Did you mean 'learning_rate'?",
        "training.max_depth must be integer >= 1 and <= 2000, but got 0",
    )


def test_empty_groups_and_files_give_nothing() -> None:
    assert gathered(MODEL, [file("training:\ndata: {}"), file(""), file("", "a.toml")]) == Given()


def test_mapping_that_is_a_value_is_no_group() -> None:
    given = gathered(MODEL, [file("limits: {x: 1}")])
    assert given.values == {"training": {"limits": {"x": 1}}}


def test_search_sections_are_laid_over_each_other_where_they_are_wanted() -> None:
    layers = [
        file("search: {n_trials: 3, strategy: tpe}"),
        file("max_depth = 4\n[search]\nn_trials = 9", "more.toml"),
        file("search:"),
    ]
    given = gathered(MODEL, layers, sections={"search": None})
    assert (given.sections["search"], given.problems) == ({"n_trials": 9, "strategy": "tpe"}, [])
    refused = gathered(MODEL, [file("search: 3")], sections={"search": None})
    assert refused.problems == ["base.yaml: search must be a mapping, but got 3"]


# Values in any form


@pytest.mark.parametrize(
    ("name", "forms", "value"),
    [
        (
            "learning_rate",
            {
                "a.yaml": ["0.001", "1e-3", "1.0E-03", ".001", "0.0010", "'1e-3'", "1_0.0e-4"],
                "a.toml": ["0.001", "1e-3", "1.0E-03", "0.0010", '"1e-3"', "1_0.0e-4"],
                "a.json": ["0.001", "1e-3", "1.0E-03", '"0.001"'],
                "typed": ["0.001", "1e-3", "1.0E-03", ".001", " 1e-3 "],
            },
            0.001,
        ),
        ("learning_rate", {name: ["1", "1.0", "1e0"] for name in
                           ("a.yaml", "a.toml", "a.json", "typed")}, 1.0),
        (
            "max_depth",
            {
                "a.yaml": ["1000", "1_000", "1e3", "1E3", "+1000", "1000.0", "0x3e8"],
                "a.toml": ["1000", "1_000", "1e3", "1E3", "+1000", "1000.0", "0x3e8"],
                "a.json": ["1000", "1e3", "1E3", "1000.0"],
                "typed": ["1000", "1_000", "1e3", "1E3", "+1000", "1000.0", "0x3e8", "1.e+3"],
            },
            1000,
        ),
        (
            "shuffle",
            {
                "a.yaml": ["true", "True", "yes", "on", "'yes'", "1"],
                "a.toml": ["true", '"yes"'],
                "a.json": ["true", '"yes"'],
                "typed": ["true", "True", "yes", "on", "1"],
            },
            True,
        ),
        (
            "horizon_days",
            {
                "a.yaml": ["null", "~", "", "none", "'null'", "''"],
                "a.toml": ['"none"', "''"],
                "a.json": ["null", '"null"'],
                "typed": ["null", "none", "None", "~", "", " "],
            },
            None,
        ),
        (
            "source",
            {
                "a.yaml": ["1998-05-31", "'1998-05-31'"],
                "a.toml": ["1998-05-31", "'1998-05-31'"],
                "a.json": ['"1998-05-31"'],
                "typed": ["1998-05-31"],
            },
            "1998-05-31",
        ),
        ("source", {"a.yaml": ["yes", "'yes'"], "a.json": ['"yes"'], "typed": ["yes"]}, "yes"),
        ("source", {"a.yaml": ["'1e-3'"], "a.json": ['"1e-3"'], "typed": ["1e-3"]}, "1e-3"),
        (
            "weights",
            {
                "a.yaml": ["[1e-3, 2]", "[.001, 2.0]"],
                "a.toml": ["[1e-3, 2]"],
                "a.json": ["[1e-3, 2]"],
                "typed": ["[1e-3, 2]"],
            },
            [0.001, 2.0],
        ),
        (
            "limits",
            {"a.yaml": ["{a: 1}"], "a.toml": ["{a = 1}"], "a.json": ['{"a": 1}'],
             "typed": ['{"a": 1}']},
            {"a": 1.0},
        ),
    ],
)  # fmt: skip
def test_value_means_the_same_however_it_is_given(
    name: str, forms: dict[str, list[str]], value: Any
) -> None:
    ids = set()
    for place, texts in forms.items():
        written = {"a.yaml": "{}: {}", "a.toml": "{} = {}", "a.json": '{{"{}": {}}}'}
        for text in texts:
            layer = (
                typed(**{name: text})
                if place == "typed"
                else file(written[place].format(name, text), place)
            )
            params = gathered(MODEL, [layer]).validated(MODEL)
            group = MODEL.find(name).group
            found = params.values()[group][name]
            assert (found, type(found)) == (value, type(value)), (place, text)
            ids.add(identity_of(params))
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (file("source: 1.10"), "data.source must be text of at least 1 characters, but got 1.1"),
        (file("source: true"), "data.source must be text of at least 1 characters, but got True"),
        (file("source:"), "data.source must be text of at least 1 characters, but got None"),
        (file("learning_rate: ~"), "training.learning_rate must be number > 0 and <= 1, but got"),
        (file("learning_rate: 1:30"), "training.learning_rate must be number > 0 and <= 1, but"),
        (file("learning_rate: true"), "training.learning_rate must be number > 0 and <= 1, but"),
        (file("max_depth: 0b11"), "training.max_depth must be integer >= 1 and <= 2000, but got"),
        (file("max_depth: 1e-3"), "training.max_depth must be integer >= 1 and <= 2000, but got"),
        (file("max_depth: 1998-05-31"), "training.max_depth must be integer >= 1 and <= 2000, but"),
        (file("max_depth: 01000"), "training.max_depth must be integer >= 1 and <= 2000, but got"),
        (typed(max_depth="01000"), "training.max_depth must be integer >= 1 and <= 2000, but got"),
        (typed(max_depth="1e-3"), "training.max_depth must be integer >= 1 and <= 2000, but got"),
        (typed(max_depth="1e999"), "training.max_depth must be integer >= 1 and <= 2000, but got"),
        (typed(weights="[" * 9999), "training.weights must be list, but got"),
        (typed(weights="[" + "9" * 9999 + "]"), "training.weights must be list, but got"),
        (typed(limits='{"a": 1, "a": 2}'), "training.limits must be mapping, but got"),
        (typed(weights="[NaN]"), "training.weights must be list, but got"),
        (typed(note="\udcff"), "training.note must be text, but got"),
    ],
)
def test_value_that_could_mean_something_else_is_refused(layer: Layer, problem: str) -> None:
    with pytest.raises(ParamsError) as caught:
        gathered(MODEL, [layer]).validated(MODEL)
    (found,) = caught.value.problems
    assert found.startswith(problem)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8).filter(
    lambda text: credentials_in(text) is None
)
VALUES = {
    "dataset": st.sampled_from(["orders", "customers"]),
    "source": WORDS.filter(str.strip),
    "horizon_days": st.none() | st.integers(1, 10**9),
    "learning_rate": st.floats(0, 1, exclude_min=True),
    "max_depth": st.integers(1, 2000),
    "shuffle": st.booleans(),
    "weights": st.lists(NUMBERS, max_size=3),
    "limits": st.dictionaries(WORDS, NUMBERS, max_size=3),
    "note": WORDS.filter(lambda text: text.strip() or not text)
    | st.sampled_from(["yes", "null", "1e-3", "~", "[1]", "1998-05-31"]),
}


def as_toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {json.dumps(member)}" for key, member in value.items())
        return f"{{{', '.join(pairs)}}}".replace("\x7f", "\\u007f")
    return json.dumps(value).replace("\x7f", "\\u007f")


@forall(values=st.fixed_dictionaries({}, optional=VALUES))
def test_any_values_make_one_set_from_every_file_and_typed(values: dict[str, Any]) -> None:
    texts = {name: v if isinstance(v, str) else json.dumps(v) for name, v in values.items()}
    as_json = json.dumps(values).replace("\x7f", "\\u007f")
    lines = [f"{name} = {as_toml(v)}" for name, v in values.items() if v is not None]
    expected = MODEL.validate(nested(MODEL.placed(values)[0]))
    for layer in (
        file(as_json, "a.json"),
        file(as_json, "a.yaml"),
        file("\n".join(lines), "a.toml"),
        typed(**texts),
    ):
        assert gathered(MODEL, [layer]).validated(MODEL) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda members: (
        st.lists(members, max_size=3) | st.dictionaries(st.text(max_size=4), members, max_size=3)
    ),
    max_leaves=6,
)
"""Anything that Python's JSON can hold, NaN and lone surrogates included."""

KEYS = st.sampled_from(
    ["training", "data", "run", "search", "as_of", "", "training.", ".", "learning_rate"]
    + [p.name for p in MODEL.parameters()]
    + [p.dotted for p in MODEL.parameters()]
) | st.text(max_size=6)


@forall(content=st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=3), max_size=4))
def test_any_content_gives_what_it_says_or_is_refused(content: dict[str, Any]) -> None:
    try:
        layer = file(json.dumps(content), "a.json")
        params = gathered(MODEL, [layer]).validated(MODEL)
    except ParamsError:
        return
    asked = {}
    for name, value in content.items():
        inner = value if name in MODEL.groups else {name: value}
        asked.update({MODEL.find(key).dotted: v for key, v in (inner or {}).items()})
    assert set(params.origins) == set(asked)
    for parameter in MODEL.parameters():
        value = params.values(MODEL.groups)[parameter.group][parameter.name]
        if parameter.dotted in asked:
            assert _says(asked[parameter.dotted], value), parameter.dotted
        else:
            assert value == parameter.default


TRUTHS = {
    True: {"true", "1", "1.0", "yes", "on", "t", "y"},
    False: {"false", "0", "0.0", "-0.0", "no", "off", "f", "n"},
}


def _says(written: Any, value: Any) -> bool:
    """Whether a value is what was written: alike, or a text that reads so."""
    if isinstance(value, bool):
        return str(written).lower() in TRUTHS[value]
    if isinstance(value, list):
        return len(value) == len(written) and all(map(_says, written, value))
    if isinstance(value, dict):
        return set(value) == set(written) and all(_says(written[key], value[key]) for key in value)
    if isinstance(value, int | float):
        return not isinstance(written, bool) and float(written) == value
    return bool(written == value)


# Like an earlier run


def test_like_takes_what_identified_the_run_and_nothing_else() -> None:
    earlier = MODEL.parse({"learning_rate": 0.3, "workers": 8, "dataset": "customers"})
    identity = document(earlier.identity_values(MODEL.scope), None)
    given = gathered(MODEL, [like(MODEL, identity, "like 3fa1"), typed(max_depth="4")])
    assert given.problems == []
    params = given.validated(MODEL)
    assert params == MODEL.parse({"learning_rate": 0.3, "dataset": "customers", "max_depth": 4})
    assert params.origin("training.learning_rate") == "like 3fa1"
    assert params.origin("training.max_depth") == "command line; overrides 3 of like 3fa1"
    assert params.origin("training.workers") == "default"


class Later(ParamGroup):
    learning_rate: float = Field(default=0.1)
    momentum: float = Field(default=0.9, json_schema_extra=added_later(0.0))


def test_like_keeps_what_a_later_field_had_in_effect() -> None:
    class Earlier(ParamGroup):
        learning_rate: float = 0.2

    earlier, later = ParamModel(training=Earlier), ParamModel(training=Later)
    identity = document(earlier.defaults.identity_values(["training"]), None)
    params = gathered(later, [like(later, identity, "like 3fa1")]).validated(later)
    assert params.values()["training"] == {"learning_rate": 0.2, "momentum": 0.0}
    assert document(params.identity_values(["training"]), None) == identity


def test_like_of_a_run_with_a_field_that_is_gone_is_refused() -> None:
    identity = {"params": {"training": {"learning_rate": 0.1, "epochs": 3}, "old": {"a": 1}}}
    model = ParamModel(training=Later)
    assert gathered(model, [like(model, identity, "like 3fa1")]).problems == [
        "like 3fa1: 'training.epochs' does not exist.",
        "like 3fa1: 'old' is no parameter group.",
    ]


# Tags


def test_origin_tags_keep_every_origin_and_are_short_enough_for_an_index() -> None:
    origins = {f"group.parameter_{n}": f"base.yaml; overrides {n} of like 3fa1" for n in range(200)}
    tags = origin_tags(origins)
    assert next(iter(tags)) == ORIGINS_TAG
    assert len(tags) > 1
    assert all(len(value) <= 2000 for value in tags.values())
    read: dict[str, str] = {}
    for value in tags.values():
        read.update(json.loads(value))
    assert read == origins
    assert origin_tags({}) == {}
