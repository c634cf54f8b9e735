"""Series give the values that a person would type, and no text takes long to read or refuse."""

import math
import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ml_pipeline.errors import ParamsError
from ml_pipeline.sweeps.series import number
from ml_pipeline.sweeps.space import Interval, Values, dimension
from ml_pipeline_tests.toys.sweep_bench import asked
from ml_pipeline_tests.toys.sweeps import PARAMS, PIPELINE

MOST_SECONDS = 1.0


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("range(0.1,0.5,0.1)", [0.1, 0.2, 0.3, 0.4]),
        ("range(0.3,-0.1,-0.1)", [0.3, 0.2, 0.1, 0.0]),
        ("range(1e-3,4e-3,1e-3)", [1e-3, 2e-3, 3e-3]),
        ("range(0.1,0.7,0.1)", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        ("range(0,2e308,5e307)", None),
        ("linspace(0.1,0.7,7)", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        ("linspace(0,1,4)", [0.0, 0.333333333333, 0.666666666667, 1.0]),
        ("linspace(1,0,3)", [1.0, 0.5, 0.0]),
        ("linspace(-1e308,1e308,3)", [-1e308, 0.0, 1e308]),
        ("log(1e-3,1,4)", [0.001, 0.01, 0.1, 1.0]),
        ("log(1e-300,1e300,601)", [float(f"1e{place}") for place in range(-300, 301)]),
        ("log(0.3,0.0003,4)", [0.3, 0.03, 0.003, 0.0003]),
    ],
)
def test_series_gives_the_values_that_one_types(text: str, typed: list[float] | None) -> None:
    if typed is None:
        with pytest.raises(ParamsError, match="no finite number"):
            dimension(PARAMS.find("learning_rate"), text)
        return
    assert dimension(PARAMS.find("learning_rate"), text) == Values(tuple(typed))


def test_series_of_large_integers_is_exact() -> None:
    first = 10**30
    space = dimension(PARAMS.find("rows"), f"range({first},{first + 3})")
    assert space == Values((first, first + 1, first + 2))


def test_trials_of_a_series_are_the_runs_of_typed_values() -> None:
    for text in ("range(0.1,0.5,0.1)", "linspace(0.1,0.4,4)", "0.1,0.2,0.3,0.4"):
        trials = asked(learning_rate=text).combinations.trials
        assert [PIPELINE.run_slot(trial.params, None).run_id for trial in trials] == [
            PIPELINE.run_slot(PARAMS.parse({"learning_rate": typed}), None).run_id
            for typed in ("0.1", "0.2", "0.3", "0.4")
        ]


def test_interval_brings_what_floating_point_comes_to_back_to_its_step() -> None:
    space = Interval(0.1, 0.7, False, 0.1, False)
    sums = [0.1 + place * 0.1 for place in range(7)]
    assert 0.30000000000000004 in sums
    assert [space.nearest(value) for value in sums] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@given(st.decimals(-1000, 1000, places=3), st.decimals("0.001", 10, places=3), st.integers(1, 50))
def test_range_over_decimals_has_only_decimals(start: Any, step: Any, count: int) -> None:
    stop = start + step * count
    space = dimension(PARAMS.find("bias"), f"range({start},{stop},{step})")
    assert space == Values(tuple(float(start + step * place) for place in range(count)))


@pytest.mark.parametrize(
    "text", ["1e-400", "1e400", "-1e309", "1e99999", "1" * 65, chr(0x661), "1__0", ""]
)
def test_number_that_computers_cannot_reckon_with_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|too near"):
        number(text)


@pytest.mark.parametrize("text", ["1", "-1.", "+.5", "1_000.5", "1e-3", "2.5E+10"])
def test_number_is_read_as_python_reads_it(text: str) -> None:
    assert float(number(text)) == float(text)
    assert number("0.1") == Fraction(1, 10)


LONG = 65_000
HANGS = [
    "[" + "1" * LONG,
    "[" + "1" * LONG + "..2",
    "1" * LONG,
    "1" * LONG + "e",
    "-" + "1_" * LONG,
    "0." + "0" * LONG + "x",
    "log" + " " * LONG + "[",
    "log[1.." + " " * LONG + "x",
    "a" * LONG + "(1)",
    "a" + " " * LONG + "(",
    "range(" + "9" * LONG + ",1)",
    "range(0,1e12)",
    "range(0,1,1e-300)",
    "linspace(0,1,1e9)",
    "log(1e-300,1e300,100000)",
    "range(0,99999)",
    "[" * LONG,
    "(" * LONG + ")" * LONG,
    "[1," * LONG,
    'a"' * LONG,
    '",' * LONG,
    "," * LONG,
    "1," * LONG + "1",
    "x" * 1_000_000,
    '{"a":' * LONG,
]


@pytest.mark.parametrize("text", HANGS, ids=lambda text: text[:20])
@pytest.mark.parametrize("name", ["learning_rate", "depth", "bias", "weights", "label", "region"])
def test_text_of_any_length_is_read_or_refused_within_a_second(name: str, text: str) -> None:
    began, told = time.monotonic(), ""
    try:
        space = dimension(PARAMS.find(name), text)
    except ParamsError as error:
        told = str(error)
    else:
        assert not isinstance(space, Interval) or space.low < space.high
    assert len(told) < 2000
    assert time.monotonic() - began < MOST_SECONDS


_TOKENS = st.sampled_from(
    [
        *("[", "]", "(", ")", "{", "}", "..", "...", ",", " ", "step", " step ", "log", "range"),
        *("linspace", "choice", "1", "0", "-1", "0.1", "1e308", "-1e308", "1e-320", "1e999", "_"),
        *("nan", "inf", "'", '"', "e", ".", "\n", chr(0x661), "\ud800", "true", "none", "9" * 70),
    ]
)
_TEXTS = st.lists(_TOKENS, max_size=12).map("".join) | st.text(max_size=40)
_CALLS = st.builds(
    "{}({})".format,
    st.sampled_from(["range", "linspace", "log", "choice"]),
    st.lists(_TOKENS | st.floats().map(repr) | st.integers().map(str), max_size=4).map(",".join),
)
_ENDS = st.builds(
    "{}[{}..{}{}]".format,
    st.sampled_from(["", "log"]),
    st.floats().map(repr) | st.integers().map(str),
    st.floats().map(repr) | st.integers().map(str),
    st.just("") | st.floats().map(" step {!r}".format),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@example("learning_rate", "range(-1e308,1e308)")
@given(st.sampled_from([p.name for p in PARAMS.parameters()]), _TEXTS | _CALLS | _ENDS)
def test_text_of_any_kind_is_read_or_refused_within_a_second(name: str, text: str) -> None:
    began = time.monotonic()
    try:
        request = asked(**{name: text})
    except ParamsError:
        pass
    else:
        for params in request.representatives:
            value = params.values(PARAMS.groups)[PARAMS.find(name).group][name]
            assert not isinstance(value, float) or math.isfinite(value)
    assert time.monotonic() - began < MOST_SECONDS
