from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.runs.metrics import plain_metrics
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import TAKEN
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.pipeline import PARAMS, Data


def returning(bench: Bench, metrics: Any) -> None:
    bench.pipeline = Pipeline("judged", PARAMS)

    @bench.pipeline.asset(code_version="1")
    def score(data: Data) -> Result:
        return Result({}, metrics)


@pytest.mark.parametrize(
    "metric", [float("nan"), float("inf"), -float("inf"), np.float32("nan"), 10**400]
)
def test_metric_that_is_not_finite_is_refused_and_nothing_published(
    bench: Bench, metric: Any
) -> None:
    returning(bench, {"r2": metric})
    with pytest.raises(PipelineError) as caught:
        bench.run(as_of=None)
    assert str(caught.value) == (
        f"Metric 'r2' of 'score' must be a finite number, but is {str(metric)[:80]}. Leave it out"
        " where it is undefined."
    )
    assert bench.files() == set()


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("0.5", "'0.5' of type str"),
        (None, "None of type NoneType"),
        (True, "True of type bool"),
        (np.True_, "np.True_ of type numpy.bool"),
        (1 + 0j, "(1+0j) of type complex"),
        ([0.5], "[0.5] of type list"),
        (np.array([0.5]), "array([0.5]) of type numpy.ndarray"),
        (np.array(0.5), "array(0.5) of type numpy.ndarray"),
        (Decimal("0.5"), "Decimal('0.5') of type decimal.Decimal"),
    ],
)
def test_metric_that_is_no_number_is_refused_and_nothing_published(
    bench: Bench, metric: Any, said: str
) -> None:
    returning(bench, {"gain": metric})
    with pytest.raises(PipelineError) as caught:
        bench.run(as_of=None)
    assert str(caught.value) == (
        f"Metric 'gain' of 'score' must be a number, but is {said}. Return a float, or leave it"
        " out."
    )
    assert bench.files() == set()


def test_metric_of_many_values_is_refused_in_one_short_line() -> None:
    with pytest.raises(PipelineError) as caught:
        plain_metrics("score", {"gains": pl.Series(range(1000))})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_metric_with_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(PipelineError, match=f"Metric '{name}' of 'score' must have another name"):
        plain_metrics("score", {name: 1.0})


def test_metric_with_the_name_of_a_parameter_is_refused_and_nothing_published(
    bench: Bench,
) -> None:
    names = {name for one in PARAMS.parameters() for name in (one.name, one.dotted)}
    for name in sorted(names - TAKEN):
        returning(bench, {name: 1.0})
        with pytest.raises(PipelineError, match=f"Metric '{name}' .* has a parameter of that"):
            bench.run(as_of=None)
    assert bench.files() == set()


@pytest.mark.parametrize("name", [1, None, ""])
def test_metric_without_a_name_is_refused(name: Any) -> None:
    with pytest.raises(PipelineError, match="A metric of 'score' must have a name"):
        plain_metrics("score", {name: 1.0})


@pytest.mark.parametrize("metrics", [[("r2", 1.0)], 0.5, None])
def test_metrics_that_are_no_mapping_are_refused(bench: Bench, metrics: Any) -> None:
    returning(bench, metrics)
    with pytest.raises(PipelineError, match="Metrics of 'score' must be a mapping from names"):
        bench.run(as_of=None)
    assert bench.files() == set()


def test_every_metric_that_is_no_number_is_told_at_once() -> None:
    with pytest.raises(PipelineError) as caught:
        plain_metrics("score", {"a": "1", "b": 1.0, "c": float("nan"), "path": 1.0})
    lines = str(caught.value).splitlines()
    assert [line.partition(" of ")[0] for line in lines] == [
        "Metric 'a'",
        "Metric 'c'",
        "Metric 'path'",
    ]


def test_metrics_of_numpy_are_plain_numbers_in_the_record(bench: Bench) -> None:
    returning(
        bench,
        {
            "a": np.float32(0.5),
            "b": np.int64(3),
            "c": np.float64(0.25),
            "d": Fraction(1, 4),
        },
    )
    made = bench.run(as_of=None)["score"]
    assert made.record.metrics == {"a": 0.5, "b": 3.0, "c": 0.25, "d": 0.25}
    assert all(type(number) is float for number in made.record.metrics.values())
    assert bench.run(as_of=None)["score"].record == made.record
