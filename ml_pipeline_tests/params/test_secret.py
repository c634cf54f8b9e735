"""Secrets by reference: what is one, how it is had, and that nothing shows it."""

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
from pydantic import Field

from ml_pipeline import SecretError, SecretRef, SecretScheme, register_secrets
from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params import secret as module
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.layers import Layer, gathered
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.secret import secrets_hidden, without_secrets
from ml_pipeline.store.slots import slot_for

SECRET = "hunter2-Pa55Word"


class Shop(ParamGroup):
    """How the shop is asked."""

    token: SecretRef = Field(SecretRef("env:SHOP_TOKEN"), description="lets in")
    others: list[SecretRef] = Field([], description="let in elsewhere")
    certificate: SecretRef | None = Field(None, description="lets in, too")
    pages: int = Field(1, description="how many")


MODEL = ParamModel(shop=Shop)


def id_of(params: ParamSet) -> str:
    return slot_for("orders", params, params.model.scope, None).run_id


@pytest.fixture(autouse=True)
def nothing_used() -> Iterator[None]:
    """Leave no scheme and no used secret to other tests."""
    schemes = dict(module._schemes)
    yield
    module._used.clear()
    module._schemes.clear()
    module._schemes.update(schemes)


def test_reference_is_a_value_like_any_other_and_no_part_of_identity() -> None:
    given = MODEL.parse({"token": " env:OTHER ", "others": "[file:/run/a, 'env:B']"})
    shop: Any = given.groups["shop"]
    assert (str(shop.token), repr(shop.token)) == ("env:OTHER", "SecretRef('env:OTHER')")
    assert shop.others == [SecretRef("file:/run/a"), SecretRef("env:B")]
    assert given.values()["shop"]["others"] == ["file:/run/a", "env:B"]
    assert json.dumps(given.values())
    assert id_of(given) == id_of(MODEL.defaults)
    assert id_of(given) != id_of(MODEL.parse({"pages": 2}))
    assert MODEL.validate(given.values()) == given
    assert pickle.loads(pickle.dumps(shop.token)) == shop.token
    assert Shop.model_json_schema()["properties"]["token"]["format"] == "secret-reference"


def test_reference_that_changes_results_can_be_part_of_identity() -> None:
    class Counted(ParamGroup):
        """Another model behind each key."""

        key: SecretRef = Field(SecretRef("env:A"), json_schema_extra={"identity": True})

    model = ParamModel(counted=Counted)
    assert id_of(model.parse({"key": "env:B"})) != id_of(model.defaults)


def test_reference_beside_other_values_leaves_them_in_identity() -> None:
    class Place(pydantic.BaseModel):
        """Where something is."""

        key: SecretRef
        depth: int

    class Places(ParamGroup):
        """Where all is."""

        places: list[Place] = Field([])

    model = ParamModel(places=Places)
    shallow, deep = (
        model.parse({"places": [{"key": "env:A", "depth": depth}]}) for depth in (1, 2)
    )
    assert id_of(shallow) != id_of(deep)
    with pytest.raises(ParamsError) as caught:
        model.parse({"places": [{"key": SECRET, "depth": 1}]})
    assert SECRET not in str(caught.value)


def test_secret_is_read_where_it_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reference = SecretRef("env:SHOP_TOKEN")
    with pytest.raises(SecretError, match="variable SHOP_TOKEN is not set"):
        reference.get()
    monkeypatch.setenv("SHOP_TOKEN", "")
    with pytest.raises(SecretError, match="variable SHOP_TOKEN is empty"):
        reference.get()
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    assert reference.get() == SECRET
    file = tmp_path / "mounted"
    with pytest.raises(SecretError, match="cannot be read: No such file"):
        SecretRef(f"file:{file}").get()
    file.write_text(f"{SECRET}\n")
    assert SecretRef(f"file:{file}").get() == SECRET
    file.write_bytes(b"\xff")
    with pytest.raises(SecretError, match="it is no text"):
        SecretRef(f"file:{file}").get()
    file.write_text("\n")
    with pytest.raises(SecretError, match="the file is empty"):
        SecretRef(f"file:{file}").get()


