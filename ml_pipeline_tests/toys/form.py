"""A pipeline with parameters of every kind, and texts that people type for them."""

import enum
import random
import struct
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self
from uuid import UUID

import dagster as dg
from pydantic import Field, field_validator

import ml_pipeline as mp


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Tree(mp.ParamGroup):
    """How trees grow."""

    depth: int = Field(default=3, ge=1, le=8)
    leaf: float = Field(default=0.5, json_schema_extra=mp.NOT_IDENTITY)


class Forest(mp.ParamGroup):
    kind: Literal["forest"] = "forest"
    size: int = Field(default=10, ge=1, description="how many trees")


class Linear(mp.ParamGroup):
    kind: Literal["linear"] = "linear"
    penalty: float = 1.0
    names: list[str] = Field(default=[])


class Data(mp.ParamGroup):
    """What is read; "</script>" & <b> are text."""

    retired: ClassVar[dict[str, Any]] = {"momentum": 0.9}

    dataset: Literal["orders", "customers"] = Field(
        default="orders",
        description="ends no script: </script><!-- <b>",
        json_schema_extra=mp.PATH_LABEL,
    )
    source: str = Field(default="sample", min_length=1, max_length=12)
    first: date = Field(default=date(1997, 1, 1), ge=date(1990, 1, 1))
    until: date | None = None
    token: mp.SecretRef = Field(default=mp.SecretRef("env:SHOP_TOKEN"), description="lets us in")

    @field_validator("source")
    @classmethod
    def _source_is_lower(cls, source: str) -> str:
        return source.lower()


class Shape(mp.ParamGroup):
    """What the model sees."""

    follows = ("data",)
    rules = ("horizon <= window", "since >= data.first")
    formerly = "features"

    window: int = Field(default=28, ge=7, le=10**30)
    horizon: int | None = Field(
        default=None,
        ge=1,
        json_schema_extra=mp.filled_in("data.dataset", {"orders": 1, "customers": 9}),
    )
    since: date = date(2000, 1, 1)
    rate: float = Field(default=0.1, gt=0, le=1e22, json_schema_extra=mp.renamed_from("eta"))
    factor: float | None = Field(default=1e-07, json_schema_extra=mp.added_later(1e-07))
    steps: int | float = Field(default=2, ge=-5)
    label: str | None = Field(default=None, pattern=r"^[a-z0-9.]*$")
    note: str = Field(default="a\nb", json_schema_extra=mp.added_later("old"))
    either: Literal["auto", 3] | bool = "auto"
    fast: bool = False
    slow: bool | None = None
    color: Color = Color.RED
    tree: Tree = Tree()
    model: Forest | Linear | None = Field(default=Linear(), discriminator="kind")
    weights: list[float] = Field(default=[1.0], max_length=4)
    names: set[str] = Field(default={"b", "a"})
    colors: set[Color] = Field(default=set())
    pair: tuple[int, str] = (1, "x")
    limits: dict[str, int] = Field(default={})
    place: Path = Path("data/a.csv")
    price: Decimal = Field(default=Decimal("0.10"), ge=0)
    every: timedelta = timedelta(hours=2)
    key: UUID | None = None


class Own(mp.ParamGroup):
    """What code of the pipeline decides."""

    follows = ("shape",)

    mode: Literal["plain", "double"] = "plain"
    count: int = 2

    def resolved(self, others: Mapping[str, mp.ParamGroup]) -> Self:
        if self.mode == "plain":
            return self
        return self.model_copy(update={"count": self.count * 2})


class Limits(mp.Thresholds):
    """What checks ask: no part of ids."""

    most: float = Field(default=0.5, ge=0)


MODEL: Final = mp.ParamModel(data=Data, shape=Shape, checks=Limits)
WITH_CODE: Final = mp.ParamModel(data=Data, shape=Shape, own=Own)


def pipeline_of(model: mp.ParamModel) -> mp.Pipeline:
    pipeline = mp.Pipeline("kinds", model)

    def value(**groups: Any) -> int:
        return len(groups)

    return pipeline


def _float(chance: random.Random) -> str:
    number = struct.unpack("<d", chance.randbytes(8))[0]
    return repr(number)


_NUMBERS: Final[tuple[Callable[[random.Random], str], ...]] = (
    _float,
    lambda chance: repr(chance.random() * 10.0 ** chance.randint(-9, 24)),
    lambda chance: str(chance.randint(-5, 40)),
    lambda chance: str(chance.randint(0, 10 ** chance.randint(1, 40))),
    lambda chance: chance.choice(
        ["1e-7", "1e16", "1e22", "-0.0", "0", "+5", "1_000", "010", "0x1F", "1.", ".5", "1e400",
         "9007199254740993", "none", "", " 3 ", "yes", "true", "abc", "2.50", "~", "5e-324", "1e21"]
    ),
)  # fmt: skip
_TEXTS: Final = (
    "a", "", " a ", "none", "A", "aé", "\U0001f600\uffff", "it's", 'say "x"', "\\", "\x7f", "1",
    "1e3", "orders", "customers", "sample", "SAMPLE", "red", "blue", "green", "auto", "3", "true",
    "off", "2001-02-03", "2001-02-30", "1989-01-01", "2000-01-01", "a\nb", "x" * 70, "old",
    "data//b/./c.csv", "//host/x", "/", ".", "../a/", "env:OTHER", "file:/run/x", "hunter2",
    "vault:x",
    "PT90S", "P2DT3H", "02:00:00", "7200", "-5", "1.5", "soon", "0.10", "-0.00", "1E+3",
    "00012.5000",
    "12345678123456781234567812345678", "{12345678-1234-5678-1234-567812345678}", "12345678",
)  # fmt: skip
_JSON: Final = (
    "[]", "[1]", "[1, 2.5, 1e-7]", "[1, 2, 3, 4, 5]", '["b", "a", "b"]', '["\U0001f600", "\uffff"]',
    '{"a": 1}', '{"b": 10000000000000000000000, "a": 0}', '{"a": "x"}', '{"kind": "forest"}',
    '{"kind": "forest", "size": 0}', '{"kind": "linear", "penalty": 2, "names": ["x"]}',
    '{"kind": "tree"}', '{"size": 3}', '{"kind": "linear", "size": 3}', '[3, "y"]', "[1]",
    '["red"]', "[0.12345678901234567]",
    '["blue", "red"]', "none", "[true]", "[null]",
)  # fmt: skip


def somebody_types(model: mp.ParamModel, chance: random.Random) -> dict[str, str]:
    """Return what somebody might type for some parameters, by dotted name."""
    parameters = [p for p in model.parameters() if p.group != "run"]
    chosen = chance.sample(parameters, chance.choice([0, 1, 1, 2, 3, 5]))
    found = {}
    for parameter in chosen:
        kind = parameter.kind
        pools: list[Callable[[random.Random], str]] = [lambda chance: chance.choice(_TEXTS)]
        if kind.whole or kind.number or kind.spelled is not None:
            pools += [*_NUMBERS, *_NUMBERS]
        if kind.holds_members:
            pools = [lambda chance: chance.choice(_JSON)]
        found[parameter.dotted] = chance.choice(pools)(chance)
    return found


def location() -> dg.Definitions:
    return mp.code_location(pipeline_of(MODEL), None)
