import posixpath
from datetime import date
from typing import Any, Literal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import Field

from ml_pipeline.addresses import credentials_in
from ml_pipeline.defs.config import DataParams, FeatureParams, TrainingParams
from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import PATH_LABEL
from ml_pipeline.params.model import ParamModel
from ml_pipeline.store.slots import Slot, as_of_label, as_of_on, asset_directory, slot_for

AS_OF = date(1998, 5, 31)
REFERENCE = ParamModel(data=DataParams, features=FeatureParams, training=TrainingParams)


class First(ParamGroup):
    label: str = Field(default="x", json_schema_extra=PATH_LABEL)
    depth: int = 1


class Second(ParamGroup):
    version: str = Field(default="v1", json_schema_extra=PATH_LABEL)
    level: Literal[1, "a/b"] = Field(default=1, json_schema_extra=PATH_LABEL)


FREE = ParamModel(first=First, second=Second)

HOSTILE = [
    "", ".", "..", "...", "../../x", "a/b", "/", "//", "\\", "é", "日本" * 50, "x" * 300, "%" * 300,
    "\n", "\r\n", "\0", "%2F", "%2E%2E", "a=b", "run=0", "~", " ", "#", "?", "*", "[a]", "{a}", ":",
    "CON", "none", "\u202e", "-rf",
]  # fmt: skip


def is_harmless(text: str) -> bool:
    """Whether a text can be a value: credentials in one are refused."""
    return credentials_in(text) is None


LABELS = st.text().filter(is_harmless).map(str.strip)
"""Blanks around a value are no part of it."""


def slot_of(model: ParamModel, values: dict[str, Any], as_of: date | None = AS_OF) -> Slot:
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        nested.setdefault(model.find(name).group, {})[name] = value
    return slot_for("model", model.validate(nested), tuple(model.scope), as_of)


def assert_stays_below(path: str, directory: str) -> None:
    assert path.startswith(f"{directory}/")
    assert posixpath.normpath(f"/root/{path}") == f"/root/{path}"
    assert path.isascii()
    assert path.isprintable()
    for component in path.split("/"):
        assert component not in ("", ".", "..")
        assert len(component.encode()) <= 255


@pytest.mark.parametrize(
    ("asset", "scope", "as_of", "path"),
    [
        ("orders", ("data",), AS_OF,
         "orders/dataset=orders/as_of=1998-05-31/run=8fdfaa51042eb353"),
        ("features", ("data", "features"), AS_OF,
         "features/dataset=orders/as_of=1998-05-31/run=3826fa82881b8c55"),
        ("model", ("data", "features", "training"), AS_OF,
         "model/dataset=orders/as_of=1998-05-31/model_version=v1/run=162ad1ceb5bd28a1"),
        ("model", ("data", "features", "training"), None,
         "model/dataset=orders/model_version=v1/run=742735c99a7acee2"),
        ("only", ("training",), AS_OF,
         "only/model_version=v1/as_of=1998-05-31/run=1fc856a6d5814294"),
    ],
)  # fmt: skip
def test_path_of_the_reference_defaults_stays_what_it_was(
    asset: str, scope: tuple[str, ...], as_of: date | None, path: str
) -> None:
    slot = slot_for(asset, REFERENCE.defaults, scope, as_of)
    assert slot.path == path
    assert slot.revision("abc") == f"{path}/rev=abc"
    assert slot.run_id == path[-16:]


def hostile(test: Any) -> Any:
    for value in HOSTILE:
        test = example(value)(test)
    return test


@hostile
@given(st.text().filter(is_harmless))
def test_label_value_never_leaves_the_directory_of_its_asset(value: str) -> None:
    assume(value.strip() or not value)
    for as_of in (AS_OF, None):
        slot = slot_of(FREE, {"label": value, "version": value}, as_of)
        assert_stays_below(slot.revision("0" * 16), "model")
        assert slot.path.count("/") == (5 if as_of else 4)
        assert slot.path.endswith(f"/run={slot.run_id}")


@given(LABELS, LABELS)
def test_different_label_values_never_share_a_path(one: str, other: str) -> None:
    assume(one != other)
    assert slot_of(FREE, {"label": one}).path != slot_of(FREE, {"label": other}).path


