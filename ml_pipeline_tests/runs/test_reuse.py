import json
import logging
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, PipelineError, StoreUnreachable
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.decisions import Decision, Undecided
from ml_pipeline.runs.reuse import Materializer, _Point
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Provenance
from ml_pipeline_tests.toys import editor as toy_editor
from ml_pipeline_tests.toys.bench import DAY, Bench, age, flip
from ml_pipeline_tests.toys.pipeline import PARAMS, PICTURE, STAGES, Data, enter, fresh, plain, toy
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

    with pytest.raises(PipelineError, match="'odd' must return a Polars frame"):
        bench.run(as_of=None)
    assert bench.files() == set()


def test_run_with_source_edited_since_its_import_does_not_pass_for_the_new_code(
    bench: Bench,
) -> None:
    code = bench.folder / "code"
    code.mkdir()
    toy_editor.write(code, dict.fromkeys(STAGES, "one"), "plain")
    edited = dict.fromkeys(STAGES, "two")
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


# Force and age


def test_force_with_the_same_bytes_confirms_what_is_published(bench: Bench) -> None:
    first = bench.run()
    bench.started()
    again = bench.run(force=True)
    assert bench.started() == ALL
    for name, outcome in again.items():
        assert not outcome.reused
        assert outcome.record == first[name].record
        assert outcome.reason.startswith(f"{name}: computed: asked for with force")
        assert outcome.reason.endswith("; the bytes agree with those published before")
        assert (bench.directory(outcome) / "confirmed.json").exists()
    assert bench.claims() == set()


def test_force_with_other_bytes_reports_it_and_the_first_result_stands(bench: Bench) -> None:
    first = bench.run()
    values = bench.values(first)
    bench.tell("noise-model")
    again = bench.run(force=True)
    assert again["model"].reason.endswith(
        "; NOT DETERMINISTIC: the bytes differ from those published before, which stand"
    )
    assert again["model"].record == first["model"].record
    assert again["score"].reason.endswith("; the bytes agree with those published before")
    assert bench.values(again) == values
    assert not (bench.directory(again["model"]) / "confirmed.json").exists()
    bench.started()
    assert bench.values(bench.run()) == values
    assert bench.started() == []


def test_force_of_a_selection_computes_that_alone(bench: Bench) -> None:
    bench.run()
    bench.started()
    bench.run(["model"], force=True)
    assert bench.started() == ["model"]


def test_force_in_an_empty_store_computes_everything_once(bench: Bench) -> None:
    bench.run(force=True)
    assert bench.started() == ALL


def test_force_of_two_runs_over_damage_keeps_what_the_first_one_published(bench: Bench) -> None:
    made = bench.run(["table"])
    bench.data(made["table"]).unlink()
    params = bench.pipeline.params.parse({"force": True})
    stage = bench.pipeline.stage("table")
    # Both have seen the damage before either has claimed the revision.
    first, second = (bench.materializer.decide(stage, params, DAY, {}) for _ in range(2))
    mended = _Point(bench.materializer, params, DAY).make(first)
    standing = bench.record(mended).stat()
    again = _Point(bench.materializer, params, DAY).make(second)
    assert again.reason.endswith("the bytes agree with those published before")
    assert bench.record(mended).stat().st_ino == standing.st_ino


def test_force_mends_an_artifact_whose_bits_have_flipped(bench: Bench) -> None:
    made = bench.run()
    flip(bench.data(made["score"]))
    with pytest.raises(ArtifactDamaged):
        bench.values(made)
    again = bench.run(force=True)
    assert bench.values(again) == fresh()


def test_max_age_days_not_reached_reuses(bench: Bench) -> None:
    bench.run()
    bench.started()
    bench.run(max_age_days=1)
    assert bench.started() == []


def test_max_age_days_exceeded_computes_again_and_confirms(bench: Bench) -> None:
    for outcome in bench.run().values():
        age(bench.record(outcome), timedelta(days=10))
    bench.started()
    again = bench.run(max_age_days=5)
    assert bench.started() == ALL
    assert again["table"].reason == (
        "table: computed: the published result is 10.0 days old;"
        " the bytes agree with those published before"
    )
    bench.run(max_age_days=5)
    assert bench.started() == [], "what has just been confirmed is not old"
    assert bench.claims() == set()


def test_max_age_days_of_zero_always_computes(bench: Bench) -> None:
    bench.run()
    bench.started()
    for _ in range(2):
        bench.run(max_age_days=0)
        assert bench.started() == ALL


