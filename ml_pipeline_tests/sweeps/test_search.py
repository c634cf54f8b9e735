"""Searches: what is proposed, told, pruned, taken up again."""

import threading
from typing import Any

import optuna
import pytest

from ml_pipeline.sweeps.swept import Swept
from ml_pipeline_tests.sweeps.test_study import opened
from ml_pipeline_tests.toys.sweep_bench import Bench, outcome

pytestmark = pytest.mark.long

SPACES = {"learning_rate": "log[1e-3..10]", "depth": "[1..9]"}


def fresh(bench: Bench, name: str) -> Bench:
    """Return a bench with a store of its own."""
    made = Bench(bench.folder / name)
    made.home.mkdir(parents=True)
    return made


def keys(swept: Swept) -> list[str]:
    return [attempt.trial.key for attempt in swept.attempts]


@pytest.mark.parametrize("strategy", ["random", "tpe", "qmc", "nsga2"])
def test_search_tries_as_many_sets_as_asked_no_two_alike(bench: Bench, strategy: str) -> None:
    search = {"strategy": strategy, "n_trials": 8}
    swept = bench.run(**SPACES, fancy="true,false", search=search)
    assert len(set(keys(swept))) == 8
    assert [attempt.state for attempt in swept.attempts] == ["complete"] * 8
    assert swept.plan.sentence.startswith(f"8 trials by {strategy} x 1 date: 0 reused, at most 8")


def test_search_by_tpe_beats_chance(bench: Bench) -> None:
    best = {}
    for strategy in ("random", "tpe"):
        swept = bench.run(**SPACES, search={"strategy": strategy, "n_trials": 30})
        assert swept.best is not None
        best[strategy] = swept.best.value
    assert best["tpe"] < best["random"] < 1


def test_search_proposes_the_same_whoever_is_faster(bench: Bench) -> None:
    """Two trials are in flight; which of them ends first must not matter."""
    found = []
    for slow in ((), (9, 11), (10, 12), (8, 9, 12, 13)):
        other = fresh(bench, f"slow{slow}")
        for place in slow:
            other.tell(f"slow-{place}")
        swept = other.run(**SPACES, act="dawdle", search={"n_trials": 16})
        found.append([(attempt.trial.varied, attempt.value) for attempt in swept.attempts])
    assert found[0] == found[1] == found[2] == found[3]


def test_search_with_another_seed_proposes_something_else(bench: Bench) -> None:
    one = bench.run(**SPACES, search={"n_trials": 4})
    other = bench.run(**SPACES, search={"n_trials": 4, "sampler_seed": 1})
    assert one.study != other.study
    assert set(keys(one)).isdisjoint(keys(other))


def test_search_again_is_reused(bench: Bench) -> None:
    first = bench.run(**SPACES, search={"n_trials": 5})
    bench.calls()
    assert bench.sweep(**SPACES, search={"n_trials": 5}).plan().sentence == (
        "5 trials by tpe x 1 date: 5 reused, at most 0 to run"
    )
    again = bench.run(**SPACES, search={"n_trials": 5})
    assert outcome(again) == outcome(first)
    assert bench.calls() == []


def test_search_that_is_extended_goes_on_as_if_it_had_been_longer(bench: Bench) -> None:
    straight = fresh(bench, "a").run(2, **SPACES, search={"n_trials": 13, "workers": 1})
    other = fresh(bench, "b")
    for count in (3, 11, 13):
        swept = other.run(2, **SPACES, search={"n_trials": count, "workers": 1})
        assert len(swept.attempts) == count
    assert outcome(swept) == outcome(straight)
    assert swept.plan.sentence.startswith("13 trials by tpe x 2 dates: 22 reused, at most 4 to run")


def test_search_takes_a_study_up_with_a_smaller_number(bench: Bench) -> None:
    bench.run(**SPACES, search={"n_trials": 5})
    swept = bench.run(**SPACES, search={"n_trials": 2})
    assert len(swept.attempts) == 5
    assert swept.plan.sentence == "5 trials by tpe x 1 date: 5 reused, at most 0 to run"


def test_search_of_a_small_space_ends_when_it_has_tried_everything(bench: Bench) -> None:
    values = {"depth": "[1..3]", "fancy": "true,false", "search": {"n_trials": 50}}
    swept = bench.run(**values)
    assert len(swept.attempts) == 6
    assert swept.stopped == "the strategy has nothing new to try"
    proposals = len(opened(bench.study_file(swept)).trials)
    again = bench.run(**values)
    assert outcome(again) == outcome(swept)
    assert len(opened(bench.study_file(swept)).trials) == proposals


def test_search_progress_ends_at_its_total(bench: Bench) -> None:
    seen: list[Any] = []
    values = {"depth": "[1..3]", "search": {"n_trials": 50}}
    bench.sweep(2, **values).run(progress=seen.append)
    assert seen[0].total == 100
    assert [seen[-1].done, seen[-1].total] == [6, 6]


def test_search_skips_proposals_that_are_not_valid(bench: Bench, caplog: Any) -> None:
    swept = bench.run(depth="[1..30]", rows="[2..40]", search={"n_trials": 10})
    assert len(swept.attempts) == 10
    assert swept.failures == []
    assert "is not valid: fit: `depth <= rows` must hold, but got" in caplog.text
    states = [trial.state for trial in opened(bench.study_file(swept)).trials]
    assert states.count(optuna.trial.TrialState.COMPLETE) == 10
    assert states.count(optuna.trial.TrialState.FAIL) == len(states) - 10 > 0


