from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats import (
    FORMATS,
    BytesFormat,
    Format,
    Formats,
    JsonFormat,
    format_for,
)
from ml_pipeline.store.formats.registry import KEPT
from ml_pipeline_tests.toys.keeping import kept


class NotAFrame:
    __module__ = "elsewhere"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "builtins.NoneType"),
        (np.ma.zeros(3), "numpy.ma.MaskedArray"),
        (NotAFrame(), "elsewhere.NotAFrame"),
        (pl.Series([1]), "polars.series.series.Series"),
    ],
)
def test_value_of_unknown_type_is_refused_with_what_can_be_kept(value: Any, name: str) -> None:
    with pytest.raises(PipelineError) as caught:
        format_for(value, "table")
    assert str(caught.value) == (
        f"'table' must return {KEPT}, but returned {name}. Return one of those, or give the"
        " pipeline a Format of your own: Pipeline(..., formats=[...])."
    )


def test_class_that_is_only_named_like_a_frame_is_not_taken_for_one() -> None:
    with pytest.raises(PipelineError, match="DataFrame"):
        format_for(type("DataFrame", (), {"__module__": "cudf"})(), "table")


def test_format_that_nobody_knows_is_refused_with_those_known() -> None:
    with pytest.raises(ArtifactDamaged) as caught:
        Formats().named("pickle")
    assert str(caught.value) == (
        "A record names the format 'pickle', which is none of"
        f" {', '.join(one.name for one in FORMATS)}. Give the pipeline its Format:"
        " Pipeline(..., formats=[...])."
    )


def test_names_and_files_of_formats_are_unique() -> None:
    assert len({f.name for f in FORMATS}) == len({f.filename for f in FORMATS}) == len(FORMATS)


class TextFormat(Format):
    name: ClassVar[str] = "text"
    filename: ClassVar[str] = "data.txt"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str)

    def write(self, value: Any, path: Path) -> None:
        path.write_text(value, encoding="utf-8")

    def read(self, path: Path, lazy: bool) -> Any:
        return path.read_bytes().decode()


@pytest.fixture
def text_format() -> Iterator[TextFormat]:
    added = TextFormat()
    FORMATS.append(added)
    yield added
    FORMATS.remove(added)


def test_format_of_a_user_is_used_once_it_is_appended(
    text_format: TextFormat, tmp_path: Path
) -> None:
    assert kept("words", tmp_path / "data.txt") is text_format
    assert Formats().named("text") is text_format
    assert text_format.read(tmp_path / "data.txt", lazy=False) == "words"
    assert text_format.describe("words") == {}
    assert isinstance(format_for(b"x", "a"), BytesFormat)
    assert isinstance(format_for({}, "a"), JsonFormat)


def test_format_of_a_user_is_gone_once_it_is_removed() -> None:
    assert isinstance(format_for("words", "asset"), JsonFormat)


class Own(BaseEstimator):
    pass


class Narrower(Own):
    pass


class OwnFormat(TextFormat):
    name = "own"
    filename = "own.txt"
    types = (Own,)

    def accepts(self, value: Any) -> bool:
        return Format.accepts(self, value)


class NarrowerFormat(OwnFormat):
    name = "narrower"
    types = (Narrower,)


class MappingFormat(TextFormat):
    name = "mapping"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, dict)


def test_own_format_is_asked_before_skops_and_json() -> None:
    formats = Formats((OwnFormat(), MappingFormat()))
    assert formats.for_value(Own(), "a").name == "own"
    assert formats.for_value({}, "a").name == "mapping"
    assert formats.for_value([], "a").name == "json"
    assert formats.for_value(Ridge(), "a").name == "skops"
    assert formats.named("own").filename == "own.txt"


def test_own_format_of_the_nearer_class_is_asked_first_in_any_order() -> None:
    for own in ((OwnFormat(), NarrowerFormat()), (NarrowerFormat(), OwnFormat())):
        formats = Formats(own)
        assert formats.for_value(Narrower(), "a").name == "narrower"
        assert formats.for_value(Own(), "a").name == "own"


def test_own_format_is_asked_before_one_that_was_appended(text_format: TextFormat) -> None:
    class Words(TextFormat):
        name = "words"

    assert Formats((Words(),)).for_value("x", "a").name == "words"
    assert format_for("x", "a").name == "text"


@pytest.mark.parametrize(
    ("name", "filename", "said"),
    [
        ("json", "x.txt", "The format 'json'"),
        ("x", "record.json", "must name a plain file other than record.json and confirmed.json"),
        ("x", "../x", "its filename is '../x'"),
        ("x", "..", "its filename is '..'"),
        ("x", "", "its filename is ''"),
    ],
)
def test_own_format_that_could_be_taken_for_another_is_refused(
    name: str, filename: str, said: str
) -> None:
    own = type("Odd", (TextFormat,), {"name": name, "filename": filename})()
    with pytest.raises(PipelineError) as caught:
        Formats((own,))
    assert said in str(caught.value)


def test_own_formats_of_one_name_and_what_is_none_are_refused_at_once() -> None:
    with pytest.raises(PipelineError) as caught:
        Formats((OwnFormat(), OwnFormat(), OwnFormat), trusted=("Ridge",))
    assert [line.split(",")[0][:40] for line in str(caught.value).splitlines()] == [
        f"The format 'own' ({__name__}.OwnFormat)"[:40],
        "A format must be an instance of a Format",
        "Only classes and functions can be truste",
    ]


def test_own_format_of_the_name_of_a_later_one_stands_for_it() -> None:
    own = type("Odd", (OwnFormat,), {"name": "tagged"})()
    formats = Formats((own,))
    assert formats.named("tagged") is own
    assert "tagged" not in [one.name for one in formats.known() if one is not own]


class Forgetful(TextFormat):
    name = "forgetful"

    def read(self, path: Path, lazy: bool) -> Any:
        raise LookupError("no words")


def test_own_format_that_cannot_read_what_it_writes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactDamaged) as caught:
        Forgetful().keep("x", tmp_path / "x")
    assert str(caught.value) == (
        "The format 'forgetful' must read back what it writes, but cannot: LookupError: no words."
        " Put its read or write right."
    )