def test_max_age_days_exceeded_with_other_bytes_reports_it_each_time(bench: Bench) -> None:
    made = bench.run(["table"])
    age(bench.record(made["table"]), timedelta(days=10))
    bench.tell("noise-table")
    for _ in range(2):
        again = bench.run(["table"], max_age_days=5)
        assert "NOT DETERMINISTIC" in again["table"].reason
        assert again["table"].record.content == made["table"].record.content


def test_max_age_days_leaves_no_claim_that_the_next_run_would_wait_for(bench: Bench) -> None:
    bench.run(["table"])
    bench.run(["table"], max_age_days=0)
    assert bench.claims() == set()


@pytest.mark.parametrize("garbage", [b"", b"{}", b"[1]", b'{"at": "soon"}', b"\xff", b'{"at": 3}'])
def test_max_age_days_with_a_garbled_confirmation_goes_by_the_record(
    bench: Bench, garbage: bytes
) -> None:
    made = bench.run(["table"])
    (bench.directory(made["table"]) / "confirmed.json").write_bytes(garbage)
    bench.started()
    bench.run(["table"], max_age_days=5)
    assert bench.started() == []


def test_record_from_the_future_is_reused(bench: Bench) -> None:
    for outcome in bench.run().values():
        age(bench.record(outcome), timedelta(days=-400))
    bench.started()
    for options in ({}, {"max_age_days": 1}):
        made = bench.run(**options)
        assert bench.started() == []
        assert f"was made {datetime.now(UTC).year + 1}" in made["table"].reason


def test_revision_from_the_future_does_not_hide_the_current_one(bench: Bench) -> None:
    first = bench.run()
    bench.edit(table="2")
    age(bench.record(bench.run(["table"])["table"]), timedelta(days=-400))
    bench.edit()
    assert bench.run(["features"])["features"].record == first["features"].record


# Plans


def test_plan_of_an_empty_store_decides_on_the_first_stage_alone(bench: Bench) -> None:
    first, *rest = bench.plan()
    assert isinstance(first, Decision)
    assert first.sentence == "table: computed: nothing is published yet"
    assert [(one.stage.name, one.action, one.because) for one in rest] == [
        (name, "compute", "nothing is published yet") for name in STAGES[1:]
    ]
    assert bench.started() == []
    assert bench.files() == set()


def test_plan_and_run_agree(bench: Bench) -> None:
    bench.run()
    before = bench.files()
    planned = bench.plan(learning_rate=0.3)
    assert bench.files() == before
    table, features, model, score = planned
    assert isinstance(table, Decision)
    assert isinstance(features, Decision)
    assert isinstance(model, Decision)
    assert not isinstance(score, Decision), "nobody knows what the model's bytes will be"
    assert score.because.startswith("learning_rate 0.1 -> 0.3 since run ")
    made = bench.run(learning_rate=0.3)
    assert table.reuse == made["table"].record
    assert features.reuse == made["features"].record
    assert model.reuse is None
    assert model.revision == made["model"].record.revision
    assert model.sentence.startswith("model: computed: learning_rate 0.1 -> 0.3 since run ")
    assert model.sentence.endswith(f"(features reused from {features.slot.run_id})")
    # When the run came to the model, it could say the same.
    assert made["model"].reason == model.sentence
    assert all(isinstance(d, Decision) and d.reuse for d in bench.plan(learning_rate=0.3))


def test_plan_below_what_is_missing_depends_on_how_that_comes_out(bench: Bench) -> None:
    made = bench.run()
    bench.record(made["table"]).unlink()
    planned = bench.plan()
    assert [one.action for one in planned] == ["compute", *["undecided"] * 3]
    features = planned[1]
    assert isinstance(features, Undecided)
    assert features.because == (
        "input table has to be computed; reused if that comes out as before"
    )
    assert [outcome.reused for outcome in bench.run().values()] == [False, True, True, True]


def test_plan_below_other_code_is_undecided_only_where_its_own_is_the_same(bench: Bench) -> None:
    bench.run()
    bench.edit(table="2", model="2")
    assert [one.action for one in bench.plan()] == [
        "compute",
        "undecided",
        "compute",
        "undecided",
    ]
    assert [one.action for one in bench.plan(force=True)] == ["compute"] * 4


def test_plan_with_force_computes_everything(bench: Bench) -> None:
    bench.run()
    first, *_ = bench.plan(force=True)
    assert isinstance(first, Decision)
    assert first.reuse is None
    assert first.reason == "asked for with force"


