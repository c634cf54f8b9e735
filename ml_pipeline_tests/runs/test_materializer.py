from datetime import date

import polars as pl
import pytest
from pydantic import Field

from ml_pipeline.errors import ArtifactDamaged, PipelineError, StoreUnreachable
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys import editor as toy_editor
from ml_pipeline_tests.toys.bench import DAY, Bench, flip
from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, Data, enter, fresh, plain, toy
from ml_pipeline_tests.toys.process import Running

ALL = list(STAGES)


# What is computed, and what is not


def test_run_of_an_empty_store_computes_every_stage_in_order(bench: Bench) -> None:
    made = bench.run()
    assert bench.started() == ALL
    assert list(made) == ALL
    assert not any(outcome.reused for outcome in made.values())
    assert bench.values(made) == fresh()


def test_run_repeated_computes_nothing_and_gives_the_same_records(bench: Bench) -> None:
    first = bench.run()
    bench.started()
    again = bench.run()
    assert bench.started() == []
    assert all(outcome.reused for outcome in again.values())
    assert [o.record for o in again.values()] == [o.record for o in first.values()]
    assert again["model"].reason.startswith(
        f"model: reused: run {first['model'].record.run_id} was made 20"
    )
    assert again["model"].reason.endswith("by a run outside Dagster")


def test_run_yields_every_stage_before_the_next_one_starts(bench: Bench) -> None:
    steps = bench.materializer.run(PARAMS.defaults, DAY)
    for count, stage in enumerate(STAGES, start=1):
        assert next(steps).record.asset == stage
        assert bench.started() == [stage]
        assert len([name for name in bench.files() if name.endswith("record.json")]) == count


@pytest.mark.parametrize(
    ("values", "computed"),
    [
        ({"rows": 8}, ALL),
        ({"region": "south"}, ALL),
        ({"window": 3}, ["features", "model", "score"]),
        ({"learning_rate": 0.2}, ["model", "score"]),
        ({"workers": 4}, []),
        ({"learning_rate": "1e-1", "rows": "6"}, []),
    ],
)
def test_run_with_another_value_computes_only_what_depends_on_it(
    bench: Bench, values: dict[str, object], computed: list[str]
) -> None:
    bench.run()
    bench.started()
    made = bench.run(**values)
    assert bench.started() == computed
    assert [name for name, outcome in made.items() if not outcome.reused] == computed
    assert bench.values(made) == fresh(values)


def test_run_for_another_date_computes_everything(bench: Bench) -> None:
    bench.run()
    bench.started()
    made = bench.run(as_of=date(2026, 1, 6))
    assert bench.started() == ALL
    assert bench.values(made) == fresh(as_of=date(2026, 1, 6))


def test_run_after_outside_data_changed_and_changed_back_computes_once(bench: Bench) -> None:
    bench.run()
    late = bench.tell(f"outside-{DAY}", "5")
    bench.started()
    assert bench.values(bench.run()) == fresh()
    bench.started()
    late.unlink()
    made = bench.run()
    assert bench.started() == []
    assert bench.values(made) == fresh()


def test_run_after_an_edit_without_effect_leaves_what_is_downstream(bench: Bench) -> None:
    bench.run()
    bench.started()
    bench.edit(features="2")
    made = bench.run()
    assert bench.started() == ["features"]
    assert [name for name, outcome in made.items() if outcome.reused] == ["table", "model", "score"]


def test_run_after_an_edit_was_taken_back_reuses_the_first_revision(bench: Bench) -> None:
    first = bench.run()
    bench.edit(table="2", score="2")
    second = bench.run()
    bench.started()
    bench.edit()
    third = bench.run()
    assert bench.started() == []
    assert third["table"].record == first["table"].record != second["table"].record


def test_run_with_a_pinned_code_version_ignores_the_code(bench: Bench) -> None:
    def one(as_of: date, data: Data) -> dict[str, int]:
        enter("numbers")
        return {"value": 1}

    def two(as_of: date, data: Data) -> dict[str, int]:
        enter("numbers")
        return {"value": 2}

    for function, version, value in ((one, "1", 1), (two, "1", 1), (two, "2", 2), (one, "2", 2)):
        bench.pipeline = Pipeline("pinned", PARAMS)
        function.__name__ = "numbers"
        bench.pipeline.asset(code_version=version)(function)
        made = bench.run()["numbers"]
        assert bench.value(made) == {"value": value}
        assert made.record.code == version
    assert bench.started() == ["numbers"] * 2


def test_run_of_a_stage_defined_in_a_function_computes_once(bench: Bench) -> None:
    bench.pipeline = Pipeline("local", PARAMS)

    @bench.pipeline.asset
    def numbers(as_of: date, data: Data) -> dict[str, int]:
        enter("numbers")
        return {"rows": data.rows}

    for _ in range(2):
        assert bench.value(bench.run()["numbers"]) == {"rows": 6}
    assert bench.started() == ["numbers"]


