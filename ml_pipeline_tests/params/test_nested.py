"""Fields that hold fields: named, typed, read from files, identified and refused like any other."""

import datetime
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import dagster as dg
import pydantic
import pytest
from pydantic import Field

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.layers import Layer, gathered
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL, added_later
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.secret import SecretRef
from ml_pipeline.params.template import template


class Leaf(pydantic.BaseModel):
    size: int = Field(default=20, ge=1, description="rows in a leaf")
    share: float = 0.5


class Tree(dg.Config):
    """How trees grow."""

    depth: int = Field(default=3, ge=1, le=8)
    mode: Literal[1, 2, 3] = 1
    leaf: Leaf = Leaf()
    threads: int = Field(default=1, json_schema_extra=NOT_IDENTITY)

    @pydantic.field_validator("mode")
    @classmethod
    def _is_odd(cls, mode: int) -> int:
        if mode == 2:
            raise AssertionError("must be odd")
        return mode

    @pydantic.model_validator(mode="after")
    def _fits(self) -> "Tree":
        if self.depth > 5 and self.leaf.size < 10:
            raise ValueError("deep trees need leaves of 10")
        return self


class Training(ParamGroup):
    rate: float = 0.1
    tree: Tree = Tree(depth=4)


MODEL = ParamModel(training=Training)


def id_of(params: ParamSet) -> str:
    return run_id(params.identity_values(params.model.scope), None)


def problems(model: ParamModel, values: Mapping[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ParamsError) as caught:
        model.parse(values)
    return caught.value.problems


def in_file(model: ParamModel, text: str, name: str) -> ParamSet:
    layer = Layer(name, read_document(text.encode(), name))
    return gathered(model, [layer]).validated(model)


def test_nested_fields_are_parameters_with_defaults_of_what_they_stand_in() -> None:
    assert {p.name: p.default for p in MODEL.parameters("training")} == {
        "rate": 0.1,
        "tree.depth": 4,
        "tree.mode": 1,
        "tree.leaf.size": 20,
        "tree.leaf.share": 0.5,
        "tree.threads": 1,
    }
    assert MODEL.find("tree.depth") is MODEL.find("training.tree.depth")
    assert MODEL.find("tree.depth").must_be == "integer >= 1 and <= 8"


def test_nested_value_is_one_value_and_id_by_every_door() -> None:
    expected = {"depth": 5, "mode": 3, "leaf": {"size": 30, "share": 0.5}, "threads": 1}
    forms: list[dict[str, Any]] = [
        {"tree.depth": "5", "tree.mode": "3", "tree.leaf.size": "30"},
        {"training.tree.depth": 5, "tree": '{"mode": 3, "leaf": {"size": 30.0}}'},
        {"training.tree": {"depth": "5", "mode": 3.0}, "tree.leaf": "{size: 30}"},
        {"training": {"tree": Tree(depth=5, mode=3, leaf=Leaf(size=30))}},
        {"training": Training(tree=Tree(depth=5, mode=3, leaf=Leaf(size=30)))},
    ]
    found = [MODEL.parse(form) for form in forms]
    nested = {"training": {"tree": {"depth": 5, "mode": 3, "leaf": {"size": 30}}}}
    found.append(MODEL.validate(nested))
    toml = "[training.tree]\ndepth = 5\nmode = 3\n[training.tree.leaf]\nsize = 30\n"
    found.append(in_file(MODEL, toml, "a.toml"))
    found.append(in_file(MODEL, "tree.depth: 5\ntree: {mode: 3, leaf: {size: 30}}\n", "a.yaml"))
    assert [params.values()["training"]["tree"] for params in found] == [expected] * len(found)
    assert len({id_of(params) for params in found}) == 1
    made = found[0].groups["training"]
    assert isinstance(made, Training)
    assert isinstance(made.tree, Tree)
    assert isinstance(made.tree.leaf, Leaf)
    assert id_of(MODEL.parse({"tree.threads": 9})) == id_of(MODEL.defaults)


def test_layers_lie_over_each_other_field_by_field_with_an_origin_each() -> None:
    layers = [
        Layer("base.yaml", {"training": {"tree": {"depth": 5, "mode": 3}}}),
        Layer("command line", {"tree.depth": "6"}, is_typed=True),
    ]
    params = gathered(MODEL, layers).validated(MODEL)
    assert params.values()["training"]["tree"]["depth"] == 6
    assert params.origins == {
        "training.tree.depth": "command line; overrides 5 of base.yaml",
        "training.tree.mode": "base.yaml",
    }


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"tree.dept": 5}, "'tree.dept' does not exist. Did you mean 'tree.depth'?"),
        ({"depth": 5}, "'depth' does not exist. Did you mean 'tree.depth'?"),
        (
            {"training": {"tree": {"dept": 5}}},
            "'training.tree.dept' does not exist. Did you mean 'tree.depth'?",
        ),
        ({"tree": '{"dept": 5}'},
         "'training.tree.dept' does not exist. Did you mean 'tree.depth'?"),
        ({"trainig.tree.depth": 5},
         "'trainig.tree.depth' does not exist. Did you mean 'training.tree.depth'?"),
        ({"tree": 5}, "training.tree must be a mapping of depth, mode, leaf, threads, but got 5"),
        ({"tree.depth": 9}, "training.tree.depth must be integer >= 1 and <= 8, but got 9"),
        ({"tree.depth": "x"}, "training.tree.depth must be integer >= 1 and <= 8, but got 'x'"),
        ({"tree.leaf.size": 0}, "training.tree.leaf.size must be integer >= 1, but got 0"),
        ({"tree.mode": 2}, "training.tree.mode must be odd (got 2)"),
        ({"tree.mode": 4}, "training.tree.mode must be one of 1, 2, 3, but got 4"),
        ({"tree.depth": 6, "tree.leaf.size": 3}, "training.tree: deep trees need leaves of 10"),
        ({"tree.depth": 6, "tree": {"depth": 7}},
         "training.tree.depth is set twice: give it one value"),
    ],
)  # fmt: skip
def test_nested_value_that_is_wrong_is_refused_by_its_full_name(
    values: dict[str, Any], told: str
) -> None:
    assert problems(MODEL, values) == (told.rstrip("."),)