def test_plan_of_a_selection_looks_upstream_for_what_is_not_selected(bench: Bench) -> None:
    bench.run()
    (decision,) = bench.plan(["score"])
    assert isinstance(decision, Decision)
    assert decision.reuse is not None
    with pytest.raises(ArtifactMissing):
        bench.plan(["score"], learning_rate=0.7)


def test_plan_of_a_selection_given_as_an_iterator_is_that_of_a_list(bench: Bench) -> None:
    bench.run(["table"])
    wanted = ["features", "model"]
    planned = bench.plan(iter(wanted))
    assert [one.stage.name for one in planned] == wanted


def test_plan_tells_of_damage(bench: Bench) -> None:
    made = bench.run()
    bench.data(made["table"]).unlink()
    first, *_ = bench.plan()
    assert isinstance(first, Decision)
    assert first.reuse is None
    assert first.reason == (
        f"{bench.data(made['table'])} must have {made['table'].record.content.bytes} bytes,"
        " but it is missing. It is not used."
    )


# Upstream that was made by another run


def test_locate_prefers_the_current_revision_to_the_newest(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first = bench.run()
    bench.edit(table="2")
    second = bench.run()
    params = PARAMS.defaults
    bench.edit()
    with caplog.at_level(logging.WARNING):
        stage = bench.pipeline.stage("table")
        assert bench.materializer.locate(stage, params, DAY) == first["table"].record
    assert not caplog.records
    assert second["table"].record.started_at > first["table"].record.started_at


def test_locate_falls_back_on_the_newest_revision_with_a_warning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.run()
    bench.edit(table="2")
    newest = bench.run()["table"].record
    bench.edit(table="3")
    with caplog.at_level(logging.WARNING):
        stage = bench.pipeline.stage("table")
        assert bench.materializer.locate(stage, PARAMS.defaults, DAY) == newest
    (warning,) = caplog.records
    assert warning.getMessage() == (
        f"table: code or data have changed since {newest.run_id} was made;"
        f" using its revision {newest.revision} all the same"
    )


def test_what_is_built_on_an_older_revision_says_so(bench: Bench) -> None:
    table = bench.run(["table"])["table"].record
    bench.edit(table="2")
    (planned,) = bench.plan(["features"])
    made = bench.run(["features"])["features"]
    assert made.reason == planned.sentence
    assert made.reason == (
        f"features: computed: nothing is published yet (table reused from {table.run_id}, revision"
        f" {table.revision}, although its code or data have changed since)"
    )


def test_selection_builds_on_the_current_upstream(bench: Bench) -> None:
    bench.run()
    bench.edit(table="2")
    bench.tell(f"outside-{DAY}", "9")
    bench.run(["table"])
    made = bench.run(["features"])
    assert bench.value(made["features"]) == fresh()["features"]


def test_selection_without_its_upstream_lists_what_there_is(bench: Bench) -> None:
    for values in ({}, {"window": 3}, {"window": 3, "rows": 8}, {"region": "south", "rows": 9}):
        bench.run(["table", "features"], **values)
    with pytest.raises(ArtifactMissing) as refused:
        bench.run(["model"], rows=8)
    wanted = toy().stage("features").slot(PARAMS.parse({"rows": 8}), DAY).run_id
    ids = [
        toy().stage("features").slot(PARAMS.parse(values), DAY).run_id
        for values in (
            {"window": 3, "rows": 8},
            {},
            {"region": "south", "rows": 9},
            {"window": 3},
        )
    ]
    assert str(refused.value) == (
        "'features' must be published for as_of=2026-01-05, region=north, rows=8, window=2"
        f" (run id {wanted}), but is not.\n"
        "Published for features, nearest first:\n"
        f"  {ids[0]}  differs in window 3 (you: 2)\n"
        f"  {ids[1]}  differs in rows 6 (you: 8)\n"
        f"  {ids[2]}  differs in region south (you: north); rows 9 (you: 8)\n"
        f"  {ids[3]}  differs in rows 6 (you: 8); window 3 (you: 2)\n"
        "To make it, select 'features' in the same run, or type:\n"
        "  ml-pipeline run --as-of 2026-01-05 --param region=north --param rows=8"
        " --param window=2 --select features"
    )


def test_selection_without_its_upstream_in_an_empty_store_says_so(bench: Bench) -> None:
    with pytest.raises(ArtifactMissing) as refused:
        bench.run(["score"])
    wanted = toy().stage("model").slot(PARAMS.defaults, DAY).run_id
    assert str(refused.value) == (
        "'model' must be published for as_of=2026-01-05, region=north, rows=6, window=2,"
        f" learning_rate=0.1 (run id {wanted}), but is not.\n"
        f"Nothing is published for model in {bench.root}.\n"
        "To make it, select 'model' in the same run, or type:\n"
        "  ml-pipeline run --as-of 2026-01-05 --param region=north --param rows=6"
        " --param window=2 --param learning_rate=0.1 --select model"
    )
    assert bench.started() == []


def test_selection_of_an_unknown_stage_names_the_nearest(bench: Bench) -> None:
    with pytest.raises(PipelineError) as refused:
        bench.run(["modle"])
    assert str(refused.value) == "'modle' is no asset of pipeline 'toy'. Did you mean 'model'?"


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


# Records


def test_record_tells_what_was_made_of_what(bench: Bench) -> None:
    around = Provenance(dagster_run_id="abc", git_commit="f00", python="3")
    params = PARAMS.parse({"rows": 7, "learning_rate": 0.3}, origin="command line")
    materializer = Materializer(bench.pipeline, bench.store, lambda: around)
    began = datetime.now(UTC)
    made = {o.record.asset: o.record for o in materializer.run(params, DAY)}
    model, features = made["model"], made["features"]
    assert model.as_of == DAY
    assert model.identity == {
        "scheme": 1,
        "as_of": "2026-01-05",
        "params": {
            "data": {"region": "north", "rows": 7},
            "shape": {"window": 2},
            "fit": {"learning_rate": 0.3},
        },
    }
    assert model.params["fit"] == {"learning_rate": 0.3, "workers": 1}
    assert model.origins == {"data.rows": "command line", "fit.learning_rate": "command line"}
    assert features.origins == {"data.rows": "command line"}
    assert features.params == {"data": {"region": "north", "rows": 7}, "shape": {"window": 2}}
    assert model.provenance == around
    assert began <= model.started_at <= datetime.now(UTC)
    assert 0 < model.duration_s < 60
    assert made["table"].external == "outside-0"
    assert model.external is None
    assert made["table"].content.shape == {"rows": 7, "columns": 2}
    read = model.inputs["features"]
    assert (read.run_id, read.revision, read.digest) == (
        features.run_id,
        features.revision,
        features.content.digest,
    )
    assert (bench.root / read.path / "record.json").exists()
    on_disk = json.loads((bench.root / read.path / "record.json").read_text())
    assert on_disk["run_id"] == features.run_id


def test_record_holds_metrics_and_picture_of_a_result(bench: Bench) -> None:
    score = bench.run()["score"]
    assert score.record.metrics == {"r2": bench.value(score)["r2"]}
    assert score.record.picture == PICTURE
    again = bench.run()["score"]
    assert again.reused
    assert again.record.metrics == score.record.metrics


def test_records_name_no_host_user_or_directory(bench: Bench) -> None:
    for outcome in bench.run().values():
        text = bench.record(outcome).read_text()
        assert str(bench.folder) not in text


def test_store_can_be_moved(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    bench.started()
    shutil.move(bench.root, tmp_path / "moved")
    store = ArtifactStore(str(tmp_path / "moved"))
    made = list(Materializer(toy(), store).run(PARAMS.defaults, DAY))
    assert bench.started() == []
    assert {o.record.asset: plain(store.load(o.slot, o.record)) for o in made} == fresh()


def test_group_with_a_default_that_follows_another_is_one_run_with_the_typed_value(
    bench: Bench,
) -> None:
    class Follower(ParamGroup):
        """Follows."""

        follows = ("data",)
        depth: int | None = None

        def resolved(self, others: dict[str, Data]) -> "Follower":  # type: ignore[override]
            return self if self.depth else Follower(depth=others["data"].rows * 2)

    bench.pipeline = Pipeline("following", ParamModel(data=Data, follower=Follower))

    @bench.pipeline.asset(code_version="1")
    def doubled(follower: Follower) -> dict[str, int | None]:
        enter("doubled")
        return {"depth": follower.depth}

    assert bench.value(bench.run(as_of=None, rows=5)["doubled"]) == {"depth": 10}
    assert bench.value(bench.run(as_of=None, rows=9, depth=10)["doubled"]) == {"depth": 10}
    assert bench.started() == ["doubled"]
