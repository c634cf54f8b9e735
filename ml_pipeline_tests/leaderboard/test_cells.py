import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.leaderboard.cells import Cell, Outside, cells_of, failed_cell
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL, added_later
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Objective
from ml_pipeline_tests.toys.cells import days


class Data(ParamGroup):
    """Which rows."""

    dataset: str = Field("north", description="where from", json_schema_extra=PATH_LABEL)


class Fit(ParamGroup):
    """How to fit."""

    rate: float = Field(0.1, description="speed")
    version: str = Field("v1", description="line", json_schema_extra=PATH_LABEL)
    workers: int = Field(1, description="threads", json_schema_extra=NOT_IDENTITY)


class LaterFit(Fit):
    """How to fit, since momentum is known."""

    momentum: float = Field(0.9, description="inertia", json_schema_extra=added_later(0.0))


def objective(data: Data) -> Objective:
    return Objective(metric=f"error_{data.dataset}", direction="minimize", baseline="naive")


def pipeline_with(fit: type[Fit] = Fit, code: str = "1", twice: float = 1.0) -> Pipeline:
    made = Pipeline("judged", ParamModel(data=Data, fit=fit))

    @made.asset(code_version="1")
    def table(as_of: date, data: Data) -> list[int]:
        return [as_of.day, len(data.dataset)]

    def model(table: list[int], fit: Fit) -> dict[str, float]:
        return {"slope": twice * table[0] * fit.rate}

    # The group's class is not a name of this module, so that annotations cannot say it.
    model.__annotations__["fit"] = fit
    made.asset(code_version=code)(model)

    @made.asset(objective=objective, code_version="1")
    def score(model: dict[str, float], data: Data) -> Result:
        if model["slope"] < 0:
            raise ValueError("it went down")
        return Result(model, {f"error_{data.dataset}": model["slope"], "naive": 1.0})

    @made.asset(code_version="1")
    def plot(score: dict[str, float]) -> dict[str, float]:
        return score

    return made


PIPELINE = pipeline_with()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path))


def run(store: ArtifactStore, day: date, pipeline: Pipeline = PIPELINE, **values: Any) -> None:
    list(Materializer(pipeline, store).run(pipeline.params.parse(values), day))


def rates(cells: list[Cell]) -> set[tuple[float, date | None]]:
    return {(cell.params["fit"]["rate"], cell.as_of) for cell in cells}


def test_judging_stage_is_the_one_that_declares_an_objective() -> None:
    assert PIPELINE.judge.name == "score"


def test_judging_stage_without_objectives_is_the_last() -> None:
    bare = Pipeline("bare", ParamModel(data=Data))
    with pytest.raises(PipelineError, match="must have a stage"):
        _ = bare.judge
    bare.asset(lambda_free)
    assert bare.judge.name == "lambda_free"


def lambda_free(data: Data) -> dict[str, int]:
    return {}


def test_cell_of_a_result_has_everything_that_is_compared(store: ArtifactStore) -> None:
    day = days(1)[0]
    run(store, day, rate=0.2, version="v2", workers=3)
    (cell,) = cells_of(store, PIPELINE)
    assert cell.asset == "score"
    assert cell.params == {"data": {"dataset": "north"}, "fit": {"rate": 0.2, "version": "v2"}}
    assert cell.dataset == {"dataset": "north"}
    assert cell.as_of == day
    assert cell.objective == objective(Data(dataset="north"))
    assert cell.codes == {"table": "1", "model": "1", "score": "1"}
    assert cell.metrics == {"error_north": day.day * 0.2, "naive": 1.0}
    assert cell.error is None
    assert cell.key == digest_of(cell.params)
    params = PIPELINE.params.parse({"rate": 0.2, "version": "v2"})
    assert cell.run_id == PIPELINE.stage("score").slot(params, day).run_id
    durations = [
        record.duration_s
        for stage in ("table", "model", "score")
        for record in store.revisions(PIPELINE.stage(stage).slot(params, day))
    ]
    assert cell.seconds == pytest.approx(sum(durations))


def test_failed_cell_is_of_the_same_parameter_set_as_a_done_one(store: ArtifactStore) -> None:
    first, second = days(2)
    run(store, first, rate=0.2)
    (done,) = cells_of(store, PIPELINE)
    failed = failed_cell(PIPELINE, PIPELINE.params.parse({"rate": 0.2}), second, "too few rows")
    assert failed.key == done.key
    for name in ("asset", "params", "dataset", "objective", "codes"):
        assert getattr(failed, name) == getattr(done, name)
    assert (failed.as_of, failed.error, failed.metrics, failed.run_id) == (
        second,
        "too few rows",
        {},
        "",
    )


def test_cells_are_filtered_by_date_and_conditions(store: ArtifactStore) -> None:
    along = days(3)
    for day in along:
        run(store, day, rate=0.1)
        run(store, day, rate=0.2)
    assert len(cells_of(store, PIPELINE)) == 6
    assert rates(cells_of(store, PIPELINE, None, along[1], along[1])) == {
        (0.1, along[1]),
        (0.2, along[1]),
    }
    assert rates(cells_of(store, PIPELINE, "rate>0.1", along[1])) == {
        (0.2, along[1]),
        (0.2, along[2]),
    }
    assert rates(cells_of(store, PIPELINE, "rate>0.1", None, along[0])) == {(0.2, along[0])}
    with pytest.raises(ParamsError, match="Did you mean 'rate'"):
        cells_of(store, PIPELINE, "raet=1")


