"""Values that JSON has no word for: they come back as what they were, or are refused."""

import enum
from collections import Counter, OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats import Formats
from ml_pipeline.store.formats.tagged import TaggedFormat

Opaque = type("Opaque", (), {})


class Size(enum.IntEnum):
    SMALL = 1


class Colour(enum.StrEnum):
    RED = "red"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Ratio(float):
    pass


Point = namedtuple("Point", "x y")


class Span(NamedTuple):
    first: date
    days: int = 1


@dataclass(frozen=True)
class Fold:
    span: Span
    colour: Colour


@dataclass
class Summary:
    name: str
    folds: list[Fold]
    total: float = field(init=False)
    note: str = "none"

    def __post_init__(self) -> None:
        self.name = self.name.upper()
        self.total = 1.5

    @cached_property
    def longest(self) -> int:
        return max(fold.span.days for fold in self.folds)


@dataclass(slots=True)
class Slotted:
    a: int


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    amount: Decimal
    when: datetime | None = None
    _seen: int = pydantic.PrivateAttr(default=0)

    @pydantic.field_validator("amount")
    @classmethod
    def doubled(cls, amount: Decimal) -> Decimal:
        return amount * 2


KNOWING = Formats((), (Size, Colour, Right, Point, Summary, Slotted, Model))
DAY = date(2026, 1, 5)


def kept(value: Any, path: Path, formats: Formats = KNOWING) -> Any:
    chosen = formats.for_value(value, "asset")
    assert chosen.name == "tagged"
    chosen.keep(value, path)
    return chosen.read(path, lazy=False)


def summary() -> Summary:
    made = Summary("x", [Fold(Span(DAY, 7), Colour.RED)])
    made.name = "lower"
    assert made.longest == 7
    return made


def model() -> Model:
    made = Model(amount=Decimal("1.10"), more=(1, 2))  # type: ignore[call-arg]
    made._seen = 3
    return made


@pytest.mark.parametrize(
    "value",
    [
        DAY,
        datetime(2026, 1, 5, 1, 2, 3, 4),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Zurich")),
        datetime(2026, 1, 5, tzinfo=UTC),
        datetime(2026, 1, 5, tzinfo=timezone(timedelta(hours=-3.5), "here")),
        time(3, 4, 5),
        timedelta(days=-1, microseconds=1),
        Decimal("1.10"),
        Decimal("1E+30"),
        Fraction(1, 3),
        UUID(int=5),
        [b"\x00\xff"],
        3j,
        (),
        (1, (2, [3])),
        {1, 2},
        frozenset({("a", 1)}),
        {1: "a", "1": "b", (1, 2): None, DAY: True},
        {"$date": DAY, "$x": 1},
        {"a": DAY, "b": {"c": [None, (1.5, -0.0)]}},
        np.int64(3),
        np.float32(1 / 3),
        np.bool_(True),
        np.str_("x"),
        np.complex64(1 + 2j),
        np.datetime64("2026-01-05", "D"),
        np.timedelta64(5, "ns"),
        Size.SMALL,
        Colour.RED,
        Right.READ | Right.WRITE,
        {Colour.RED: [Size.SMALL]},
        Point(1, (2,)),
        summary(),
        Slotted(3),
        model(),
        [model(), summary()],
    ],
    ids=lambda value: f"{type(value).__name__} {value!r:.30}",
)
def test_value_comes_back_as_what_it_was_and_gives_the_same_bytes(
    value: Any, tmp_path: Path
) -> None:
    again = kept(value, tmp_path / "one")
    assert again == value
    assert repr(again) == repr(value)
    assert type(again) is type(value)
    kept(again, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_state_that_no_initializer_gives_comes_back(tmp_path: Path) -> None:
    assert kept(summary(), tmp_path / "a").name == "lower"
    again = kept(model(), tmp_path / "b")
    assert (again.amount, again._seen, again.more) == (Decimal("2.20"), 3, (1, 2))
    assert again.model_fields_set == {"amount", "more"}


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.timezones() | st.just(UTC), allow_imaginary=False),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.fractions(),
)
KEYS = st.one_of(st.text(), st.integers(), st.dates(), st.tuples(st.integers(), st.text()))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(KEYS, inner),
        st.frozensets(SCALARS),
        st.builds(Span, st.dates(), st.integers()),
    ),
    max_leaves=12,
).filter(lambda value: value is not None)


@given(VALUES)
def test_any_value_comes_back_and_the_same_value_is_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    folder = tmp_path_factory.mktemp("value")
    formats = Formats((), (Span,))
    texts = []
    for name in ("one", "two"):
        chosen = formats.for_value(value, "asset")
        if chosen.name not in ("json", "tagged"):
            return
        chosen.keep(value, folder / name)
        texts.append((folder / name).read_bytes())
        value, before = chosen.read(folder / name, lazy=False), value
        assert value == before
    assert texts[0] == texts[1]