def test_search_over_values_of_every_kind(bench: Bench) -> None:
    swept = bench.run(
        bias="none,0.5",
        weights="[1],[1, 2]",
        fancy="true,false",
        label='"[a","{b"',
        search={"strategy": "random", "n_trials": 16},
    )
    assert swept.failures == []
    assert len(set(keys(swept))) == len(swept.attempts) > 10
    labels = {attempt.told["label"] for attempt in swept.attempts}
    assert labels == {"[a", "{b"}
    assert any(attempt.told["weights"] == [1.0, 2.0] for attempt in swept.attempts)
    assert any(attempt.told["bias"] is None for attempt in swept.attempts)


# Failures


def test_search_goes_on_after_failures_and_tries_them_again(bench: Bench) -> None:
    told = bench.tell("told")
    values = {"act": "compute,fail_while_told", "learning_rate": "log[1e-3..10]"}
    first = bench.run(**values, search={"n_trials": 8, "strategy": "random"})
    states = [attempt.state for attempt in first.attempts]
    assert set(states) == {"complete", "failed"}
    told.unlink()
    bench.calls()
    failed = states.count("failed")
    second = bench.run(**values, search={"n_trials": 8, "strategy": "random"})
    assert keys(second) == keys(first)
    assert [attempt.state for attempt in second.attempts] == ["complete"] * 8
    assert len([call for call in bench.calls() if call.startswith("model")]) == failed
    third = bench.run(**values, search={"n_trials": 8, "strategy": "random"})
    assert sorted(keys(third)) == sorted(keys(first))
    assert third.failures == []
    assert bench.calls() == []


def test_search_whose_trials_all_fail_ends(bench: Bench) -> None:
    for _ in range(2):
        swept = bench.run(depth="[1..30]", act="fail", search={"n_trials": 4})
        assert [attempt.state for attempt in swept.attempts] == ["failed"] * 4
        assert len(swept.failures) == 4
        assert swept.best is None


# Pruning


def pruned(bench: Bench, pruner: str, count: int = 12, **values: Any) -> Swept:
    search = {"pruner": pruner, "n_trials": count, "strategy": "random", "workers": 1}
    return bench.run(5, **SPACES, **values, search=search)


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_pruner_saves_dates_of_bad_trials_and_keeps_the_best(bench: Bench, pruner: str) -> None:
    seen: list[Any] = []
    search = {"pruner": pruner, "n_trials": 14, "strategy": "random", "workers": 1}
    swept = bench.sweep(5, **SPACES, search=search).run(progress=seen.append)
    states = [attempt.state for attempt in swept.attempts]
    assert set(states) == {"complete", "pruned"}
    cells = [len(attempt.cells) for attempt in swept.attempts]
    assert all(count == 5 for count, s in zip(cells, states, strict=True) if s == "complete")
    assert all(count < 5 for count, s in zip(cells, states, strict=True) if s == "pruned")
    assert len([call for call in bench.calls() if call.startswith("model")]) == sum(cells)
    assert (seen[-1].done, seen[-1].total) == (sum(cells), sum(cells))
    everything = fresh(bench, "all").run(5, **SPACES, search={**search, "pruner": "none"})
    assert keys(everything) == keys(swept)
    assert everything.best is not None
    assert swept.best is not None
    assert swept.best.trial.key == everything.best.trial.key


def test_pruned_trials_stay_pruned(bench: Bench) -> None:
    first = pruned(bench, "median")
    bench.calls()
    again = pruned(bench, "median")
    assert [attempt.state for attempt in again.attempts] == [
        attempt.state for attempt in first.attempts
    ]
    assert again.plan.to_run == 0
    assert bench.calls() == []
    states = {trial.state.name for trial in opened(bench.study_file(first)).trials}
    assert states == {"COMPLETE", "PRUNED"}


def test_trial_that_fails_on_its_first_date_is_not_tried_on_the_others(bench: Bench) -> None:
    swept = pruned(bench, "median", 3, act="fail", on_day=2)
    assert [len(attempt.cells) for attempt in swept.attempts] == [2, 2, 2]
    assert [attempt.state for attempt in swept.attempts] == ["failed"] * 3


# Several at one study


@pytest.mark.parametrize("strategy", ["random", "tpe"])
def test_sweeps_at_once_on_one_study_share_its_trials(bench: Bench, strategy: str) -> None:
    swept: list[Swept] = []
    search = {"n_trials": 16, "workers": 1, "study": "ours", "strategy": strategy}

    def run() -> None:
        swept.append(bench.run(depth="[1..40]", fancy="true,false", pause_s=0.05, search=search))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    done = [key for one in swept for key in keys(one)]
    assert len(swept) == 2
    assert 16 <= len(set(done)) <= 17
    models = [call for call in bench.calls() if call.startswith("model")]
    assert len(models) == len(set(done))
    trials = opened(bench.studies / "ours.log").trials
    assert len({t.user_attrs["key"] for t in trials if "why" not in t.user_attrs}) == len(set(done))