def test_nested_problems_are_told_all_at_once() -> None:
    assert len(problems(MODEL, {"tree.depth": 9, "tree.leaf.size": 0, "rate": "x"})) == 3


@pytest.mark.parametrize("language", ["yaml", "toml", "json"])
def test_template_of_nested_fields_reads_back_to_the_defaults(language: Any) -> None:
    assert in_file(MODEL, template(MODEL, language), f"a.{language}") == MODEL.defaults


# Values that are one of several classes, or several


class Forest(dg.Config):
    kind: Literal["forest"] = "forest"
    depth: int = Field(default=3, ge=1, le=8)
    since: datetime.timedelta = datetime.timedelta(days=1)


class Linear(ParamGroup):
    kind: Literal["linear"] = "linear"
    penalty: float = 1


class Choice(ParamGroup):
    estimator: Forest | Linear = Field(default=Linear(), discriminator="kind")
    tree: Leaf | None = None
    trees: list[Leaf] = Field(default=[])


CHOICE = ParamModel(choice=Choice)


@pytest.mark.parametrize(
    ("values", "field", "value"),
    [
        ({"estimator": '{"kind": "forest", "depth": "5"}'}, "estimator",
         {"kind": "forest", "depth": 5, "since": "P1D"}),
        ({"estimator": "{kind: forest, since: 86400}"}, "estimator",
         {"kind": "forest", "depth": 3, "since": "P1D"}),
        ({"estimator": {"kind": "linear", "penalty": "2"}}, "estimator",
         {"kind": "linear", "penalty": 2.0}),
        ({"estimator": Forest(depth=4)}, "estimator",
         {"kind": "forest", "depth": 4, "since": "P1D"}),
        ({}, "estimator", {"kind": "linear", "penalty": 1.0}),
        ({"estimator.penalty": "2"}, "estimator", {"kind": "linear", "penalty": 2.0}),
        ({"estimator.kind": "forest", "choice.estimator.depth": "4"}, "estimator",
         {"kind": "forest", "depth": 4, "since": "P1D"}),
        ({"tree.size": "7"}, "tree", {"size": 7, "share": 0.5}),
        ({"tree": '{"size": 7}'}, "tree", {"size": 7, "share": 0.5}),
        ({"tree": "none"}, "tree", None),
        ({"trees": '[{"size": 7}, {}]'}, "trees",
         [{"size": 7, "share": 0.5}, {"size": 20, "share": 0.5}]),
    ],
)  # fmt: skip
def test_value_of_a_class_is_whole_and_read_again_as_itself(
    values: dict[str, Any], field: str, value: Any
) -> None:
    params = CHOICE.parse(values)
    assert params.values()["choice"][field] == value
    again = CHOICE.validate(params.values())
    assert again.values() == params.values()
    assert id_of(again) == id_of(params)
    assert isinstance(params.groups["choice"], Choice)
    assert isinstance(params.groups["choice"].estimator, Forest | Linear)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"estimator": {"kind": "forest", "depth": 9}},
         "choice.estimator.depth must be integer >= 1 and <= 8, but got 9"),
        ({"estimator": {"kind": "forest", "depth": "x"}},
         "choice.estimator.depth must be integer >= 1 and <= 8, but got 'x'"),
        ({"estimator": {"kind": "forest", "dept": 3}},
         "'choice.estimator.dept' does not exist. Did you mean 'depth'?"),
        ({"estimator": {"depth": 3}},
         "choice.estimator.kind must be one of forest, linear, but got None"),
        ({"estimator": {"kind": "tree"}},
         "choice.estimator.kind must be one of forest, linear, but got 'tree'"),
        ({"trees": [{"size": 0}]}, "choice.trees[0].size must be integer >= 1, but got 0"),
        ({"estimator.depth": 3},
         "'choice.estimator.depth' is a field of kind forest, but kind is linear"),
        ({"estimator.dept": 3}, "'estimator.dept' does not exist. Did you mean 'estimator.depth'?"),
        ({"estimator.penalty": 3, "estimator": {"kind": "linear"}},
         "choice.estimator is set twice: give it one value"),
        ({"estimator.penalty": 3, "choice.estimator.penalty": 4},
         "choice.estimator is set twice: give it one value"),
    ],
)  # fmt: skip
def test_value_of_a_class_that_is_wrong_is_refused_naming_the_inner_field(
    values: dict[str, Any], told: str
) -> None:
    assert problems(CHOICE, values) == (told,)


