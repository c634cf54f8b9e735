"""Scoring with what an environment has: which run, which share, and what is reused."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, PipelineError, ServingRefused
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.decisions import Decision, Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import Terms, promote, roll_back
from ml_pipeline.runs.served import Served
from ml_pipeline.runs.serving import Serving
from ml_pipeline.runs.serving_params import ServingParams
from ml_pipeline.runs.shares import share_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline_tests.toys.bench import DAY, Bench, entry_of, flip
from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, Data
from ml_pipeline_tests.toys.scoring import CUSTOMERS, SERVING, entered, scoring

BEFORE = DAY - timedelta(days=3)


class Scoring:
    """Scores with what the environment `prod` has in the bench's store."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    @property
    def materializer(self) -> Materializer:
        return Materializer(scoring(self.bench.pipeline), self.bench.store)

    def __call__(self, as_of: date = DAY, **values: Any) -> Outcome:
        (outcome,) = self.materializer.run(SERVING.parse(values), as_of)
        return outcome

    def table(self, as_of: date = DAY, **values: Any) -> pl.DataFrame:
        outcome = self(as_of, **values)
        found: pl.DataFrame = self.bench.store.load(outcome.slot, outcome.record)
        return found

    def why(self, **values: Any) -> str:
        (decision,) = self.materializer.plan(SERVING.parse(values), DAY)
        assert isinstance(decision, Decision)
        return decision.sentence


@pytest.fixture
def score(bench: Bench) -> Scoring:
    return Scoring(bench)


def champion(bench: Bench, as_of: date = BEFORE, terms: Terms | None = None, **values: Any) -> str:
    """Promote a run, and return its id."""
    made = bench.run(as_of=as_of, **values)["score"]
    promote(bench.store, entry_of(made), "prod", terms)
    bench.started()
    return made.record.run_id


# What scores


def test_champion_scores_with_the_parameters_that_it_was_trained_with(
    bench: Bench, score: Scoring
) -> None:
    made = bench.run(as_of=BEFORE, learning_rate=2, window=5, region="south")
    promote(bench.store, entry_of(made["score"]), "prod")
    line = bench.store.load(made["model"].slot, made["model"].record)
    bench.tell(f"outside-{DAY}", "100")
    found = score.table()
    run_id = made["score"].record.run_id
    expected = [float(line.predict([[n * 5]])[0]) + 100 for n in range(10)]
    assert found["score"].to_list() == expected
    assert set(found["run_id"]) == {run_id}
    record = score().record
    told = record.others["@champion"]
    assert told.version.startswith(f"{run_id}/{made['score'].record.revision}/")
    assert (told.partition, told.about) == (str(BEFORE), {"region": "south"})


def test_scores_are_computed_once_for_a_champion_and_anew_for_another(
    bench: Bench, score: Scoring
) -> None:
    first = champion(bench)
    one = score()
    assert (one.reused, score().reused) == (False, True)
    second = champion(bench, learning_rate=3)
    assert f"scores: computed: champion {first}/" in score.why()
    assert f" -> {second}/" in score.why()
    two = score()
    # A run id says what was asked for; what scored is another revision of it.
    assert two.record.run_id == one.record.run_id
    assert two.record.revision != one.record.revision
    roll_back(bench.store, "prod")
    back = score()
    assert (back.reused, back.record.revision) == (True, one.record.revision)
    bench.tell(f"outside-{DAY}", "7")
    assert "source data changed" in score.why()
    assert bench.started() == ["scores"]


