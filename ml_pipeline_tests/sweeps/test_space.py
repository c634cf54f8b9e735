import itertools
import json
import math
from decimal import Decimal
from typing import Any, Literal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.sweeps.series import exact
from ml_pipeline.sweeps.space import Interval, Values, dimension, single
from ml_pipeline_tests.toys.sweeps import PARAMS

NAMES = [parameter.name for parameter in PARAMS.parameters()]


def read(name: str, raw: Any) -> Any:
    space = dimension(PARAMS.find(name), raw)
    return list(space.values) if isinstance(space, Values) else space


def refusal(name: str, raw: Any) -> str:
    with pytest.raises(ParamsError) as caught:
        dimension(PARAMS.find(name), raw)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("name", "raw", "values"),
    [
        ("learning_rate", "0.01,0.1", ["0.01", "0.1"]),
        ("learning_rate", " 0.01 , 1e-1 ", ["0.01", "1e-1"]),
        ("learning_rate", [0.01, 0.1], [0.01, 0.1]),
        ("learning_rate", (0.5,), [0.5]),
        ("learning_rate", "choice(0.01, 0.1)", ["0.01", "0.1"]),
        ("learning_rate", "choice(0.5)", ["0.5"]),
        ("depth", "range(2,7)", [2, 3, 4, 5, 6]),
        ("depth", "range(2,7,2)", [2, 4, 6]),
        ("depth", "range(6,0,-2)", [6, 4, 2]),
        ("depth", "1e1,2e1", ["1e1", "2e1"]),
        ("rows", "range(1_000_000_000_000,1_000_000_000_003)", [10**12, 10**12 + 1, 10**12 + 2]),
        ("learning_rate", "range(0,0.3,0.1)", [0.0, 0.1, 0.2]),
        ("learning_rate", "linspace(0,1,5)", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("learning_rate", "linspace(1,0,3)", [1.0, 0.5, 0.0]),
        ("learning_rate", "log(1e-3,1,4)", [0.001, 0.01, 0.1, 1.0]),
        ("depth", "log(1,16,5)", [1, 2, 4, 8, 16]),
        ("depth", "linspace(1,4,4)", [1, 2, 3, 4]),
        ("label", "a,b", ["a", "b"]),
        ("label", 'a,"b,c"', ["a", "b,c"]),
        ("label", "'a,b','c(d)'", ["a,b", "c(d)"]),
        ("label", 'choice("a,b")', ["a,b"]),
        ("region", "north,south", ["north", "south"]),
        ("fancy", "true,false", ["true", "false"]),
        ("fancy", [True, False], [True, False]),
        ("bias", "none,0.5", ["none", "0.5"]),
        ("bias", [None, 0.5], [None, 0.5]),
        ("bias", ["none", 0.5], ["none", 0.5]),
        ("weights", "[1,2],[3]", [[1, 2], [3]]),
        ("weights", [[1, 2], [3]], [[1, 2], [3]]),
        ("weights", [[1, 2]], [[1, 2]]),
        ("weights", [[], [1]], [[], [1]]),
    ],
)
def test_dimension_of_listed_values(name: str, raw: Any, values: list[Any]) -> None:
    assert read(name, raw) == values


