"""Errors of ours pass through Dagster with their own words first."""

import json
import pickle
import subprocess
import sys

import dagster as dg
import pytest

from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.errors import (
    MlPipelineError,
    OpConfigError,
    ParamsError,
    PromotionRefused,
    QueryError,
    SourceError,
)


def message_of(event: dg.DagsterEvent) -> str:
    error = event.event_specific_data.error  # type: ignore[union-attr]
    return str(error.message)


def test_error_of_ours_is_one_of_dagsters_and_still_itself() -> None:
    with pytest.raises(ParamsError) as caught, unwrapped():
        raise ParamsError(["a must be 1, but got 2", "b is required"])
    assert isinstance(caught.value, dg.DagsterError)
    assert caught.value.problems == ("a must be 1, but got 2", "b is required")
    assert str(caught.value) == str(ParamsError(["a must be 1, but got 2", "b is required"]))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "error",
    [
        ParamsError(["a must be 1, but got 2", "b is required"], effect="The run did nothing."),
        QueryError(["a must be a metric"]),
        OpConfigError(["op a has no field b"]),
        PromotionRefused(["mape must be below 0.2, but is 0.3"], "Train again."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_that_another_process_makes_again_says_the_same(error: MlPipelineError) -> None:
    with pytest.raises(type(error)) as caught, unwrapped():
        raise error
    # Celery sends the arguments as JSON, and calls the first class that can be found by its name.
    again = type(error)(*json.loads(json.dumps(caught.value.args)))
    assert [str(again), again.__dict__] == [str(error), error.__dict__]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_error_that_passes_twice_is_the_same() -> None:
    with pytest.raises(SourceError) as caught, unwrapped(), unwrapped():
        raise SourceError("no such file")
    assert type(caught.value).__mro__.count(dg.DagsterError) == 1


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), unwrapped():
        _ = 1 / 0


def test_error_in_a_resource_an_asset_and_a_sensor_speaks_first() -> None:
    @dg.resource
    @unwrapped()
    def broken(context: dg.InitResourceContext) -> None:
        raise SourceError("the source must exist, but does not")

    @dg.asset(required_resource_keys={"broken"})
    def needs() -> None: ...

    @dg.asset
    @unwrapped()
    def fails() -> None:
        raise SourceError("the source must exist, but does not")

    said = "ml_pipeline.errors.SourceError: the source must exist, but does not\n"
    with dg.DagsterInstance.ephemeral() as instance:
        for asset, resources in ((needs, {"broken": broken}), (fails, {})):
            result = dg.materialize(
                [asset], resources=resources, instance=instance, raise_on_error=False
            )
            (event, *_) = result.filter_events(lambda event: event.is_failure)
            assert message_of(event) == said

    @dg.sensor(target=[fails])
    @unwrapped()
    def looks(context: dg.SensorEvaluationContext) -> None:
        raise SourceError("the source must exist, but does not")

    with pytest.raises(dg.DagsterError, match=r"^the source must exist, but does not$"):
        looks.evaluate_tick(dg.build_sensor_context())


def test_errors_do_not_import_dagster() -> None:
    program = "import sys, ml_pipeline.errors; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