def test_ids_of_nested_values_stay_what_they_were() -> None:
    # As in test_identity: ids of runs that exist somewhere.
    chosen = {"estimator": {"kind": "forest"}, "trees": [{}]}
    ids = [MODEL.defaults, CHOICE.defaults, CHOICE.parse(chosen), ParamModel(group=Holder).defaults]
    assert [id_of(params) for params in ids] == [
        "cff756d70d09891e",
        "9e653474989aee22",
        "309aee38cc0abfe9",
        "98d4941806732377",
    ]


def test_fields_of_a_value_lie_over_the_layer_below() -> None:
    layers = [
        Layer("base.yaml", {"choice": {"estimator": {"kind": "forest", "depth": 5}}}),
        Layer("command line", {"estimator.since": "PT1H"}, is_typed=True),
    ]
    params = gathered(CHOICE, layers).validated(CHOICE)
    found = params.values()["choice"]["estimator"]
    assert found == {"kind": "forest", "depth": 5, "since": "PT1H"}
    layers[1] = Layer("command line", {"estimator.kind": "linear"}, is_typed=True)
    params = gathered(CHOICE, layers).validated(CHOICE)
    assert params.values()["choice"]["estimator"] == {"kind": "linear", "penalty": 1.0}


# Definitions that are refused


class Blob(pydantic.BaseModel):
    data: bytes = b""


class Endless(pydantic.BaseModel):
    more: "list[Endless]" = []


class Login(pydantic.BaseModel):
    password: str = "x"


class Vault(pydantic.BaseModel):
    token: SecretRef = SecretRef("env:TOKEN")


class Marked(pydantic.BaseModel):
    size: int = Field(default=1, json_schema_extra=NOT_IDENTITY)


class Follower(ParamGroup):
    follows = ("other",)

    size: int = 1


@pytest.mark.parametrize(
    ("annotation", "default", "told"),
    [
        (Blob, Blob(), "'group.field.data' cannot be a parameter: a bytes has no form"),
        (list[Blob], [], "'group.field' cannot be a parameter: 'data' of Blob: a bytes has no"),
        (Endless, Endless(), "'more' of Endless: Endless holds itself"),
        (Login, Login(), "'group.field.password' looks like a secret"),
        (Login | None, None, "'group.field.password' looks like a secret"),
        (Marked | None, None, "'group.field.size' is part of a value, so it has no marks"),
        (Leaf | Login, ..., "Leaf and Login cannot be told apart: give each a field of one name"),
        (Leaf | dict[str, int], ..., "classes and mappings cannot be told apart"),
        (Leaf, {"size": 1}, "'group.field' must be Leaf, but its default is a dict"),
        (Follower, Follower(), "'group.field' is of Follower, which is resolved by other groups"),
        (Leaf, Field(default=Leaf(), json_schema_extra=PATH_LABEL), "it is no path label"),
        (Leaf, Field(default=Leaf(), json_schema_extra=added_later({"size": 20})),
         "which must have a value for each of size, share"),
    ],
)  # fmt: skip
def test_class_that_cannot_be_a_field_is_refused_naming_it(
    annotation: Any, default: Any, told: str
) -> None:
    fields: dict[str, Any] = {"field": (annotation, default)}
    group = pydantic.create_model("Group", __base__=ParamGroup, **fields)
    with pytest.raises(PipelineError) as caught:
        ParamModel(group=group)
    assert told in str(caught.value)