@pytest.mark.parametrize(
    ("name", "raw", "interval"),
    [
        ("learning_rate", "[0.1..1]", Interval(0.1, 1.0, False, None, False)),
        ("learning_rate", "log[1e-3..1]", Interval(1e-3, 1.0, True, None, False)),
        ("learning_rate", " log [ .1 .. 1. ] ", Interval(0.1, 1.0, True, None, False)),
        ("learning_rate", "[0..1 step 0.25]", Interval(0.0, 1.0, False, 0.25, False)),
        ("learning_rate", "[0..1 step 0.3]", Interval(0.0, 0.9, False, 0.3, False)),
        ("learning_rate", "[0..0.3 step 0.1]", Interval(0.0, 0.3, False, 0.1, False)),
        ("depth", "[2..8]", Interval(2.0, 8.0, False, None, True)),
        ("depth", "[2..9 step 2]", Interval(2.0, 8.0, False, 2.0, True)),
        ("depth", "log[1..64]", Interval(1.0, 64.0, True, None, True)),
        ("bias", "[-1..+1]", Interval(-1.0, 1.0, False, None, False)),
    ],
)
def test_dimension_of_an_interval(name: str, raw: str, interval: Interval) -> None:
    assert read(name, raw) == interval


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("learning_rate", "0.1"),
        ("learning_rate", 0.1),
        ("learning_rate", None),
        ("label", "a b"),
        ("label", "'a,b'"),
        ("label", ""),
        ("weights", []),
        ("weights", [1, 2]),
        ("weights", "[1, 2]"),
        ("weights", "[]"),
        ("home", "/some/where"),
    ],
)
def test_dimension_of_one_plain_value_is_none(name: str, raw: Any) -> None:
    assert dimension(PARAMS.find(name), raw) is None


def test_dimension_of_a_default_that_looks_like_a_list_is_none() -> None:
    from pydantic import Field

    from ml_pipeline.params.group import ParamGroup
    from ml_pipeline.params.model import ParamModel

    class Columns(ParamGroup):
        names: str = Field("a,b")
        shape: str = Field("f(x)")

    model = ParamModel(columns=Columns)
    assert dimension(model.find("names"), "a,b") is None
    assert single(model.find("shape"), "f(x)") == "f(x)"
    assert dimension(model.find("names"), "a,c") == Values(("a", "c"))