def test_cells_without_dates_are_all_there_is(store: ArtifactStore) -> None:
    bare = Pipeline("bare", ParamModel(data=Data))

    @bare.asset(objective=Objective(metric="size", direction="maximize"))
    def size(data: Data) -> Result:
        return Result({}, {"size": float(len(data.dataset))})

    list(Materializer(bare, store).run(bare.params.parse({}), None))
    (cell,) = cells_of(store, bare)
    assert (cell.as_of, cell.metrics) == (None, {"size": 5.0})


def test_cells_are_the_newest_results_with_the_code_that_made_them(store: ArtifactStore) -> None:
    first, second = days(2)
    for day in (first, second):
        run(store, day)
    run(store, second, pipeline_with(code="2", twice=2.0))
    cells = {cell.as_of: cell for cell in cells_of(store, PIPELINE)}
    assert {day: cell.codes["model"] for day, cell in cells.items()} == {first: "1", second: "2"}
    assert cells[second].metrics["error_north"] == pytest.approx(2 * 0.1 * second.day)


def test_cells_whose_inputs_new_code_made_again_alike_count_as_of_the_new_code(
    store: ArtifactStore,
) -> None:
    first, second = days(2)
    for day in (first, second):
        run(store, day)
    run(store, second, pipeline_with(code="2"))
    scores = store.directories("score")
    assert len(list(scores)) == 2, "the score of the second day is reused"
    codes = {cell.as_of: cell.codes["model"] for cell in cells_of(store, PIPELINE)}
    assert codes == {first: "1", second: "2"}


def test_cells_older_than_a_parameter_have_what_was_in_effect(store: ArtifactStore) -> None:
    later = pipeline_with(LaterFit)
    day = days(1)[0]
    run(store, day)
    run(store, day, later, momentum=0.5)
    fits: list[Mapping[str, Any]] = [cell.params["fit"] for cell in cells_of(store, later)]
    assert sorted(fit["momentum"] for fit in fits) == [0.0, 0.5]
    again = failed_cell(later, later.params.parse({"momentum": 0.0}), day, "x")
    assert again.key in {cell.key for cell in cells_of(store, later)}


def test_cells_pass_over_what_cannot_be_read(store: ArtifactStore, tmp_path: Path) -> None:
    first, second = days(2)
    run(store, first)
    run(store, second)
    (record,) = tmp_path.glob(f"score/**/as_of={first}/**/record.json")
    record.write_text("garbage")
    (upstream,) = tmp_path.glob(f"table/**/as_of={second}/**/record.json")
    upstream.unlink()
    (cell,) = cells_of(store, PIPELINE)
    assert (cell.as_of, set(cell.codes)) == (second, {"score", "model"})


@pytest.mark.parametrize(
    "odd", [{"params": [1, 2]}, {"params": {"data": None}}, {"params": "x"}, {"params": {"fit": 1}}]
)
def test_cells_of_odd_and_damaged_records_are_told_and_left_out(
    store: ArtifactStore, tmp_path: Path, odd: dict[str, Any]
) -> None:
    first, second, third = days(3)
    for day in (first, second, third):
        run(store, day)
    paths = {day: next(tmp_path.glob(f"score/**/as_of={day}/**/record.json")) for day in days(3)}
    paths[first].write_bytes(b"garbage")
    record = json.loads(paths[second].read_bytes())
    # From before records were sealed.
    del record["seal"]
    paths[second].write_text(json.dumps(record | {"identity": odd}))
    missed: list[str] = []
    assert {cell.as_of for cell in cells_of(store, PIPELINE, missed=missed.append)} == {third}
    assert sorted(missed) == sorted(
        path.parent.relative_to(tmp_path).as_posix() for day, path in paths.items() if day != third
    )


def test_cell_tells_what_was_read_from_outside(tmp_path: Path) -> None:
    made = Pipeline("reading", ParamModel(data=Data, fit=Fit))
    outside = {"rows": [1, 2], "note": "a"}

    @made.asset(code_version="1", reads=lambda as_of: digest_of(outside))
    def table(as_of: date, data: Data) -> list[int]:
        return list(outside["rows"])

    @made.asset(code_version="1", objective=Objective(metric="error", direction="minimize"))
    def score(table: list[int], fit: Fit) -> Result:
        return Result(table, {"error": sum(table) * fit.rate})

    read: list[Outside] = []
    for place, change in enumerate(({}, {"note": "b"}, {"rows": [1, 3]})):
        outside |= change
        store = ArtifactStore(str(tmp_path / str(place)))
        run(store, days(1)[0], made)
        (found,) = cells_of(store, made)
        assert list(found.outside) == ["table"]
        read.append(found.outside["table"])
    same, noted, other = read
    assert not same.is_another_than(same)
    assert not same.is_another_than(noted)
    assert same.is_another_than(other)
    assert noted.is_another_than(other)


def test_cells_of_one_parameter_set_are_those_with_its_identity(store: ArtifactStore) -> None:
    for rate in (0.1, 0.2):
        for day in days(3):
            run(store, day, rate=rate)
    wanted = PIPELINE.params.parse({"rate": 0.2}).identity_values(PIPELINE.judge.scope)
    found = cells_of(store, PIPELINE, first=days(2)[1], identity=wanted)
    assert rates(found) == {(0.2, day) for day in days(3)[1:]}
