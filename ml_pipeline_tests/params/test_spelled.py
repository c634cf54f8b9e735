"""Types that have no form of their own in JSON are one value by every door."""

import enum
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.template import template
from ml_pipeline.sweeps.request import SweepRequest


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Typed(ParamGroup):
    """One field of each type."""

    folder: Path = Field(default=Path("data"), description="where")
    price: Decimal = Field(default=Decimal("0.10"), ge=0, description="how much")
    every: timedelta = Field(default=timedelta(days=1), description="how often")
    owner: UUID = UUID("00000000-0000-0000-0000-00000000000a")
    days: set[int] = Field(default={3, 1}, max_length=3)
    colours: frozenset[Colour] = frozenset({Colour.RED})
    ends: set[str | None] = Field(default_factory=set)
    backup: Path | None = None
    steps: list[Decimal] = Field(default_factory=lambda: [Decimal(1)])


MODEL = ParamModel(typed=Typed)


def id_of(params: ParamSet) -> str:
    return run_id(params.identity_values(["typed"]), None)


CASES: Mapping[str, list[Any]] = {
    "folder": ["raw/a.csv", "raw/./a.csv", "raw//a.csv", " raw/a.csv ", Path("raw/a.csv")],
    "price": ["2.5", "2.50", 2.5, "25e-1", Decimal("2.500")],
    "every": ["P1DT2H", "PT26H", "93600", 93600, 93600.0, "1 days, 02:00:00", timedelta(hours=26)],
    "owner": [
        "0f0e0d0c-0b0a-0908-0706-050403020100",
        "0F0E0D0C-0B0A-0908-0706-050403020100",
        "0f0e0d0c0b0a09080706050403020100",
        UUID("0f0e0d0c-0b0a-0908-0706-050403020100"),
    ],
    "days": ["[10, 2, 2]", [2, 10], (10, 2, 10), {2, 10}, ["2", 10.0], "[2,10]"],
    "colours": ['["red", "blue"]', ["blue", "red"], {Colour.BLUE, Colour.RED}],
    "ends": ["[a, null]", [None, "a"], {"a", None}],
    "backup": ["b", Path("b")],
    "steps": ["[0.10, 2]", ["0.1", Decimal(2)], [0.1, 2.0]],
}


@pytest.mark.parametrize("name", CASES)
def test_spelled_value_has_one_id_by_every_door(name: str) -> None:
    made = [MODEL.parse({name: raw}) for raw in CASES[name]]
    first = made[0]
    assert len({id_of(params) for params in made}) == 1
    assert id_of(first) != id_of(MODEL.defaults)
    written = json.loads(json.dumps(first.values()))
    again = MODEL.validate(written)
    assert id_of(again) == id_of(first)
    assert again.groups == first.groups
    default = MODEL.defaults.groups["typed"]
    value, usual = getattr(first.groups["typed"], name), getattr(default, name)
    assert usual is None or type(value) is type(usual)


def test_spelled_values_are_written_in_one_form() -> None:
    given = {name: raws[0] for name, raws in CASES.items()}
    assert MODEL.parse(given).values()["typed"] == {
        "folder": "raw/a.csv",
        "price": "2.5",
        "every": "P1DT2H",
        "owner": "0f0e0d0c-0b0a-0908-0706-050403020100",
        "days": [2, 10],
        "colours": ["blue", "red"],
        "ends": [None, "a"],
        "backup": "b",
        "steps": ["0.1", "2"],
    }


@pytest.mark.parametrize("language", ["yaml", "toml", "json"])
def test_spelled_defaults_survive_the_template(language: Any) -> None:
    document = read_document(template(MODEL, language).encode(), f"params.{language}")
    assert id_of(MODEL.validate(document)) == id_of(MODEL.defaults)


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("folder", "", "must be path, but got ''"),
        ("folder", 3, "must be path, but got 3"),
        ("price", "a lot", "must be decimal number >= 0, but got 'a lot'"),
        ("price", "-1", "must be decimal number >= 0, but got '-1'"),
        ("price", "nan", "but got 'nan'"),
        ("price", "1e999999999", "but got '1e999999999'"),
        ("price", True, "but got True"),
        ("price", 0.12345678901234568, "0.12345678901234568: put it in quotes, which keep every"),
        ("steps", "[123456789012345678.5]", "at [0]: put it in quotes, which keep every digit"),
        ("every", "often", "must be duration, such as P1DT2H"),
        ("every", 1e300, "must be duration"),
        ("owner", "me", "must be UUID, but got 'me'"),
        ("days", [1, 2, 3, 4], "must be list without order of at least 0"),
        ("days", [1, "x"], "but got 'x' at [1]"),
        ("colours", ["green"], "but got 'green' at [0]"),
    ],
)
def test_spelled_value_that_is_none_is_refused(name: str, raw: Any, said: str) -> None:
    with pytest.raises(ParamsError, match=f"typed.{name}") as caught:
        MODEL.parse({name: raw})
    if "of at least" not in said:
        assert said in str(caught.value)


@given(st.timedeltas(), st.decimals(allow_nan=False, allow_infinity=False, places=6), st.uuids())
def test_spelled_forms_read_back_as_the_value(
    every: timedelta, price: Decimal, owner: UUID
) -> None:
    params = MODEL.validate({"typed": {"every": every, "price": abs(price), "owner": owner}})
    again = MODEL.validate(params.values())
    assert again.groups == params.groups
    assert again.values() == params.values()


def one(annotation: Any, default: Any) -> ParamModel:
    names = {"__annotations__": {"field": annotation}, "field": default, "__module__": __name__}
    return ParamModel(own=type("Own", (ParamGroup,), names))


@pytest.mark.parametrize(
    ("annotation", "default", "said"),
    [
        (Path | str, "a", "cannot be told apart from other text"),
        (Decimal | float, 1.0, "cannot be told apart from other text or numbers"),
        (Path | UUID, Path("a"), "two kinds of text cannot be told apart"),
        (set[int | float], {1}, "numbers in a set must be of one type"),
        (set[bool | int], {1}, "numbers in a set must be of one type"),
        (set[Literal[1, True]], {1}, "read the same|of one type"),
        (set[tuple[int, int]], set(), "must be single values"),
        (set, set(), "has to say what is in it"),
        (set[str] | list[str], [], "lists, tuples and sets cannot be told apart"),
        (Path, 3, "its default holds 3"),
    ],
)
def test_spelled_field_with_two_readings_is_refused(
    annotation: Any, default: Any, said: str
) -> None:
    with pytest.raises(PipelineError, match=said):
        one(annotation, default)


def test_spelled_default_given_as_text_is_of_its_type() -> None:
    group = one(Path, "data").defaults.groups["own"]
    assert group.field == Path("data")  # type: ignore[attr-defined]


def test_spelled_path_under_the_name_of_a_secret_is_refused() -> None:
    names = {"__annotations__": {"api_key": Path}, "api_key": Path("a"), "__module__": __name__}
    with pytest.raises(PipelineError, match="looks like a secret"):
        ParamModel(own=type("Own", (ParamGroup,), names))


CHOICES = {"typed": {"price": "0.1,0.10,0.2", "folder": ["a", "b"], "days": [[1, 2], [3]]}}


def test_spelled_values_are_swept() -> None:
    asked = SweepRequest.parse(MODEL, CHOICES)
    trials = asked.combinations.trials
    found = [trial.params.values()["typed"] for trial in trials]
    assert [(v["price"], v["folder"], v["days"]) for v in found] == [
        (price, folder, days)
        for folder in ("a", "b")
        for price in ("0.1", "0.2")
        for days in ([1, 2], [3])
    ]