class Extra:
    pass


def with_more() -> Summary:
    made = summary()
    made.more = 1  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": float("nan")}, "a is nan"),
        (float("nan"), "it is nan"),
        ([float("inf")], "[0] is inf"),
        ((np.float64("nan"),), "[0] is nan"),
        ({"a": np.float32("nan")}, "a is nan"),
        ({"a": complex("inf")}, "a holds inf"),
        (MappingProxyType({"a": 1}), "it is builtins.mappingproxy"),
        (OrderedDict(a=1), "it is collections.OrderedDict"),
        ({"a": Counter("x")}, "a is collections.Counter"),
        ({"a": Ratio(0.5)}, f"a is {__name__}.Ratio"),
        ({"a": {"b": [0, Opaque()]}}, f"a.b[1] is {__name__}.Opaque"),
        ({"a": np.void(b"x")}, "a is numpy.void"),
        ({"a": np.longdouble(1)}, "a is numpy.longdouble"),
        (
            datetime(2026, 1, 5, tzinfo=type("Odd", (timezone.__base__,), {})()),
            f"it has a time zone of type {__name__}.Odd",
        ),
        ({"a": len}, "a is builtins.builtin_function_or_method"),
        (with_more(), f"it is {__name__}.Summary, but more is no field of it"),
        ([(Opaque(),)] * 9, "; ".join(f"[{n}][0] is {__name__}.Opaque" for n in range(5))),
        ([10**5000], "JSON says: Exceeds the limit (4300 digits) for integer string conversion"),
    ],
    ids=lambda one: one[:40] if isinstance(one, str) else type(one).__name__,
)
def test_value_that_would_come_back_as_another_is_refused(
    value: Any, why: str, tmp_path: Path
) -> None:
    with pytest.raises(PipelineError) as caught:
        KNOWING.for_value(value, "asset").keep(value, tmp_path / "data")
    said = str(caught.value)
    assert said.startswith(f"A value must come back as it is, but {why}")
    assert "Pipeline(..., formats=[...])" in said
    assert not (tmp_path / "data").exists()


def test_value_that_holds_itself_is_refused(tmp_path: Path) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(PipelineError, match="nested too deeply, or holds itself"):
        KNOWING.for_value(value, "asset").keep(value, tmp_path / "data")


def test_class_that_nothing_names_is_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        TaggedFormat().write([Colour.RED], tmp_path / "data")
    assert (
        f"[0] is {__name__}.Colour, which nothing says may be read back: name it in the stage's"
        " return annotation, or say Pipeline(..., trusted=[Colour])"
    ) in str(caught.value)
    kept([Colour.RED], tmp_path / "data")
    with pytest.raises(ArtifactDamaged, match=r"is of the class .*Colour, which nothing here says"):
        TaggedFormat().read(tmp_path / "data", lazy=False)


@pytest.mark.parametrize(
    "text",
    [
        '{"$data": ["os.system", {"command": "true"}]}',
        '{"$enum": ["builtins.eval", "1"]}',
        '{"$part": ["parquet", "x"]}',
        '{"$nobody": 1}',
        '{"$date": "never"}',
        '{"$numpy": ["O", 1]}',
        '{"$timedelta": "x"}',
        f'{{"$data": ["{__name__}.Slotted", {{"b": 1}}]}}',
        f'{{"$data": ["{__name__}.Slotted", {{}}]}}',
        f'{{"$model": ["{__name__}.Slotted", {{"set": []}}]}}',
        f'{{"$enum": ["{__name__}.Colour", "GREEN"]}}',
        f'{{"$named": ["{__name__}.Point", {{"x": 1}}]}}',
    ],
)
def test_planted_document_makes_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text(text)
    chosen = KNOWING.named("tagged")
    with pytest.raises(ArtifactDamaged):
        chosen.read(tmp_path / "data", lazy=False)


def test_field_that_was_added_with_a_default_has_it(tmp_path: Path) -> None:
    kept(summary(), tmp_path / "data")
    text = (tmp_path / "data").read_text().replace(',\n        "note": "none"', "")
    text = text.replace(',\n      "note": "none"', "")
    assert "note" not in text
    (tmp_path / "data").write_text(text)
    assert KNOWING.named("tagged").read(tmp_path / "data", lazy=False).note == "none"


class Forgetful(enum.Enum):
    A = "a"


def test_two_classes_of_one_name_are_refused() -> None:
    other = enum.Enum("Forgetful", {"A": "b"}, module=__name__)
    with pytest.raises(PipelineError, match="must be told apart by their names"):
        _ = Formats((), (Forgetful, other)).own_types
