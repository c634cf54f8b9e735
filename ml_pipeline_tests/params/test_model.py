from collections.abc import Mapping
from typing import Any, ClassVar, Self

import pydantic
import pytest
from dagster import DagsterInvalidInvocationError
from pydantic import Field

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.marks import added_later
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline_tests.toys.params import (
    FOOTER,
    SCOPE,
    Color,
    Data,
    Features,
    Training,
    refusal,
)


@pytest.fixture
def model() -> ParamModel:
    return ParamModel(data=Data, features=Features, training=Training)


# Names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning_rte", "learning_rate"),
        ("training.learning_rte", "learning_rate"),
        ("data.learning_rate", "training.learning_rate"),
        ("trainig.learning_rate", "training.learning_rate"),
        ("trainig.learning_rte", "learning_rate"),
        ("lr", "learning_rate"),
        ("MD", "max_depth"),
    ],
)
def test_name_that_does_not_exist_is_refused_with_the_nearest(
    model: ParamModel, name: str, meant: str
) -> None:
    assert refusal(model, {name: 1}) == f"'{name}' does not exist. Did you mean '{meant}'?"


@pytest.mark.parametrize("name", ["zzz", "", "."])
def test_name_that_is_near_to_nothing_is_refused_without_a_guess(
    model: ParamModel, name: str
) -> None:
    assert refusal(model, {name: 1}) == f"'{name}' does not exist"