@given(st.text(min_size=250, max_size=400).filter(is_harmless))
def test_long_label_values_with_one_beginning_keep_apart_labels(value: str) -> None:
    one, other = slot_of(FREE, {"label": value + "1"}), slot_of(FREE, {"label": value + "2"})
    assert one.path.split("/")[1] != other.path.split("/")[1]


@given(st.integers(), st.integers())
def test_value_that_is_no_label_shows_in_the_run_id_alone(one: int, other: int) -> None:
    first, second = slot_of(FREE, {"depth": one}), slot_of(FREE, {"depth": other})
    assert (first.path == second.path) == (one == other)
    assert first.path.rpartition("/")[0] == second.path.rpartition("/")[0]


def test_label_with_a_slash_among_its_choices_stays_one_component() -> None:
    assert_stays_below(slot_of(FREE, {"level": "a/b"}).path, "model")
    assert "/level=a%2Fb/" in slot_of(FREE, {"level": "a/b"}).path


def test_lone_surrogate_is_refused_before_it_becomes_a_path() -> None:
    with pytest.raises(ParamsError) as caught:
        slot_of(FREE, {"label": "a\ud800"})
    assert caught.value.problems[0].startswith("first.label must be text")


@pytest.mark.parametrize("value", [*[v for v in HOSTILE if v not in ("CON", "none")], "\ud800"])
def test_model_version_of_the_reference_refuses_hostile_values(value: str) -> None:
    with pytest.raises(ParamsError) as caught:
        REFERENCE.parse({"model_version": value})
    (problem,) = caught.value.problems
    assert problem.startswith(
        "training.model_version must be text of 1 to 64 characters and matching"
        " ^[A-Za-z0-9][A-Za-z0-9._+-]*$, but got '"
    )


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", fullmatch=True))
def test_model_version_that_is_accepted_shows_in_the_path_unless_encoded(value: str) -> None:
    params = REFERENCE.validate({"training": {"model_version": value}})
    slot = slot_for("model", params, REFERENCE.scope, AS_OF)
    assert_stays_below(slot.path, "model")
    assert f"/model_version={value.replace('+', '%2B')}/" in slot.path


@hostile
@given(st.text(min_size=1))
def test_asset_name_never_leaves_the_root(name: str) -> None:
    assume(all(name.split("/")))  # Dagster refuses empty parts of a key
    directory = asset_directory(name)
    assert posixpath.normpath(f"/root/{directory}") == f"/root/{directory}"
    assert directory.count("/") == name.count("/")


def test_slashes_in_an_asset_name_are_levels() -> None:
    assert asset_directory("shop/orders") == "shop/orders"
    assert asset_directory("shop/../orders") == "shop/%2E%2E/orders"


@pytest.mark.parametrize(
    ("as_of", "label"),
    [
        (date(1998, 5, 31), "as_of=1998-05-31"),
        ("1998-05-31-07:00", "as_of=1998-05-31-07%3A00"),
        ("1998-05-31|oslo", "as_of=1998-05-31%7Coslo"),
        ("..", "as_of=%2E%2E"),
        ("a/../b\n", "as_of=a%2F..%2Fb%0A"),
        ("é ~%", "as_of=%C3%A9%20~%25"),
    ],
)
def test_label_of_a_key_is_one_level_that_tells_it(as_of: AsOf, label: str) -> None:
    assert as_of_label(as_of) == label
    assert as_of_on(label) == as_of


def test_label_of_a_long_key_is_short_and_tells_none() -> None:
    one, other = (as_of_label("x" * 300 + end) for end in "ab")
    assert one != other
    assert len(one) < 150
    assert as_of_on(one) is None
    assert as_of_on("run=1998") is None


@pytest.mark.parametrize(("key", "why"), [("", "nothing in it"), ("\udc80", "no encoding has")])
def test_key_that_cannot_be_part_of_a_path_is_refused(key: str, why: str) -> None:
    with pytest.raises(PipelineError, match=f"must be part of a path, but .* {why}"):
        slot_for("model", REFERENCE.defaults, ("data",), key)