@pytest.mark.parametrize(
    "literal",
    [SECRET, f"vault:{SECRET}", f"env:{SECRET}", f"file:{SECRET}", "env:", "file:", "", 7, True],
)
@pytest.mark.parametrize("field", ["token", "others", "certificate"])
def test_what_is_no_reference_is_refused_by_every_door_and_not_shown(
    field: str, literal: Any
) -> None:
    if field == "certificate" and literal == "":
        pytest.skip("no certificate")
    value = [literal] if field == "others" else literal
    doors: list[Any] = [
        lambda: MODEL.validate({"shop": {field: value}}),
        lambda: gathered(MODEL, [Layer("base.yaml", {field: value})]).validated(MODEL),
        lambda: Shop(**{field: value}),
    ]
    if isinstance(literal, str):
        doors.append(lambda: MODEL.parse({field: json.dumps(value)}))
    for door in doors:
        with pytest.raises((ParamsError, pydantic.ValidationError)) as caught:
            door()
        assert "not shown" in str(caught.value)
        assert SECRET not in f"{caught.value} {caught.value!r}"


def test_literal_that_was_overridden_is_not_in_the_origin() -> None:
    layers = [Layer("base.yaml", {"token": SECRET}), Layer("command line", {"token": "env:A"})]
    given = gathered(MODEL, layers).validated(MODEL)
    assert given.origins["shop.token"].endswith("(not shown) of base.yaml")
    assert SECRET not in str(given.origins)


def test_field_that_would_hold_a_secret_is_refused_when_a_model_is_made() -> None:
    class Plain(ParamGroup):
        """Nothing of it may stay."""

        password: str = ""
        word: pydantic.SecretStr = pydantic.SecretStr("")
        data: list[pydantic.SecretBytes] = Field([])
        token: SecretRef = Field(SECRET)

    with pytest.raises(PipelineError) as caught:
        ParamModel(plain=Plain)
    told = str(caught.value)
    assert "'plain.password' looks like a secret" in told
    assert told.count("declare it a SecretRef, which says where the secret is kept") == 2
    assert "'plain.token' must be secret reference" in told
    assert SECRET not in told


class Vault(SecretScheme):
    """A team's own store."""

    name = "vault"

    def accepts(self, place: str) -> bool:
        return place.startswith("team/")

    def get(self, place: str) -> str:
        return f"{SECRET} of {place}"


def test_own_scheme_is_one_small_class() -> None:
    register_secrets(Vault())
    register_secrets(Vault())
    given = MODEL.parse({"token": "vault:team/shop"})
    assert given.groups["shop"].token.get() == f"{SECRET} of team/shop"
    with pytest.raises(ParamsError) as caught:
        MODEL.parse({"token": f"vault:{SECRET}"})
    assert SECRET not in str(caught.value)
    assert "vault:..." in module.forms()


def test_scheme_without_a_name_of_its_own_is_refused() -> None:
    class Other(SecretScheme):
        name = "env"

        def get(self, place: str) -> str:
            return place

    with pytest.raises(PipelineError, match="'env' is that of _Variable"):
        register_secrets(Other())
    Other.name = "Not a name"
    with pytest.raises(PipelineError, match="has 'Not a name'"):
        register_secrets(Other())


def test_error_that_would_show_a_used_secret_is_raised_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    used = SecretRef("env:SHOP_TOKEN").get()

    def fail() -> None:
        try:
            raise ValueError(f"https://shop/?token={used}")
        except ValueError as error:
            raise RuntimeError("no answer") from error

    with pytest.raises(PipelineError) as caught, secrets_hidden():
        fail()
    assert str(caught.value) == "RuntimeError: no answer"
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    with pytest.raises(RuntimeError, match="of another kind"), secrets_hidden():
        raise RuntimeError("of another kind")
    assert without_secrets(f"<{used}>") == "<***>"


@pytest.mark.parametrize(
    "value",
    [
        f"https://ann:{SECRET}@shop/orders",
        f"see https://shop/orders?X-Amz-Signature={SECRET}",
        [f"https://shop/?token={SECRET}"],
    ],
)
def test_address_with_credentials_is_refused_in_any_field_and_not_shown(value: Any) -> None:
    class Places(ParamGroup):
        """Where all is."""

        place: str | list[str] = "https://shop/orders"

    model = ParamModel(places=Places)
    for door in (
        lambda: model.validate({"places": {"place": value}}),
        lambda: Places(place=value),
    ):
        with pytest.raises((ParamsError, pydantic.ValidationError)) as caught:
            door()
        assert "must not carry credentials" in str(caught.value)
        assert SECRET not in f"{caught.value} {caught.value!r}"
    assert model.parse({"place": "https://shop/a?page=1"})