def test_run_without_dates_reuses_by_parameters_alone(bench: Bench) -> None:
    bench.pipeline = Pipeline("dateless", PARAMS)

    @bench.pipeline.asset(code_version="1")
    def numbers(data: Data) -> dict[str, int]:
        enter("numbers")
        return {"rows": data.rows}

    for rows in (3, 4, 3):
        made = bench.run(as_of=None, rows=rows)
        assert bench.value(made["numbers"]) == {"rows": rows}
        assert "as_of" not in str(bench.directory(made["numbers"]))
    assert bench.started() == ["numbers"] * 2


def test_run_in_a_store_in_memory_computes_once(bench: Bench) -> None:
    store = ArtifactStore(f"memory://{bench.folder}")
    for started in (ALL, []):
        made = list(Materializer(toy(), store).run(PARAMS.defaults, DAY))
        assert bench.started() == started
        assert {o.record.asset: plain(store.load(o.slot, o.record)) for o in made} == fresh()
        bench.started()
    assert not [entry["path"] for entry in store.entries("") if entry["path"].startswith(".")]


def test_run_never_loads_the_inputs_of_what_is_reused(bench: Bench) -> None:
    made = bench.run()
    bench.started()
    for name in ("table", "features", "model"):
        flip(bench.data(made[name]))
    again = bench.run()
    assert bench.started() == []
    assert all(outcome.reused for outcome in again.values())


def test_run_that_fails_keeps_what_was_done_and_nothing_else(bench: Bench) -> None:
    order = bench.tell("raise-model")
    with pytest.raises(RuntimeError, match="model was told to fail"):
        bench.run()
    assert bench.claims() == set()
    assert {name.partition("/")[0] for name in bench.files()} == {"table", "features"}
    order.unlink()
    bench.started()
    assert bench.values(bench.run()) == fresh()
    assert bench.started() == ["model", "score"]


def test_run_with_a_value_that_nothing_keeps_publishes_nothing(bench: Bench) -> None:
    bench.pipeline = Pipeline("odd", PARAMS)

    @bench.pipeline.asset(code_version="1")
    def odd(data: Data) -> object:
        return object()

    with pytest.raises(PipelineError, match="'odd' must return a frame"):
        bench.run(as_of=None)
    assert bench.files() == set()


def test_run_with_source_edited_since_its_import_does_not_pass_for_the_new_code(
    bench: Bench,
) -> None:
    code = bench.folder / "code"
    code.mkdir()
    toy_editor.write(code, dict.fromkeys(toy_editor.PIECES, "one"), "plain")
    edited = dict.fromkeys(toy_editor.PIECES, "two")
    early = Running(bench.job(code=str(code), waits=True))
    early.imported()
    toy_editor.write(code, edited, "plain")
    early.go_on()
    old = early.wait()
    assert old is not None
    new = Running(bench.job(code=str(code))).wait()
    assert new is not None
    assert new.values()["table"]["y"][0] == 2, "the result of the old code was taken for the new"


def test_run_with_outside_data_that_changes_meanwhile_is_not_reused_for_the_old(
    bench: Bench,
) -> None:
    before = bench.tell(f"outside-{DAY}", "1")
    hold = bench.tell("hold-table")
    slow = Running(bench.job(selection=["table"]))
    while not (bench.home / "calls").exists():
        pass
    bench.tell(f"outside-{DAY}", "2")
    hold.unlink()
    slow.wait()
    before.write_text("1")
    made = bench.run(["table"])
    assert bench.value(made["table"]) == fresh()["table"]


def test_stage_that_changes_its_input_does_not_disturb_the_others(bench: Bench) -> None:
    bench.pipeline = Pipeline("careless", PARAMS)

    @bench.pipeline.asset(code_version="1")
    def numbers(data: Data) -> dict[str, list[int]]:
        return {"values": [3, 1, 2]}

    @bench.pipeline.asset(code_version="1")
    def frame(data: Data) -> pl.DataFrame:
        return pl.DataFrame({"a": [1], "b": [2]})

    @bench.pipeline.asset(code_version="1")
    def careless(numbers: dict[str, list[int]], frame: pl.DataFrame) -> dict[str, int]:
        numbers["values"].sort()
        frame.drop_in_place("b")
        return {"smallest": numbers["values"][0]}

    @bench.pipeline.asset(code_version="1")
    def careful(numbers: dict[str, list[int]], frame: pl.DataFrame) -> dict[str, int]:
        return {"first": numbers["values"][0], "columns": frame.width}

    made = bench.run(as_of=None)
    assert bench.value(made["careful"]) == {"first": 3, "columns": 2}