REFUSALS = {
    ("learning_rate", "[1..0.1]"): (
        "fit.learning_rate=[1..0.1]: `low < high` must hold, but got (low=1, high=0.1)"
    ),
    ("learning_rate", "log[0..1]"): (
        "fit.learning_rate=log[0..1]: a logarithmic scale starts above 0, but got low=0"
    ),
    ("learning_rate", "log[1..9 step 2]"): (
        "fit.learning_rate=log[1..9 step 2]: a logarithmic interval has no step"
    ),
    ("learning_rate", "[0..1 step 0]"): (
        "fit.learning_rate=[0..1 step 0]: `0 < step <= high - low` must hold, but got step=0"
    ),
    ("learning_rate", "[0..1 step 3]"): (
        "fit.learning_rate=[0..1 step 3]: `0 < step <= high - low` must hold, but got step=3"
    ),
    ("learning_rate", "[0..1e999]"): (
        "fit.learning_rate=[0..1e999]: the ends and the step must be finite numbers"
    ),
    ("depth", "[1..1e999]"): "fit.depth=[1..1e999]: the ends and the step must be finite numbers",
    ("learning_rate", "[-1e308..1e308]"): (
        "fit.learning_rate=[-1e308..1e308]: the ends are farther apart than any number is large"
    ),
    ("learning_rate", "[0...5]"): (
        "fit.learning_rate=[0...5]: `...` has two readings: type blanks around the two dots"
    ),
    ("learning_rate", "[0..1 step 1e-9]"): (
        "fit.learning_rate=[0..1 step 1e-9]: an interval has at most 10,000,000 steps: leave the"
        " step out"
    ),
    ("rows", "[2..9007199254740993]"): (
        "data.rows=[2..9007199254740993]: the ends of an interval of integers must be within"
        " 9,007,199,254,740,992"
    ),
    ("fancy", "[0..1]"): (
        "fit.fancy=[0..1]: a series needs numbers, but the parameter must be true or false: list"
        " the values, like fancy=true,false"
    ),
    ("depth", "linspace(1,4,3)"): (
        "fit.depth=linspace(1,4,3): the values must be integers, as the parameter is, but one is"
        " 2.5: list those that are meant, like depth=1,2,4"
    ),
    ("depth", "log(1,30,8)"): (
        "fit.depth=log(1,30,8): the values must be integers, as the parameter is, but one is"
        " 1.62561: list those that are meant, like depth=1,2,3,4,7,11,..."
    ),
    ("depth", "range(1,3,0.5)"): (
        "fit.depth=range(1,3,0.5): the values must be integers, as the parameter is, but one is"
        " 1.5: list those that are meant, like depth=1,2"
    ),
    ("learning_rate", "range(-1e308,1e308)"): (
        "fit.learning_rate must have at most 100,000 values, but got more: give an interval and"
        " choose a search strategy"
    ),
    ("learning_rate", "linspace(0,1,1_000_000_000)"): (
        "fit.learning_rate=linspace(0,1,1_000_000_000): the number of values must be an integer"
        " from 2 to 100,000; type linspace(first,last,count)"
    ),
    ("learning_rate", "linspace(0,1,10**9)"): (
        "fit.learning_rate=linspace(0,1,10**9): '10**9' is no finite number; type"
        " linspace(first,last,count)"
    ),
    ("learning_rate", "range(0,1,1e-400)"): (
        "fit.learning_rate=range(0,1,1e-400): '1e-400' is too near to 0 to differ from it; type"
        " range(start,stop[,step])"
    ),
    ("depth", "[1..2.5]"): (
        "fit.depth=[1..2.5]: the ends and the step must be integers, as the parameter is"
    ),
    ("label", "[1..2]"): (
        "fit.label=[1..2]: a series needs numbers, but the parameter must be text: list the"
        " values, like label=a,b"
    ),
    ("depth", "rnge(1,3)"): (
        "fit.depth=rnge(1,3): 'rnge' is no way to give values. Did you mean 'range'? There are"
        " choice, range, linspace, log; text with brackets that is meant as it stands goes in"
        ' quotes: "rnge(1,3)"'
    ),
    ("depth", "range(3)"): "fit.depth=range(3): type range(start,stop[,step]), but got 1 numbers",
    ("depth", "range(3,1)"): (
        "fit.depth=range(3,1): the range from 3 to 1 is empty; type range(start,stop[,step])"
    ),
    ("depth", "range(1,2,0)"): (
        "fit.depth=range(1,2,0): step must not be 0; type range(start,stop[,step])"
    ),
    ("depth", "range(1,1e999)"): (
        "fit.depth=range(1,1e999): '1e999' is no finite number; type range(start,stop[,step])"
    ),
    ("depth", "range(a,b)"): (
        "fit.depth=range(a,b): 'a' is no finite number; type range(start,stop[,step])"
    ),
    ("learning_rate", "log(0,1,3)"): (
        "fit.learning_rate=log(0,1,3): a logarithmic scale has only numbers above 0; type"
        " log(first,last,count)"
    ),
    ("learning_rate", "linspace(0,1,1)"): (
        "fit.learning_rate=linspace(0,1,1): the number of values must be an integer from 2 to"
        " 100,000; type linspace(first,last,count)"
    ),
    ("depth", "range(0,1e7)"): (
        "fit.depth must have at most 100,000 values, but got more: give an interval and choose a"
        " search strategy"
    ),
    ("label", "a,"): "fit.label=a,: a value is missing beside a comma",
    ("label", "a,,b"): "fit.label=a,,b: a value is missing beside a comma",
    ("label", "a,'b"): "fit.label=a,'b: ' is missing at the end",
    ("weights", "[1,2],[3"): "fit.weights=[1,2],[3: ] is missing at the end",
    ("learning_rate", ()): "fit.learning_rate must have at least one value, but got []",
}


@pytest.mark.parametrize(("name", "raw"), list(REFUSALS))
def test_dimension_that_cannot_be_read_is_refused_in_these_words(name: str, raw: Any) -> None:
    assert refusal(name, raw) == REFUSALS[name, raw]