def test_secrets_are_referred_to_in_nested_fields_and_never_shown() -> None:
    class Holding(ParamGroup):
        vault: Vault = Vault()

    model = ParamModel(group=Holding)
    other = model.parse({"vault.token": "env:OTHER"})
    assert other.values() == {"group": {"vault": {"token": "env:OTHER"}}}
    assert id_of(other) == id_of(model.defaults)
    for values in ({"vault.token": "hunter2"}, {"vault": "hunter2"}, {"vault": "{token: hunter2}"}):
        assert "hunter2" not in str(problems(model, values))


def test_section_added_later_keeps_the_ids_of_runs_without_it() -> None:
    class Before(ParamGroup):
        rate: float = 0.1

    class After(Before):
        leaf: Leaf = Field(
            default=Leaf(size=30), json_schema_extra=added_later({"size": 20, "share": 0.5})
        )

    after = ParamModel(training=After)
    was = id_of(ParamModel(training=Before).defaults)
    assert id_of(after.parse({"leaf.size": 20})) == was
    assert id_of(after.defaults) != was


# Names


class Body(ParamGroup):
    rate: float = 0.1
    depth: int = Field(default=3, json_schema_extra=PATH_LABEL)


class Head(ParamGroup):
    rate: float = 0.2
    lambda_: float = Field(default=0.5, alias="lambda")
    size: int = Field(default=1, validation_alias=pydantic.AliasChoices("width", "w"))


BOTH = ParamModel(body=Body, head=Head)


def test_name_that_groups_share_is_written_with_its_group() -> None:
    assert problems(BOTH, {"rate": 1, "body.depth": 4}) == (
        "'rate' is in the groups 'body' and 'head': write body.rate or head.rate",
    )
    assert BOTH.parse({"head.rate": 1}) == BOTH.validate({"head": {"rate": 1.0}})
    assert [p.told for p in BOTH.parameters("body")] == ["body.rate", "depth"]
    assert problems(BOTH, {"rat": 1}) == (
        "'rat' does not exist. Did you mean 'body.rate' or 'head.rate'?",
    )


def test_two_path_labels_of_one_name_are_refused() -> None:
    class Other(ParamGroup):
        depth: int = Field(default=3, json_schema_extra=PATH_LABEL)

    with pytest.raises(PipelineError, match="would both show in paths as 'depth'"):
        ParamModel(body=Body, other=Other)


@pytest.mark.parametrize("name", ["lambda", "lambda_", "head.lambda", "head.lambda_"])
def test_alias_is_typed_like_the_name_and_identity_knows_the_name(name: str) -> None:
    params = BOTH.parse({name: "0.7", "w": 2})
    assert params.values()["head"] == {"rate": 0.2, "lambda_": 0.7, "size": 2}
    assert params == BOTH.validate({"head": {"lambda": 0.7, "width": 2}})
    assert problems(BOTH, {"lambda": 1, "lambda_": 2}) == (
        "head.lambda_ is set twice: give it one value",
    )


def test_name_that_is_an_alias_elsewhere_is_written_with_its_group() -> None:
    class Wide(ParamGroup):
        w: int = 1

    model = ParamModel(wide=Wide, head=Head)
    assert [p.told for p in model.parameters("wide")] == ["wide.w"]
    assert problems(model, {"w": 1}) == (
        "'w' is in the groups 'wide' and 'head': write wide.w or head.size",
    )


# Types that are written as text, in nested fields and out of them


class Written(ParamGroup):
    path: Path = Path("a/b")
    share: Decimal = Decimal("0.10")
    wait: datetime.timedelta = datetime.timedelta(hours=1)
    run: UUID = UUID(int=1)
    some: set[int] = Field(default={2, 1})
    pair: tuple[int, str] = (1, "x")
    mode: Literal[1, 2, 3] = 2
    made: list[int] = Field(default_factory=lambda: [1, 2])


class Holder(ParamGroup):
    inner: Written = Written()


def test_written_types_have_one_id_by_every_door() -> None:
    forms = {
        "path": ["c//d", "c/./d"], "share": [0.5, "0.50", "5e-1"],
        "wait": ["PT2H", 7200, "02:00:00"],
        "run": [str(UUID(int=2)), str(UUID(int=2)).upper()], "some": [[3, 1, 1], "[1, 3]"],
        "pair": [[2, "y"], "[2, y]"], "mode": [3, "3", 3.0], "made": [[3], "[3]", [3.0]],
    }  # fmt: skip
    flat, nested = ParamModel(group=Written), ParamModel(group=Holder)
    for name, raws in forms.items():
        assert len({id_of(flat.parse({name: raw})) for raw in raws}) == 1
        assert len({id_of(nested.parse({f"inner.{name}": raw})) for raw in raws}) == 1
        assert id_of(flat.parse({name: raws[0]})) != id_of(flat.defaults)
        typed = flat.parse({name: raws[0]}).values()["group"][name]
        inner = nested.parse({f"inner.{name}": raws[0]}).values()["group"]["inner"][name]
        assert typed == inner
