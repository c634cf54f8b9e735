"""Sweeps over the toy pipeline, from the plan to what came of it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline_tests.toys import sweeps as toy
from ml_pipeline_tests.toys.sweep_bench import Bench, days, outcome


def expected(day: date | None, **values: Any) -> float:
    """Compute the objective with plain calls."""
    groups: Any = toy.PARAMS.parse(values).groups
    rows = toy.table(day, groups["data"], groups["around"])
    fitted = toy.model(day, rows, groups["data"], groups["fit"], groups["around"])
    return toy.loss(fitted, rows, groups["fit"])


def sentence(bench: Bench, count: int = 1, **values: Any) -> str:
    return bench.sweep(count, **values).plan().sentence


# Results


def test_grid_over_dates_is_what_plain_calls_give(bench: Bench) -> None:
    swept = bench.run(3, learning_rate="0.01,0.1", depth="range(3,6)")
    assert [attempt.state for attempt in swept.attempts] == ["complete"] * 6
    for attempt in swept.attempts:
        told = attempt.told
        each = [expected(day, **told) for day in days(3)]
        assert [cell.metrics["loss"] for cell in attempt.cells.values()] == each
        assert attempt.value == pytest.approx(sum(each) / 3, abs=1e-15)
    assert swept.best is not None
    assert swept.best.told == {"learning_rate": 0.1, "depth": 4}
    assert swept.objective is not None
    assert swept.objective.metric == "loss"
    assert swept.stopped is None


def test_sweep_and_single_runs_share_their_artifacts_both_ways(bench: Bench) -> None:
    params = toy.PARAMS.parse({"learning_rate": "0.10", "depth": 2, "home": str(bench.home)})
    made = {o.record.asset: o for o in bench.materializer.run(params, days(1)[0])}
    bench.calls()
    swept = bench.run(learning_rate="1e-1,0.2", depth="2,3")
    assert len([call for call in bench.calls() if call.startswith("model")]) == 3
    (reused,) = [cell for cell in swept.cells if cell.reused]
    score = made["score"].record
    assert (reused.run_id, reused.metrics) == (score.run_id, score.metrics)
    assert len(list(bench.store.directories("score"))) == 4
    for attempt in swept.attempts:
        single = toy.PARAMS.parse({**attempt.trial.varied, "home": str(bench.home)})
        outcomes = list(bench.materializer.run(single, days(1)[0]))
        assert all(outcome.reused for outcome in outcomes)
        (cell,) = attempt.cells.values()
        assert outcomes[-1].record.run_id == cell.run_id
    assert bench.calls() == []


def test_sweep_tells_of_what_it_made_once_and_of_judged_ones_that_were_there(bench: Bench) -> None:
    bench.run(depth="3")
    heard: list[tuple[int, str, bool]] = []
    bench.sweep(2, depth="3,4").run(
        heard=lambda trial, made: heard.append((trial.number, made.record.asset, made.reused))
    )
    assert heard[0] == (0, "score", True)
    made = [(trial, asset) for trial, asset, _ in heard[1:]]
    assert not any(reused for _, _, reused in heard[1:])
    assert sorted(made) == [
        *((0, name) for name in ("model", "score", "table")),
        *((1, name) for name in ("model", "model", "score", "score")),
    ]
    assert all(made.index((n, "model")) < made.index((n, "score")) for n in (0, 1))


def test_sweep_again_reuses_everything_and_starts_nobody(bench: Bench) -> None:
    first = bench.run(2, depth="1,2,3")
    bench.calls()
    sweep = bench.sweep(2, depth="3,2,1")
    sweep._start_workers = None  # type: ignore[assignment,method-assign]
    again = sweep.run()
    assert bench.calls() == []
    assert again.plan.sentence == "3 combinations x 2 dates: 6 reused, 0 to run"
    assert {a.trial.key: a.value for a in again.attempts} == {
        a.trial.key: a.value for a in first.attempts
    }


def test_sweep_again_runs_only_what_is_missing_or_failed(bench: Bench) -> None:
    told = bench.tell("told")
    values = {"depth": "1,2,3", "act": "compute,fail_while_told"}
    first = bench.run(2, **values)
    assert len(first.failures) == 6
    bench.calls()
    told.unlink()
    assert sentence(bench, 2, **values).startswith("6 combinations x 2 dates: 6 reused, 6 to run")
    second = bench.run(2, **values)
    assert second.failures == []
    assert len([call for call in bench.calls() if call.startswith("model")]) == 6
    assert sentence(bench, 2, depth="1,2,3,4").startswith(
        "4 combinations x 2 dates: 6 reused, 2 to run"
    )


def test_sweep_with_force_computes_again(bench: Bench) -> None:
    bench.run(depth="1,2")
    bench.calls()
    swept = bench.run(depth="1,2", force=True)
    assert not any(cell.reused for cell in swept.cells)
    assert bench.calls() == [
        "model 2026-01-01 0.1 1",
        "model 2026-01-01 0.1 2",
        "score 2026-01-01",
        "score 2026-01-01",
        "table 2026-01-01",
    ]


def test_sweep_after_an_edit_computes_again(bench: Bench, monkeypatch: Any) -> None:
    first = bench.run(depth="1,2")
    edited = dict(toy.PIPELINE.stages)
    edited["score"] = replace(edited["score"], code="2")
    monkeypatch.setattr(toy.PIPELINE, "stages", edited)
    sweep = bench.sweep(depth="1,2")
    assert sweep.plan().to_run == 2
    assert sweep.study_name != first.study


def test_study_of_a_sweep_is_another_one_where_a_declared_file_is(
    bench: Bench, monkeypatch: Any
) -> None:
    weights = bench.folder / "weights.txt"
    weights.write_text("1")
    declared = dict(toy.PIPELINE.stages)
    declared["score"] = replace(declared["score"], files={"weights.txt": weights})
    monkeypatch.setattr(toy.PIPELINE, "stages", declared)
    before = bench.sweep(depth="1,2").study_name
    assert bench.sweep(depth="1,2").study_name == before
    weights.write_text("2")
    assert bench.sweep(depth="1,2").study_name != before


def test_failed_trials_are_listed_and_stop_nobody(bench: Bench) -> None:
    swept = bench.run(2, act="compute,fail,time_out,be_odd,exit,not_a_number", on_day=2)
    reasons = {reason: len(cells) for reason, cells in swept.failures_by_reason.items()}
    assert reasons == {
        "RuntimeError: told to fail": 1,
        "TimeoutError: the network took too long": 1,
        "OddError: this and that": 1,
        "SystemExit: told to exit": 1,
        (
            "Metric 'loss' of 'score' must be a finite number, but is nan. Leave it out where it is"
            " undefined."
        ): 2,
    }
    assert [attempt.state for attempt in swept.attempts] == ["complete", *["failed"] * 5]
    assert swept.best is not None
    assert swept.best.told == {"act": "compute"}
    document = json.loads(json.dumps(swept.document))
    assert document["trials"][1]["cells"][1]["error"] == "RuntimeError: told to fail"
    assert document["trials"][1]["varied"] == {"fit.act": "fail"}


def test_what_stages_print_goes_to_the_log(bench: Bench, capfd: Any) -> None:
    bench.run(act="print,fail")
    log = bench.log.read_text()
    assert "a stage printed this\n" in log
    assert "a stage complained\n" in log
    assert "RuntimeError: told to fail\n" in log
    assert capfd.readouterr() == ("", "")


# Dates


def test_dates_may_repeat(bench: Bench) -> None:
    sweep = bench.sweep(2, depth="1,2")
    again = type(sweep)(
        sweep.request, [*sweep.dates, *sweep.dates], bench.pipeline, bench.store, sweep.studies
    )
    swept = again.run()
    assert [attempt.state for attempt in swept.attempts] == ["complete"] * 2
    assert swept.plan.dates == 2
    assert len(swept.cells) == 4


def test_dates_may_be_none_at_all(bench: Bench) -> None:
    swept = bench.run(0, depth="[1..9]", search={"n_trials": 4})
    assert [attempt.state for attempt in swept.attempts] == ["complete"] * 4
    for attempt in swept.attempts:
        assert attempt.value == expected(None, **attempt.told)
        assert attempt.document["cells"][0]["as_of"] is None


# Objectives


def test_grid_over_what_decides_the_objective_has_no_best(bench: Bench) -> None:
    swept = bench.run(2, region="north,south", depth="1,2")
    assert [attempt.state for attempt in swept.attempts] == ["complete"] * 4
    assert swept.best is None
    assert swept.objective is None
    assert {tuple(cell.metrics) for cell in swept.cells} == {("loss", "levels"), ("gain",)}
    assert not bench.studies.exists()


def test_metric_other_than_the_objective(bench: Bench) -> None:
    search = {"metric": "levels", "direction": "maximize"}
    swept = bench.run(depth="1,7,2", search=search)
    assert swept.best is not None
    assert swept.best.value == 7.0


def test_metric_that_does_not_exist_ends_the_sweep_at_once(bench: Bench) -> None:
    search = {"metric": "losss", "direction": "minimize"}
    with pytest.raises(PipelineError) as caught:
        bench.run(depth="range(1,21)", search=search)
    assert str(caught.value) == (
        "the objective 'losss' must be one of the metrics, but they are loss, levels. Did you mean"
        " 'loss'? What was computed stays and will be reused."
    )
    assert len([call for call in bench.calls() if call.startswith("model")]) < 10


def test_metric_that_some_trials_lack_fails_those(bench: Bench) -> None:
    # One worker: a metric that the first result lacks is taken for a typing error.
    search = {"metric": "loss", "direction": "minimize", "workers": 1}
    swept = bench.run(region="north,south", search=search)
    assert [attempt.state for attempt in swept.attempts] == ["complete", "failed"]
    (cell,) = swept.failures
    assert cell.error == "the objective 'loss' must be one of the metrics, but they are gain."


def test_pipeline_without_an_objective_is_swept_all_the_same(bench: Bench) -> None:
    swept = bench.with_pipeline(toy.NO_OBJECTIVE).run(depth="1,2")
    assert [attempt.state for attempt in swept.attempts] == ["complete"] * 2
    assert swept.best is None


def test_sweep_of_nothing_is_one_run(bench: Bench) -> None:
    swept = bench.run(depth=5)
    assert swept.plan.sentence.startswith("1 combination x 1 date: 0 reused, 1 to run")
    assert [attempt.state for attempt in swept.attempts] == ["complete"]


def test_values_of_every_kind_make_the_runs_that_single_values_make(bench: Bench) -> None:
    values = {
        "bias": "none,0.5",
        "weights": "[1],[1, 2]",
        "fancy": "true,false",
        "label": '"a,b",[c',
    }
    swept = bench.run(**{**values, "label": '"a,b",c'})
    assert len(swept.attempts) == 16
    assert swept.failures == []
    for attempt in swept.attempts:
        assert attempt.value == expected(days(1)[0], **attempt.told)


# Plans


def test_plan_counts_what_will_happen(bench: Bench) -> None:
    bench.run(2, depth="1,2", learning_rate="0.1,0.2")
    said = sentence(
        bench,
        3,
        depth="0,1,2,3",
        learning_rate="0.1,0.10,0.3",
        search={"skip_invalid": True},
    )
    head, _, tail = said.partition(", about ")
    assert head == (
        "12 combinations x 3 dates: 4 reused, 3 duplicates dropped, 3 invalid (fit.depth must be"
        " integer >= 1 and <= 64, but got '0'), 14 to run"
    )
    assert tail == "1 s on 2 workers"


def test_plan_estimates_from_earlier_runs(bench: Bench) -> None:
    bench.run(depth="1,2", pause_s=0.4)
    plan = bench.sweep(10, depth="3,4").plan()
    assert plan.to_run == 20
    assert plan.estimated_s == pytest.approx(20 * 0.4 / 2, rel=0.5)


def test_plan_touches_nothing(bench: Bench) -> None:
    before = set(bench.folder.rglob("*"))
    sentence(bench, depth="1,2")
    sentence(bench, depth="[1..9]")
    left = set(bench.folder.rglob("*")) - before
    assert left == {bench.folder / "store"}


def test_plan_of_a_date_that_cannot_be_computed_counts_it_as_to_run(bench: Bench) -> None:
    bench.run(2, depth="1,2", table_act="fail", on_day=2)
    said = sentence(bench, 2, depth="1,2", table_act="fail", on_day=2)
    assert said.startswith("2 combinations x 2 dates: 2 reused, 2 to run")


# Progress and limits


def test_progress_goes_from_nothing_to_everything(bench: Bench) -> None:
    seen = []
    bench.run(depth="1,2")
    swept = bench.sweep(2, depth="1,2,3", act="compute,fail").run(progress=seen.append)
    assert [progress.done for progress in seen] == list(range(1, 13))
    assert {progress.total for progress in seen} == {12}
    assert seen[-1].failed == len(swept.failures) == 6
    assert seen[-1].best is swept.best
    assert seen[-1].sentence.startswith(
        "12 of 12 done, 6 failed, best 0.1115 with depth=3, act=compute"
    )


def test_time_limit_of_a_grid_begins_nothing_more(bench: Bench) -> None:
    values = {"depth": "range(1,21)", "pause_s": 0.3}
    swept = bench.run(**values, search={"timeout_s": 1.0})
    done = len(swept.cells)
    assert 0 < done < 14
    assert swept.stopped == "the time limit is reached"
    states = [attempt.state for attempt in swept.attempts]
    assert states.count("complete") == done
    assert states.count("unfinished") == 20 - done
    assert len([call for call in bench.calls() if call.startswith("score")]) == done
    assert bench.run(**{**values, "pause_s": 0.0}).plan.reused == done


def test_time_limit_holds_while_shared_stages_run(bench: Bench) -> None:
    held = bench.tell("held")
    threading.Timer(1.5, held.unlink).start()
    swept = bench.run(depth="1,2,3", table_act="hold", search={"timeout_s": 0.5})
    assert swept.stopped == "the time limit is reached"
    assert swept.cells == []
    assert bench.calls() == ["table 2026-01-01"]


def test_time_limit_of_a_search_begins_nothing_more(bench: Bench) -> None:
    values = {"depth": "[1..40]", "pause_s": 0.3}
    swept = bench.run(2, **values, search={"timeout_s": 3.0, "n_trials": 30})
    assert swept.stopped == "the time limit is reached"
    complete = [attempt for attempt in swept.attempts if attempt.state == "complete"]
    assert 0 < len(complete) < 10
    again = bench.run(2, depth="[1..40]", search={"n_trials": len(complete) + 2})
    assert again.study == swept.study
    assert [a.trial.varied for a in again.attempts[: len(swept.attempts)]] == [
        a.trial.varied for a in swept.attempts
    ]
    assert all(attempt.state == "complete" for attempt in again.attempts)


# Two at once


def test_two_sweeps_over_one_grid_share_it_and_wait_for_each_other_at_the_end_only(
    bench: Bench,
) -> None:
    one_each = replace(bench, workers=1)
    values = {"depth": "range(1,13)", "pause_s": 0.05}
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(one_each.run, 2, **values) for _ in range(2)]
        swept = [one.result() for one in both]
    made = [{(c.as_of, c.run_id) for c in one.cells if not c.reused} for one in swept]
    assert not made[0] & made[1]
    assert len(made[0] | made[1]) == 24
    assert min(len(one) for one in made) >= 4
    assert [outcome(one) for one in swept] == [outcome(bench.run(2, **values))] * 2
    assert len(bench.calls()) == 2 + 2 * 24


def test_sweep_of_another_study_is_refused(bench: Bench) -> None:
    mine = {"study": "mine", "n_trials": 2}
    bench.run(depth="[1..3]", search=mine)
    with pytest.raises(ParamsError, match="a study of the same dates, since its trials are"):
        bench.run(2, depth="[1..3]", search=mine)
    assert bench.run(depth="[1..3]", search={**mine, "n_trials": 3}).failures == []
    with pytest.raises(ParamsError, match="a study of the same parameters, since"):
        bench.run(depth="[1..3]", learning_rate="0.3", search=mine)
    with pytest.raises(ParamsError, match="a study of the same parameters, since"):
        bench.sweep(depth="[1..4]", search=mine).plan()


def test_sweep_ends_although_its_study_cannot_be_written(bench: Bench, caplog: Any) -> None:
    bench.studies.touch()
    swept = bench.run(depth="1,2")
    assert swept.best is not None
    assert "the trials are not noted in a study" in caplog.text


def test_workers_are_as_many_as_there_is_work_for(bench: Bench) -> None:
    assert bench.sweep(depth="1,2,3", search={"workers": 64}).plan().workers == 3
    assert bench.sweep(depth=1, search={"workers": 64}).plan().workers == 1


def test_progress_that_raises_ends_the_sweep_and_its_workers(bench: Bench) -> None:
    def give_up(_progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.sweep(depth="range(1,9)", pause_s=0.1).run(progress=give_up)