def test_champion_that_comes_while_another_scores_scores_instead(
    bench: Bench, score: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion(bench)
    better = bench.run(as_of=BEFORE, learning_rate=3)["score"]
    challenged = Served.challenged

    def meanwhile(self: Served, keys: tuple[str, ...]) -> list[bool]:
        promote(bench.store, entry_of(better), "prod")
        return challenged(self, keys)

    monkeypatch.setattr(Served, "challenged", meanwhile)
    assert set(score.table()["run_id"]) == {better.record.run_id}
    assert score().record.others["@champion"].version.startswith(better.record.run_id)


def test_nothing_promoted_is_refused_with_the_command_that_promotes(
    bench: Bench, score: Scoring
) -> None:
    for day, how in ((DAY, "present"), (DAY, "of_the_day")):
        with pytest.raises(ArtifactMissing, match="promote RUN_ID --to NAME"):
            score(day, champion=how)
    serving = Serving(scoring(bench.pipeline), bench.store)
    (problem,) = serving.problems(SERVING.parse({}))
    assert "A run of pipeline 'toy' must have been promoted" in problem
    bench.store.environment = "prod"
    serving.store.environment = "prod"
    (problem,) = serving.problems(SERVING.parse({"champion": "of_the_day"}))
    assert "must have been promoted to 'prod'" in problem


def test_champions_of_several_environments_are_refused_where_none_is_configured(
    bench: Bench, score: Scoring
) -> None:
    champion(bench)
    other = bench.run(as_of=BEFORE, learning_rate=3)["score"]
    promote(bench.store, entry_of(other), "staging")
    with pytest.raises(ServingRefused, match="those of prod, staging, and no environments"):
        score()


# Of which day


def test_champion_of_the_day_is_what_the_ledger_had_when_the_day_ended(
    bench: Bench, score: Scoring
) -> None:
    made = [bench.run(as_of=BEFORE, learning_rate=rate) for rate in (0.1, 0.2, 0.3)]
    midnight = datetime(2026, 1, 6, tzinfo=UTC)
    moment = timedelta(microseconds=1)
    times = (midnight - timedelta(days=1) - moment, midnight - moment, midnight)
    ids = [entered(bench.store, one, at=at).run_id for one, at in zip(made, times, strict=True)]
    days = [DAY + timedelta(days=d) for d in (-1, 0, 1)]
    found = [score.table(day, champion="of_the_day")["run_id"].unique().item() for day in days]
    assert found == ids


def test_day_without_a_champion_is_refused_alone(bench: Bench, score: Scoring) -> None:
    made = bench.run(as_of=BEFORE)
    entered(bench.store, made, at=datetime(2026, 1, 5, 12, tzinfo=UTC))
    with pytest.raises(ArtifactMissing, match=r"when 2026-01-04 ended, but got its first at 2026"):
        score(DAY - timedelta(days=1), champion="of_the_day")
    assert score(champion="of_the_day").reused is False


def test_run_that_was_trained_on_later_days_scores_with_hindsight_alone(
    bench: Bench, score: Scoring
) -> None:
    run_id = champion(bench, as_of=DAY)
    assert score().record.others["@champion"].about == {"region": "north"}
    with pytest.raises(ServingRefused, match=rf"champion {run_id} was trained as of 2026-01-05"):
        score(BEFORE)
    late = score(BEFORE, hindsight=True)
    assert late.record.others["@champion"].about["trained_after"] is True


# Shares


@pytest.mark.parametrize(
    ("asked", "flag", "share"),
    [
        (None, None, 0),
        (None, 0.5, 0.5),
        (None, 1, 1),
        (0.0, 0.5, 0),
        (1.0, 0.5, 1),
        (0.3, None, 0.3),
    ],
)
def test_share_is_what_is_asked_for_or_the_flag_or_none(
    bench: Bench, score: Scoring, asked: float | None, flag: float | None, share: float
) -> None:
    first = champion(bench)
    flags = {} if flag is None else {"share": flag}
    second = champion(bench, terms=Terms(alias="challenger", flags=flags), learning_rate=3)
    found = score.table(share=asked)
    expected = [second if share_of(key, second) < share else first for key in CUSTOMERS]
    assert found["run_id"].to_list() == expected
    told = score(share=asked).record.others
    assert ("@challenger" in told) == (share > 0)
    if share:
        assert told["@challenger"].about["share"] == share


def test_share_of_the_champion_counts_and_another_makes_another_revision(
    bench: Bench, score: Scoring
) -> None:
    champion(bench, terms=Terms(flags={"share": 0.3}))
    champion(bench, terms=Terms(alias="challenger"), learning_rate=3)
    one = score()
    champion(bench, terms=Terms(flags={"share": 0.6}))
    assert "share of challenger 0.3 -> 0.6" in score.why()
    assert score().record.revision != one.record.revision


@pytest.mark.parametrize(
    ("flags", "values", "told"),
    [
        ({"share": "half"}, {}, r"from 0 to 1, but the flag share of champion \w+ is 'half'"),
        ({"share": True}, {}, "is 'True'"),
        ({"share": 1.5}, {}, "is '1.5'"),
        ({"share": 0.5}, {}, r"must have a challenger .* asks for 0.5, and 'prod' has none"),
        ({}, {"share": 0.2}, r"share=0.2 asks for 0.2, .* --alias challenger"),
    ],
)
def test_share_that_cannot_be_scored_is_refused_before_and_in_the_run(
    bench: Bench, score: Scoring, flags: dict[str, Any], values: dict[str, Any], told: str
) -> None:
    champion(bench, terms=Terms(flags=flags))
    with pytest.raises(ServingRefused, match=told):
        score(**values)
    serving = Serving(scoring(bench.pipeline), bench.store)
    assert len(list(serving.problems(SERVING.parse(values)))) == 1
    # What no share asks for disturbs nobody.
    assert score(share=0).reused is False


# What must not be used


def test_model_whose_features_are_made_otherwise_here_is_refused(
    bench: Bench, score: Scoring
) -> None:
    run_id = champion(bench)
    bench.edit(score="2", model="2")
    score()
    bench.edit(features="2")
    bench.tell(f"outside-{DAY}", "1")
    with pytest.raises(
        ServingRefused, match=rf"'model' of champion {run_id} wants a 'features' made by the code"
    ):
        score()


def damage(bench: Bench, made: dict[str, Outcome]) -> None:
    flip(bench.data(made["model"]))


def lose(bench: Bench, made: dict[str, Outcome]) -> None:
    bench.record(made["model"]).unlink()


@pytest.mark.parametrize(
    ("break_it", "error"), [(damage, ArtifactDamaged), (lose, ArtifactMissing)]
)
def test_model_that_is_not_what_was_promoted_is_refused(
    bench: Bench,
    score: Scoring,
    break_it: Callable[[Bench, dict[str, Outcome]], None],
    error: type[Exception],
) -> None:
    made = bench.run(as_of=BEFORE)
    promote(bench.store, entry_of(made["score"]), "prod")
    break_it(bench, made)
    with pytest.raises(error):
        score()


def test_run_of_another_pipeline_is_refused(bench: Bench, score: Scoring) -> None:
    other = Pipeline("other", PARAMS)

    @other.asset
    def numbers(as_of: date, data: Data) -> dict[str, int]:
        return {"rows": data.rows}

    (made,) = Materializer(other, bench.store).run(PARAMS.parse({}), BEFORE)
    promote(bench.store, entry_of(made), "prod")
    with pytest.raises(ServingRefused, match="must be a run of pipeline 'toy', but is one of num"):
        score()


# Declarations


def test_pipeline_that_serves_has_the_parameters_of_that() -> None:
    with pytest.raises(PipelineError, match="but serves one and has no such group"):
        Pipeline("half", PARAMS, serves=Pipeline("toy", PARAMS))
    with pytest.raises(PipelineError, match="but serves none and has serving"):
        Pipeline("half", ParamModel(serving=ServingParams))

    def late(as_of: date, served: Served) -> dict[str, int]:
        return {}

    with pytest.raises(PipelineError, match="'late' takes what is served, so pipeline 'toy' must"):
        Pipeline("toy", PARAMS).asset(late)
    assert scoring(Pipeline("toy", PARAMS)).stage("scores").scope == ("serving",)
    assert "scores" not in STAGES