class Columns(ParamGroup):
    names: list[str] = Field(default=["a"])
    more: dict[str, list[int]] = Field(default={"x": [1]})


def test_stage_that_changes_its_parameters_does_not_change_what_the_run_is(bench: Bench) -> None:
    bench.pipeline = Pipeline("careless", ParamModel(columns=Columns))

    @bench.pipeline.asset(code_version="1")
    def careless(columns: Columns) -> dict[str, int]:
        columns.names.append("b")
        columns.more["x"].clear()
        return {"columns": len(columns.names)}

    @bench.pipeline.asset(code_version="1")
    def careful(careless: dict[str, int], columns: Columns) -> list[str]:
        return [*columns.names, *map(str, columns.more["x"])]

    made = bench.run(as_of=None)
    assert bench.value(made["careful"]) == ["a", "1"]
    for record in (made["careless"].record, made["careful"].record):
        assert record.run_id == run_id(record.params, None)
    assert all(outcome.reused for outcome in bench.run(as_of=None).values())


def test_lazy_frame_whose_query_fails_is_not_blamed_on_the_store(bench: Bench) -> None:
    bench.pipeline = Pipeline("failing", PARAMS)

    @bench.pipeline.asset(code_version="1")
    def no_column(data: Data) -> pl.LazyFrame:
        return pl.LazyFrame({"a": [1]}).select("b")

    @bench.pipeline.asset(code_version="1")
    def no_number(data: Data) -> pl.LazyFrame:
        return pl.LazyFrame({"a": ["x"]}).select(pl.col("a").cast(pl.Int64))

    def fail(value: object) -> object:
        raise ValueError("a row that nobody expected")

    @bench.pipeline.asset(code_version="1")
    def own_function(data: Data) -> pl.LazyFrame:
        return pl.LazyFrame({"a": [1]}).select(pl.all().map_batches(fail, pl.Int64))  # type: ignore[arg-type]

    @bench.pipeline.asset(code_version="1")
    def no_file(data: Data) -> pl.LazyFrame:
        return pl.scan_csv(bench.folder / "orders.csv", schema={"a": pl.Int64})

    for stage in bench.pipeline.stages:
        with pytest.raises(Exception) as failed:  # noqa: PT011 - Polars' own, or ours
            bench.run([stage], as_of=None)
        assert not isinstance(failed.value, StoreUnreachable), failed.value
        assert bench.files() == set()


# Damaged inputs


@pytest.mark.parametrize("how", ["flipped", "gone", "short"])
@pytest.mark.parametrize("selection", [None, ["model", "score"]])
def test_damaged_input_is_made_again(
    bench: Bench, how: str, selection: list[str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    made = bench.run()
    data = bench.data(made["features"])
    bench.started()
    if how == "flipped":
        flip(data)
    elif how == "gone":
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:-1])
    again = bench.run(selection, learning_rate=0.5)
    assert sorted(bench.started()) == ["features", "model", "score"]
    assert bench.values(again) == {
        name: value for name, value in fresh({"learning_rate": 0.5}).items() if name in again
    }
    assert bench.value(made["features"]) == fresh()["features"]


def test_damaged_input_of_a_damaged_input_is_made_again(bench: Bench) -> None:
    made = bench.run()
    flip(bench.data(made["table"]))
    flip(bench.data(made["features"]))
    bench.started()
    again = bench.run(learning_rate=0.5)
    assert bench.started() == ["table", "features", "model", "score"]
    assert bench.values(again) == fresh({"learning_rate": 0.5})


def test_damaged_input_made_again_is_reported_in_the_outcome(bench: Bench) -> None:
    made = bench.run()
    flip(bench.data(made["features"]))
    again = bench.run(learning_rate=0.5)
    told = " ".join(outcome.reason for outcome in again.values())
    assert "damaged" in told or "digest" in told


def test_damaged_input_whose_code_has_changed_is_refused_and_the_next_run_goes_on(
    bench: Bench,
) -> None:
    made = bench.run()
    flip(bench.data(made["features"]))
    bench.edit(features="2")
    bench.tell("noise-features")
    with pytest.raises(ArtifactDamaged) as refused:
        bench.run(["model"], learning_rate=0.5)
    run_id = made["features"].record.run_id
    assert str(refused.value) == (
        f"features {run_id} was damaged, and computing it again gave other bytes"
        " because code or data have changed. Run again to build on the new ones."
    )
    again = bench.run(["model"], learning_rate=0.5)
    assert not again["model"].reused


def test_damaged_result_of_a_reused_stage_is_not_served(bench: Bench) -> None:
    made = bench.run()
    flip(bench.data(made["score"]))
    again = bench.run()
    with pytest.raises(ArtifactDamaged) as refused:
        bench.value(again["score"])
    assert str(refused.value).startswith(f"{bench.data(made['score'])} must have the digest ")