@given(st.sampled_from(NAMES), st.text("0123456789.,()[]{}'\"-+_e logrsteplinach\n", max_size=30))
def test_dimension_of_any_text_is_read_or_refused(name: str, text: str) -> None:
    parameter = PARAMS.find(name)
    try:
        space = dimension(parameter, text)
    except ParamsError:
        return
    if space is None:
        single(parameter, text)
    elif isinstance(space, Interval):
        assert space.low < space.high
        assert space.size >= 2
    else:
        assert space.values


@given(st.lists(st.text(max_size=8).filter(lambda t: '"' not in t), min_size=2, max_size=6))
def test_dimension_of_quoted_texts_is_those_texts(texts: list[str]) -> None:
    assert read("label", ",".join(f'"{text}"' for text in texts)) == texts


@given(st.lists(st.lists(st.floats(-9, 9), max_size=3), min_size=2, max_size=4))
def test_dimension_of_lists_as_json_is_those_lists(lists: list[list[float]]) -> None:
    assert read("weights", ", ".join(map(json.dumps, lists))) == lists


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-7, 7).filter(bool))
def test_dimension_range_of_integers_is_pythons(start: int, stop: int, step: int) -> None:
    expected = list(range(start, stop, step))
    if expected:
        assert read("on_day", f"range({start},{stop},{step})") == expected
    else:
        assert "is empty" in refusal("on_day", f"range({start},{stop},{step})")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(2, 40))
def test_dimension_linspace_is_even_and_has_both_ends(
    first: float, last: float, count: int
) -> None:
    values = read("learning_rate", f"linspace({first!r},{last!r},{count})")
    assert len(values) == count
    assert math.isclose(values[0], first, rel_tol=1e-11, abs_tol=1e-300)
    assert math.isclose(values[-1], last, rel_tol=1e-11, abs_tol=1e-9)
    for place, value in enumerate(values):
        even = first + (last - first) * place / (count - 1)
        assert math.isclose(value, even, rel_tol=1e-9, abs_tol=1e-6)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 40))
def test_dimension_log_has_equal_ratios(first: float, last: float, count: int) -> None:
    values = read("learning_rate", f"log({first!r},{last!r},{count})")
    ratio = (last / first) ** (1 / (count - 1))
    assert math.isclose(values[0], first, rel_tol=1e-10)
    for one, next_one in itertools.pairwise(values):
        assert math.isclose(next_one / one, ratio, rel_tol=1e-9)


@given(st.floats(0, 1e3), st.floats(0.01, 1e3), st.floats(0.001, 10))
def test_interval_with_a_step_ends_a_whole_number_of_steps_on(
    low: float, reach: float, step: float
) -> None:
    high = low + reach
    text = f"[{low!r}..{high!r} step {step!r}]"
    if exact(step) > exact(high) - exact(low):
        assert "step <= high - low" in refusal("bias", text)
        return
    space = read("bias", text)
    assert high - step - 1e-6 < space.high <= high + 1e-6
    steps = (space.high - space.low) / step
    assert math.isclose(steps, round(steps), rel_tol=1e-6, abs_tol=1e-6)
    assert space.size == round(steps) + 1


@pytest.mark.parametrize(
    ("annotation", "default", "text", "told"),
    [
        (Literal[1, 2, 4], 1, "[1..4]",
         ("an interval needs every number within, but the parameter must be one of 1, 2, 4: list"
          " the values, like field=1,2")),
        (Decimal, Decimal("0.5"), "linspace(0,1,3)",
         ("a series needs numbers, but the parameter must be decimal number: list the values, like"
          " field=0.5,...")),
    ],
)  # fmt: skip
def test_space_of_numbers_that_a_parameter_does_not_take_recommends_what_works(
    annotation: Any, default: Any, text: str, told: str
) -> None:
    group = pydantic.create_model("Group", __base__=ParamGroup, field=(annotation, default))
    with pytest.raises(ParamsError) as caught:
        dimension(ParamModel(group=group).find("field"), text)
    assert caught.value.problems == (f"group.field={text}: {told}",)
