"""What a stage says that it returns: refused where it cannot be kept, and left open otherwise."""

import collections
import dataclasses
import enum
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Protocol, TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl
import pydantic
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import Ridge

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.formats import Formats
from ml_pipeline.store.formats.annotations import own_types_within


class Mine:
    pass


class Base:
    pass


class Kind(enum.Enum):
    A = 1


@dataclasses.dataclass
class Derived(Base):
    kind: Kind


class Shape(ABC):
    @abstractmethod
    def area(self) -> float: ...


class Sized(Protocol):
    size: int


class Row(NamedTuple):
    derived: Derived
    others: "list[Row]"


class Options(TypedDict):
    row: Row


class Model(pydantic.BaseModel):
    rows: dict[str, Row] | None


@dataclasses.dataclass
class Holder:
    connection: socket.socket
    model: Model


Money = NewType("Money", int)


@pytest.mark.parametrize(
    "annotation",
    [
        *(Any, object, "NotImported", Result, pl.DataFrame, pl.LazyFrame, Ridge, BaseEstimator),
        *(npt.NDArray[np.float64], np.int64, np.generic, Path, bytes, int, date, Literal["a"]),
        *(dict[str, pl.DataFrame], tuple[np.ndarray, ...], tuple[()], list[Any], dict[str, None]),
        *(Mapping[str, float], Sequence[Row], dict, list, set[int], pl.DataFrame | None, Money),
        *(Annotated[int, "x"], Kind, Derived, Base, Shape, Sized, Row, Options, Model, int | str),
        *(ClassifierMixin, "pl.DataFrame", float),
    ],
    ids=repr,
)
def test_annotation_of_what_can_be_kept_or_is_open_is_taken(annotation: Any) -> None:
    Formats().refuse_annotation(annotation, "asset")


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Mine, f"{__name__}.Mine"),
        (socket.socket, "socket.socket"),
        (list[Mine], f"{__name__}.Mine"),
        (dict[str, Mine | int], f"{__name__}.Mine"),
        (Callable[[int], int], "collections.abc.Callable[[int], int]"),
        (Iterator[int], "collections.abc.Iterator[int]"),
        (Generator[int, None, None], "collections.abc.Generator[int, None, None]"),
        (type[Mine], f"type[{__name__}.Mine]"),
        (Mine | socket.socket, f"{__name__}.Mine, socket.socket"),
        (Holder, "socket.socket in Holder.connection"),
        (list[Holder], "socket.socket in Holder.connection"),
        (collections.Counter, "collections.Counter"),
        (collections.OrderedDict[str, int], "collections.OrderedDict"),
        (Annotated[tuple[int, Mine], "x"], f"{__name__}.Mine"),
    ],
)
def test_annotation_of_what_cannot_be_kept_is_refused(annotation: Any, said: str) -> None:
    with pytest.raises(PipelineError) as caught:
        Formats().refuse_annotation(annotation, "asset")
    assert f"but its annotation says {said}. Return one of those, or give" in str(caught.value)


def test_stage_that_returns_nothing_is_refused_when_it_is_defined() -> None:
    pipeline = Pipeline("p", ParamModel())
    with pytest.raises(
        PipelineError, match=r"'report' must return .* says that it returns nothing"
    ):

        @pipeline.asset
        def report() -> None: ...

    assert pipeline.stages == {}


def test_classes_that_an_annotation_leads_to_are_known_to_the_pipeline() -> None:
    assert own_types_within(Options) == [Row, Derived, Kind]
    assert own_types_within(dict[str, Holder] | None) == [Holder, Model, Row, Derived, Kind]
    pipeline = Pipeline("p", ParamModel(), trusted=[Model])
    assert set(pipeline.formats.own_types.values()) == {Model, Row, Derived, Kind}
    other = Pipeline("p", ParamModel())
    assert other.formats.own_types == {}

    @other.asset
    def row() -> "Row": ...

    assert list(other.formats.own_types) == [f"{__name__}.{n}" for n in ("Row", "Derived", "Kind")]
