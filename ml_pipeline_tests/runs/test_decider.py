import logging
from datetime import UTC, datetime, timedelta

import pytest

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, PipelineError
from ml_pipeline.runs.decisions import Decision, Undecided
from ml_pipeline.runs.point import Point
from ml_pipeline_tests.toys.bench import DAY, Bench, age, flip
from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, fresh, toy

ALL = list(STAGES)


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
    mended = Point(bench.materializer, params, DAY).make(first)
    standing = bench.record(mended).stat()
    again = Point(bench.materializer, params, DAY).make(second)
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
