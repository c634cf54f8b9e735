"""What the page of a form is told: kinds, bounds, and where only Python knows what comes of it."""

import re
from typing import Annotated, Any, Literal, Self

import pydantic
import pytest
from pydantic import Field, StringConstraints

from ml_pipeline.launch.form.document import Dates, form_document
from ml_pipeline.launch.form.kinds import info_spec
from ml_pipeline.launch.form.own_code import code_in_fields, has_code
from ml_pipeline.launch.form.page import form_page
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline_tests.toys.form import MODEL, WITH_CODE, pipeline_of


def lowered(text: str) -> str:
    return text.lower()


class Inner(ParamGroup):
    name: str = "a"

    @pydantic.field_validator("name")
    @classmethod
    def _lower(cls, name: str) -> str:
        return name.lower()


class Plain(ParamGroup):
    rules = ("low <= high",)
    low: int = Field(default=1, ge=0)
    high: int | None = None
    name: str = Field(default="a", min_length=1, pattern="^a")
    rows: list[Annotated[int, Field(ge=1)]] = Field(default=[1])


class Validated(ParamGroup):
    before: str = "a"
    name: str = "a"

    @pydantic.field_validator("name", mode="before")
    @classmethod
    def _lower(cls, name: str) -> str:
        return name.lower()


class Everything(ParamGroup):
    one: str = "a"
    two: str = "b"

    @pydantic.field_validator("*")
    @classmethod
    def _lower(cls, name: str) -> str:
        return name.lower()


class Marked(ParamGroup):
    after: Annotated[str, pydantic.AfterValidator(lowered)] = "a"
    lower: Annotated[str, StringConstraints(to_lower=True)] = "a"
    bounded: Annotated[str, StringConstraints(max_length=3)] = "a"
    inside: list[Annotated[str, pydantic.BeforeValidator(lowered)]] = Field(default=[])
    within: Inner | None = None
    nested: Inner = Inner()


class Together(ParamGroup):
    name: str = "a"

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Self:
        return self


class Around(ParamGroup):
    name: str = "a"
    other: str = "b"

    @pydantic.field_validator("other")
    @classmethod
    def _looks(cls, other: str, info: pydantic.ValidationInfo) -> str:
        return str(info.data["name"])


class Later(ParamGroup):
    name: str = "a"

    def model_post_init(self, context: Any, /) -> None:
        object.__setattr__(self, "name", self.name.lower())


class Configured(ParamGroup):
    model_config = pydantic.ConfigDict(str_to_lower=True)
    name: str = "a"


class Resolved(ParamGroup):
    name: str = "a"

    def resolved(self, others: Any) -> Self:
        return self


class Holder(ParamGroup):
    inner: Later = Later()


@pytest.mark.parametrize(
    ("group", "fields", "is_whole"),
    [
        (Plain, [], False),
        (Validated, ["name"], False),
        (Everything, ["one", "two"], False),
        (Marked, ["after", "lower", "inside", "within", "nested.name"], False),
        (Together, [], True),
        (Around, ["other"], True),
        (Later, [], True),
        (Configured, [], True),
        (Resolved, [], True),
        (Holder, [], True),
    ],
)
def test_code_that_could_make_other_values_is_found(
    group: type[ParamGroup], fields: list[str], is_whole: bool
) -> None:
    section = ParamModel(group=group).sections["group"]
    assert [p.name for p in code_in_fields(section)] == fields
    assert has_code(section) is is_whole


def group_in(model: ParamModel, name: str) -> dict[str, Any]:
    document = form_document(pipeline_of(model), [], "/launchpad", "http://there")
    (found,) = [group for group in document["groups"] if group["name"] == name]
    return dict(found)


def test_what_code_makes_of_choices_is_told_beforehand() -> None:
    class Odd(ParamGroup):
        kind: Literal["A", "b", "C"] = "A"

        @pydantic.field_validator("kind")
        @classmethod
        def _is_no_c(cls, kind: str) -> str:
            if kind == "C":
                raise ValueError("must not be C")
            return "b"

    (member,) = group_in(ParamModel(odd=Odd), "odd")["members"]
    # A default that nobody types is no validator's.
    assert member["code"] == [
        ["A", "A", None],
        ["A", "b", None],
        ["b", "b", None],
        ["C", None, "odd.kind must not be C (got 'C')"],
    ]
    own = group_in(WITH_CODE, "own")
    assert own["reach"] == ["data", "shape", "own"] or own["reach"] == ["shape", "own"]
    counts = {(row[0]["own.mode"], row[1]["own.count"]) for row in own["code"]}
    assert counts == {("plain", 2), ("double", 4)}
    assert "code" not in group_in(MODEL, "shape")


def test_required_parameter_leaves_code_unknown() -> None:
    class Needy(ParamGroup):
        count: int
        name: str = "a"

        def resolved(self, others: Any) -> Self:
            return self

    found = group_in(ParamModel(needy=Needy), "needy")
    assert found["code"] == []
    assert "default" not in found["members"][0]


@pytest.mark.parametrize(
    ("pattern", "is_told"),
    [
        (r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", True),
        (r"^a\.b{2,3}(c|d)$", True),
        (r"^\w+$", False),
        (r"\d", False),
        (r"(?i)a", False),
        (r"[a-z&&[^b]]", False),
        (r"a++", False),
        (r"é", False),
        (r"\-", False),
    ],
)
def test_pattern_is_told_where_browsers_mean_the_same(pattern: str, is_told: bool) -> None:
    class Group(ParamGroup):
        name: str = Field(default="a", max_length=9, pattern=pattern)

    limits = info_spec(Group.model_fields["name"])["limits"]
    told = {"pattern": pattern} if is_told else {"later": True}
    assert limits == {"max_length": 9, **told}


def test_page_holds_its_document_whatever_is_in_it() -> None:
    dates = [Dates("day", ["</script><script>alert(1)</script>", "<!--", "\u2028"])]
    page = form_page(form_document(pipeline_of(MODEL), dates, "/x", "http://there"))
    assert page.count("</script>") == 2
    assert "<!--" not in page
    assert not re.search(r"\{\{\w+\}\}", page)