@pytest.mark.parametrize(
    ("nested", "message"),
    [
        ({"trainig": {}}, "'trainig' is no parameter group. Did you mean 'training'?"),
        ({"max_depth": 4}, "'max_depth' belongs in group 'training'"),
        (
            {"data": {"max_depth": 4}},
            "'data.max_depth' does not exist. It belongs in group 'training'",
        ),
        (
            {"training": {"max_deth": 4}},
            "'training.max_deth' does not exist. Did you mean 'max_depth'?",
        ),
        (
            {"training": {"datset": 4}},
            "'training.datset' does not exist. Did you mean 'dataset'?",
        ),
        ({"training": [4]}, "training must be a mapping of parameters, but got [4]"),
        ({"training": "fast"}, "training must be a mapping of parameters, but got 'fast'"),
        ({"training": {1: 2}}, "'training.1' does not exist"),
    ],
)
def test_nested_name_that_does_not_exist_is_refused_with_its_place(
    model: ParamModel, nested: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        model.validate(nested)
    assert str(caught.value) == message + FOOTER


def test_group_name_that_is_not_text_is_refused(model: ParamModel) -> None:
    with pytest.raises(ParamsError, match="is no parameter group"):
        model.validate({1: {"max_depth": 4}})  # as read from a YAML file


def test_field_named_self_is_refused(model: ParamModel) -> None:
    with pytest.raises(ParamsError, match=r"'training.self' does not exist"):
        model.validate({"training": {"self": 4}})


def test_plain_and_dotted_name_give_the_same_set(model: ParamModel) -> None:
    assert model.parse({"max_depth": "5"}) == model.parse({"training.max_depth": 5})
    assert model.parse({"max_depth": "5"}) == model.validate({"training": {"max_depth": 5}})


def test_plain_and_dotted_name_with_different_values_are_refused(model: ParamModel) -> None:
    with pytest.raises(ParamsError, match="max_depth"):
        model.parse({"max_depth": 5, "training.max_depth": 6})


# Groups and models


def test_group_cannot_be_changed(model: ParamModel) -> None:
    params = model.defaults
    with pytest.raises(DagsterInvalidInvocationError, match="does not support item assignment"):
        params.groups["training"].learning_rate = 0.5
    with pytest.raises(AttributeError):
        params.groups = {}
    assert params.values()["training"]["learning_rate"] == 0.1


def test_group_built_directly_checks_as_the_model_does() -> None:
    with pytest.raises(pydantic.ValidationError, match="less than or equal to 1"):
        Training(learning_rate=2)
    with pytest.raises(pydantic.ValidationError, match="True is not what the field takes"):
        Training(max_depth=True)
    with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
        Training(depth=1)  # type: ignore[call-arg]


def test_group_object_is_taken_as_its_values(model: ParamModel) -> None:
    given = model.validate({"training": Training(max_depth=5)})
    assert given == model.parse({"max_depth": 5})


def test_group_before_the_one_that_it_follows_is_refused() -> None:
    with pytest.raises(PipelineError) as caught:
        ParamModel(features=Features, data=Data)
    assert str(caught.value) == (
        "Parameter groups do not fit together:\n"
        "  group 'features' follows 'data', which is not before it"
    )


def test_group_with_the_name_of_the_run_options_is_refused() -> None:
    with pytest.raises(PipelineError) as caught:
        ParamModel(run=Data)
    assert str(caught.value) == (
        "Parameter groups do not fit together:\n"
        "  'run' is the name of the run's own options: choose another"
    )


def test_run_options_are_no_part_of_any_identity(model: ParamModel) -> None:
    forced = model.parse({"force": "true", "run.max_age_days": "0.5"})
    assert forced.options.force
    assert forced.options.max_age_days == 0.5
    assert "run" not in forced.values()
    assert forced.identity_values([*SCOPE, "run"])["run"] == {}
    assert forced.identity_values(SCOPE) == model.defaults.identity_values(SCOPE)
    assert refusal(model, {"max_age_days": -1}) == (
        "run.max_age_days must be number >= 0 and <= 36500 or none, but got -1"
    )


def group_with_text(name: str) -> type[ParamGroup]:
    namespace = {"__annotations__": {name: str}, name: "x", "__module__": __name__}
    return type("Group", (ParamGroup,), namespace)


@pytest.mark.parametrize(
    "name", ["password", "db_passwd", "api_key", "apikey", "auth_token", "client_secret",
             "credentials", "private_key", "accessToken", "password2", "passwords", "db_pass",
             "pass", "dsn", "connection_string", "bearer", "auth_key"]
)  # fmt: skip
def test_plain_text_field_that_looks_like_a_secret_is_refused(name: str) -> None:
    with pytest.raises(PipelineError) as caught:
        ParamModel(login=group_with_text(name))
    assert str(caught.value) == (
        "Parameter groups do not fit together:\n"
        f"  'login.{name}' looks like a secret, and parameters are recorded: declare it a"
        f" SecretRef, or take the name of an environment variable instead, as '{name}_env'"
    )


@pytest.mark.parametrize("name", ["password_env", "api_key_ref", "secret_name", "key_column"])
def test_reference_to_a_secret_is_accepted(name: str) -> None:
    assert ParamModel(login=group_with_text(name)).find(name).name == name


@pytest.mark.parametrize(
    "name", ["tokenizer", "low_pass", "primary_key", "sort_keys", "passes", "method", "secretary"]
)
def test_name_that_only_resembles_a_secret_is_accepted(name: str) -> None:
    assert ParamModel(text=group_with_text(name)).find(name).name == name


def test_number_with_a_secret_looking_name_is_accepted() -> None:
    class Text(ParamGroup):
        max_tokens: int = 100

    assert ParamModel(text=Text).find("max_tokens").group == "text"


# Dependent defaults


@pytest.mark.parametrize(("dataset", "natural"), [("orders", 1), ("customers", 30)])
def test_dependent_default_equals_the_same_value_typed(
    model: ParamModel, dataset: str, natural: int
) -> None:
    filled = model.parse({"dataset": dataset})
    typed = model.parse({"dataset": dataset, "horizon_days": str(natural)})
    assert filled == typed
    assert filled.values()["features"]["horizon_days"] == natural
    assert run_id(filled.identity_values(SCOPE), None) == run_id(typed.identity_values(SCOPE), None)


def test_dependent_default_typed_otherwise_is_kept(model: ParamModel) -> None:
    assert model.parse({"horizon_days": 7}).values()["features"]["horizon_days"] == 7


def test_dependent_default_sees_only_the_groups_that_it_follows() -> None:
    class Curious(ParamGroup):
        follows = ("data",)
        seen: tuple[str, ...] = ()

        def resolved(self, others: Mapping[str, ParamGroup]) -> Self:
            return self.model_copy(update={"seen": tuple(others)})

    model = ParamModel(data=Data, training=Training, curious=Curious)
    assert model.defaults.values()["curious"]["seen"] == ["data"]


def test_dependent_default_may_follow_a_resolved_one() -> None:
    class Windows(ParamGroup):
        follows = ("features",)
        window: int | None = None

        def resolved(self, others: Mapping[str, ParamGroup]) -> Self:
            return self.model_copy(update={"window": others["features"].horizon_days * 2})

    model = ParamModel(data=Data, features=Features, windows=Windows)
    assert model.parse({"dataset": "customers"}).values()["windows"]["window"] == 60


# Marks


def test_not_identity_field_changes_values_but_no_id(model: ParamModel) -> None:
    one, eight = model.defaults, model.parse({"workers": 8})
    assert eight.values()["training"]["workers"] == 8
    assert "workers" not in eight.identity_values(SCOPE)["training"]
    assert one.identity_values(SCOPE) == eight.identity_values(SCOPE)


def test_field_added_later_with_the_old_value_keeps_the_old_id() -> None:
    class Before(ParamGroup):
        depth: int = 3

    class After(ParamGroup):
        depth: int = 3
        momentum: float = Field(default=0.9, json_schema_extra=added_later(0.0))

    def id_of(cls: type[ParamGroup], **values: Any) -> str:
        params = ParamModel(training=cls).parse(values)
        return run_id(params.identity_values(["training"]), None)

    assert id_of(After, momentum=0) == id_of(Before)
    assert id_of(After, momentum="0.0", depth=5) == id_of(Before, depth=5)
    assert id_of(After) != id_of(Before)
    assert id_of(After, momentum=0.5) != id_of(After)


def test_enum_field_added_later_with_the_old_value_keeps_the_old_id() -> None:
    class Painted(ParamGroup):
        color: Color = Field(default=Color.BLUE, json_schema_extra=added_later(Color.RED))

    assert ParamModel(g=Painted).parse({"color": "red"}).identity_values(["g"]) == {"g": {}}


def test_path_labels_come_in_order_of_the_model(model: ParamModel) -> None:
    params = model.parse({"model_version": "v2"})
    assert list(params.labels(SCOPE)) == [
        ("data", "dataset", "orders"),
        ("training", "model_version", "v2"),
    ]
    assert list(params.labels(["features"])) == []


# What is kept


def test_set_without_values_holds_every_default(model: ParamModel) -> None:
    assert model.defaults.values() == {
        "data": {"dataset": "orders", "source": "sample", "first_day": "1997-01-01"},
        "features": {"lookback_days": 28, "horizon_days": 1},
        "training": {
            "learning_rate": 0.1,
            "max_depth": 3,
            "regularization": 1.0,
            "shuffle": False,
            "color": "red",
            "weights": [1.0],
            "limits": {},
            "note": None,
            "model_version": "v1",
            "workers": 1,
        },
    }
    assert list(model.defaults.values(["training", "data"])) == ["data", "training"]


def test_null_group_holds_its_defaults(model: ParamModel) -> None:
    assert model.validate({"training": None}) == model.defaults


def test_origin_is_kept_for_what_was_given_and_never_changes_the_set(model: ParamModel) -> None:
    params = model.parse({"max_depth": 4}, origin="command line")
    assert params.origin("training.max_depth") == "command line"
    assert params.origin("training.learning_rate") == "default"
    assert params == model.parse({"max_depth": 4}, origin="file")


def test_constants_of_a_class_are_no_parameters() -> None:
    class Group(ParamGroup):
        NATURAL: ClassVar[int] = 3
        depth: int = NATURAL

    assert [p.dotted for p in ParamModel(g=Group).parameters("g")] == ["g.depth"]


def test_parameters_describe_themselves_for_people(model: ParamModel) -> None:
    described = {p.name: (p.must_be, p.default) for p in model.parameters("training")}
    assert described == {
        "learning_rate": ("number > 0 and <= 1", 0.1),
        "max_depth": ("integer >= 1 and <= 32", 3),
        "regularization": ("number >= 0 and < 10", 1.0),
        "shuffle": ("true or false", False),
        "color": ("one of red, blue", "red"),
        "weights": ("list", [1.0]),
        "limits": ("mapping", {}),
        "note": ("text or none", None),
        "model_version": ("text matching ^[a-z0-9.]+$", "v1"),
        "workers": ("integer >= 1", 1),
    }


def test_values_read_back_give_the_same_set(model: ParamModel) -> None:
    params: ParamSet = model.parse(
        {"dataset": "customers", "learning_rate": "1e-3", "color": "blue", "weights": "[0.5]"}
    )
    assert model.validate(params.values()) == params


def test_field_called_environment_keeps_its_plain_name_beside_the_runs_own() -> None:
    class Where(ParamGroup):
        """Where it is."""

        environment: str = "lab"

    model = ParamModel(where=Where)
    given = model.parse({"environment": "field"})
    assert given.values()["where"] == {"environment": "field"}
    assert model.find("environment").dotted == "where.environment"
    assert model.find("run.environment").told == "run.environment"
    assert [p.told for p in model.parameters("where")] == ["environment"]
