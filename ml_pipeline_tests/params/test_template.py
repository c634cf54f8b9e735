from typing import get_args

import pytest
from pydantic import Field

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.layers import Layer, gathered
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.template import Language, template

LANGUAGES = get_args(Language)


def read(model: ParamModel, text: str, language: str) -> ParamSet:
    name = f"run.{language}"
    layer = Layer(name, read_document(text.encode(), name))
    return gathered(model, [layer]).validated(model)


@pytest.mark.parametrize("language", LANGUAGES)
def test_template_reads_back_to_the_defaults(language: Language) -> None:
    class Odd(ParamGroup):
        tiny: float = 1e-12
        huge: float = 1e30
        whole: int = -(2**70)
        flag: bool = True
        nothing: int | None = None
        text: str = 'two\nlines, a "quote", a \\ and \x07\x7f\x85\u2028\ufeff \U0001f600'
        yes: str = "yes"
        empty: str = ""
        many: list[float] = Field(default=[1e-7, 2.0])
        gaps: list[float | None] = Field(default=[1.0, None])
        none: list[str] = Field(default=[])
        limits: dict[str, list[float]] = Field(default={'a "b".c': [2.0], "\xfc\x7f": []})
        open_limits: dict[str, float | None] = Field(default={"a": None})

    model = ParamModel(odd=Odd)
    text = template(model, language)
    assert read(model, text, language) == model.defaults
    assert all((p.name in text) is p.is_offered for p in model.parameters())


class Needed(ParamGroup):
    """What to aim at.

    More about it.
    """

    target: str = Field(min_length=2, description="column\nto predict")
    rate: float = Field(default=1e-5, gt=0)
    depth: int | None = Field(default=None, ge=1, description="unlimited " * 12)


YAML = """\
# Every parameter with its default; what is left out keeps it.

# What to aim at.
needed:

  # column to predict
  # REQUIRED: text of at least 2 characters
  # target:

  # number > 0
  rate: 1.0e-05

  # unlimited unlimited unlimited unlimited unlimited unlimited unlimited unlimited unlimited
  # unlimited unlimited unlimited
  # integer >= 1 or none
  # depth:

# How a run goes about its work; never part of any identity.
run:

  # compute even what is published, and compare the bytes
  # true or false
  force: false

  # do not reuse what was computed, or last confirmed, longer ago
  # number >= 0 and <= 36500 or none
  # max_age_days:
"""


def test_template_tells_descriptions_bounds_and_what_is_required() -> None:
    assert template(ParamModel(needed=Needed), "yaml") == YAML


def test_template_in_toml_says_the_same() -> None:
    found = template(ParamModel(needed=Needed), "toml")
    for text in ("[needed]\n\n# column to predict\n# REQUIRED: text of", "\nrate = 1.0e-05\n"):
        assert text in found


@pytest.mark.parametrize("language", LANGUAGES)
def test_template_without_what_is_required_is_refused(language: Language) -> None:
    model = ParamModel(needed=Needed)
    with pytest.raises(ParamsError) as caught:
        read(model, template(model, language), language)
    assert caught.value.problems == (
        "needed.target is required: give text of at least 2 characters",
    )
