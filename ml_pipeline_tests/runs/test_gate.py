import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import QueryError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.criterion import Criterion
from ml_pipeline.runs.gate import Gate, Outcome
from ml_pipeline.store.record import Objective

FIRST = date(2026, 1, 1)
ERROR = Objective(metric="error", direction="minimize")
GAIN = Objective(metric="gain", direction="maximize")
VALUES = st.floats(allow_nan=False, allow_infinity=False)


def judged(
    values: Sequence[float], metric: str = "error", first: date = FIRST
) -> dict[AsOf | None, dict[str, float]]:
    return {first + timedelta(days=n): {metric: value} for n, value in enumerate(values)}


def verdicts(outcome: Outcome) -> list[str]:
    return [figure.verdict for figure in outcome.figures]


def test_gate_judges_means_over_the_dates_that_both_have() -> None:
    candidate = judged([9.0, 0.125, 0.25])
    champion = judged([0.1875, 0.1875, 9.0], first=FIRST + timedelta(days=1))
    outcome = Gate.of(["error <= 0.25", "error within 2%"], 2).judge(candidate, champion, ERROR)
    assert outcome.passed
    assert outcome.dates == ("2026-01-02", "2026-01-03")
    first, second = outcome.figures
    assert (first.candidate, first.champion, first.limit) == (0.1875, 0.1875, 0.25)
    assert (first.difference, first.dates, first.direction) == (0.0, 2, "minimize")
    assert second.limit == pytest.approx(0.19125)
    assert outcome.sentence == (
        "The candidate passes: error 0.1875 is <= 0.25; error 0.1875 is that of the champion; over"
        " 2 dates from 2026-01-02 to 2026-01-03."
    )


TABLE: list[tuple[Objective, list[float], list[float] | None, str, bool, str]] = [
    (ERROR, [0.3], [0.2], "error <= 0.25", False, "error 0.3 is not <= 0.25"),
    (ERROR, [0.1], [0.2], "error < 0.25", True, "error 0.1 is < 0.25"),
    (GAIN, [0.7], [0.8], "gain >= 0.75", False, "gain 0.7 is not >= 0.75"),
    (
        ERROR, [0.21], [0.2], "error within 2%", False,
        "error 0.21 must be at most 0.204, within 2% of the champion's 0.2",
    ),
    (
        ERROR, [0.203], [0.2], "error within 2%", True,
        "error 0.203 is within 2% of the champion's 0.2",
    ),
    (ERROR, [0.1], [0.2], "error within 2%", True, "error 0.1 is better than the champion's 0.2"),
    (
        ERROR, [0.20400001], [0.2], "error within 2%", False,
        "error 0.20400001 must be at most 0.204, within 2% of the champion's 0.2",
    ),
    (
        GAIN, [-0.6], [-0.5], "gain within 10%", False,
        "gain -0.6 must be at least -0.55, within 10% of the champion's -0.5",
    ),
    (
        GAIN, [-0.54], [-0.5], "gain within 10%", True,
        "gain -0.54 is within 10% of the champion's -0.5",
    ),
    (
        GAIN, [-0.1], [0.0], "gain within 10%", False,
        (
            "gain -0.1 must be at least 0, within 10% of the champion's 0, and 10% of 0 is nothing:"
            " 'or 0.01' gives room"
        ),
    ),
    (
        GAIN, [-0.1], [0.0], "gain within 10% or 0.2", True,
        "gain -0.1 is within 10% or 0.2 of the champion's 0",
    ),
    (
        ERROR, [0.2], [0.2], "error better by 1%", False,
        "error 0.2 must be at most 0.198 and better than the champion's 0.2 by 1% or more",
    ),
    (
        GAIN, [0.9], [0.8], "gain better by 0.05", True,
        "gain 0.9 is better than the champion's 0.8 by 0.05 or more",
    ),
    (ERROR, [0.1], None, "error <= 0.25", True, "error 0.1 is <= 0.25"),
    (ERROR, [0.3], None, "error <= 0.25", False, "error 0.3 is not <= 0.25"),
    (
        ERROR, [0.3], None, "error better by 5%", True,
        "'error better by 5%' asks nothing, since there is no champion yet",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("objective", "candidate", "champion", "text", "passed", "said"), TABLE)
def test_gate_says_what_a_criterion_came_to(
    objective: Objective,
    candidate: list[float],
    champion: list[float] | None,
    text: str,
    passed: bool,
    said: str,
) -> None:
    beside = judged(champion, objective.metric) if champion is not None else None
    outcome = Gate.of([text]).judge(judged(candidate, objective.metric), beside, objective)
    assert outcome.passed is passed
    verb = "passes" if passed else "fails"
    assert outcome.sentence == f"The candidate {verb}: {said}; over 2026-01-01."
    (figure,) = outcome.figures
    is_skipped = champion is None and "better" in text
    assert figure.verdict == ("skipped" if is_skipped else "passed" if passed else "failed")
    assert (figure.criterion, figure.said) == (text, said)
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome


def test_gate_fails_in_words_for_all_criteria_that_fail() -> None:
    gate = Gate.of(["error <= 0.2", "error within 0.05", "other <= 3"])
    metrics: dict[AsOf | None, dict[str, float]] = {FIRST: {"error": 0.3, "other": 2.0}}
    outcome = gate.judge(metrics, judged([0.1]), ERROR)
    assert verdicts(outcome) == ["failed", "failed", "failed"]
    assert outcome.sentence == (
        "The candidate fails 3 of 3 criteria: error 0.3 is not <= 0.2; error 0.3 must be at most"
        " 0.15, within 0.05 of the champion's 0.1; 'other <= 3' needs 1 date that both have, but"
        " there are 0; over 2026-01-01."
    )


@pytest.mark.parametrize("champion", [None, [0.2] * 5])
@pytest.mark.parametrize(("needed", "passed"), [(5, True), (6, False)])
def test_gate_needs_dates_enough(needed: int, passed: bool, champion: list[float] | None) -> None:
    beside = judged(champion) if champion else None
    for criteria in ([], ["error <= 0.5"]):
        outcome = Gate.of(criteria, needed).judge(judged([0.1] * 5), beside, ERROR)
        assert outcome.passed is passed
        assert outcome.min_dates == needed
        assert set(verdicts(outcome)) <= {"passed" if passed else "failed"}
        if not passed:
            whose = "that both have" if champion else "of the candidate"
            assert outcome.sentence == (
                f"The candidate fails: 6 dates {whose} must be compared, but there are 5."
            )


def test_gate_without_a_date_in_common_fails() -> None:
    outcome = Gate.of().judge(judged([0.1]), judged([0.1], first=date(2027, 1, 1)), ERROR)
    assert (outcome.passed, outcome.dates, outcome.figures) == (False, (), ())
    assert "1 date that both have must be compared, but there are 0" in outcome.sentence


def test_gate_judges_a_pipeline_without_dates() -> None:
    outcome = Gate.of(["error within 0"]).judge({None: {"error": 1}}, {None: {"error": 1}}, ERROR)
    assert (outcome.passed, outcome.dates, outcome.figures[0].dates) == (True, (), 1)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("whose", ["candidate", "champion"])
@pytest.mark.parametrize("text", ["error <= 0.5", "error within 50%", "error better by 0"])
def test_gate_fails_a_number_that_is_not_finite(odd: float, whose: str, text: str) -> None:
    sides = {"candidate": judged([0.1, 0.1]), "champion": judged([0.2, 0.2])}
    sides[whose][date(2026, 1, 2)]["error"] = odd
    outcome = Gate.of([text]).judge(sides["candidate"], sides["champion"], ERROR)
    assert verdicts(outcome) == ["failed"]
    assert "error must be a finite number, but is none at 2026-01-02;" in outcome.sentence
    assert json.loads(outcome.model_dump_json())["figures"][0][whose] is None


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=6), st.data())
def test_gate_that_a_candidate_passes_is_passed_by_every_better_one(
    rows: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    objective = data.draw(st.sampled_from([ERROR, GAIN]))
    metric, is_low = objective.metric, objective.direction == "minimize"
    amounts = st.floats(0, 1e300)
    bound = f"{metric} {'<' if is_low else '>'}{data.draw(st.sampled_from(['', '=']))}"
    relation = data.draw(st.sampled_from(["within", "better by"]))
    texts = [f"{bound} {data.draw(VALUES)!r}", f"{metric} {relation} {data.draw(amounts)!r}%"]
    gate = Gate.of(texts, min_dates=data.draw(st.integers(1, 6)))
    champion = judged([row[0] for row in rows], metric)
    pairs = [sorted(row[1:], reverse=not is_low) for row in rows]
    better, worse = (
        gate.judge(judged([pair[place] for pair in pairs], metric), champion, objective)
        for place in (0, 1)
    )
    assert better.passed >= worse.passed
    for figure in (*better.figures, *worse.figures):
        assert figure.criterion in [str(one) for one in gate.criteria]


@given(st.floats(-1e6, 1e6), st.integers(1, 40))
def test_gate_takes_equal_values_for_their_mean(value: float, count: int) -> None:
    gate = Gate.of([f"error <= {value!r}", "error within 0"])
    assert gate.judge(judged([value] * count), judged([value] * count), ERROR).passed


@pytest.mark.parametrize(
    ("criterion", "problem"),
    [
        ("error >= 0.2", "'error >= 0.2' must not refuse what is better, but results minimize"),
        ("error:maximize within 2%", "'error:maximize within 2%' must not refuse what is better"),
        ("other within 2%", "which way is better must be told for 'other': type other:minimize"),
        ("eror <= 2", "'eror' of 'eror <= 2' is none of the metrics of the candidate. Did you"),
    ],
)
def test_gate_that_makes_no_sense_for_the_metrics_is_refused(criterion: str, problem: str) -> None:
    metrics: dict[AsOf | None, dict[str, float]] = {FIRST: {"error": 0.1, "other": 2.0}}
    for champion in (metrics, None):
        with pytest.raises(QueryError) as refused:
            Gate.of([criterion]).judge(metrics, champion, ERROR)
        assert refused.value.problems[0].startswith(problem)


def test_gate_is_read_from_what_settings_and_config_hold() -> None:
    values = {"criteria": ["mape<=0.25", "mape within 2%"], "min_dates": 14}
    gate = Gate.read(values)
    assert gate == Gate.of(["mape <= 0.25", "mape within 2%"], 14)
    assert gate.criteria[1] == Criterion("mape", "within", percent=2)
    told = {"criteria": ["mape <= 0.25", "mape within 2%"], "min_dates": 14}
    assert gate.model_dump(mode="json") == told == json.loads(gate.model_dump_json())
    assert Gate.read(told) == gate
    assert Gate.read({}) == Gate()


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"criteria": ["x"], "min_dates": 0}, ["prod.gate: a criterion must be like mape <= 0.25",
         "prod.gate.min_dates: input should be greater than or equal to 1, but got 0"]),
        ({"criteria": [3, "x <= y"]}, ["prod.gate: a criterion must be text, but got 3",
         "prod.gate: a criterion must compare with a finite number"]),
        ({"criteria": "x <= 1"}, ["prod.gate.criteria: input should be a valid tuple"]),
        ({"min_dates": "14"}, ["prod.gate.min_dates: input should be a valid integer"]),
        ({"min_dates": True}, ["prod.gate.min_dates: input should be a valid integer"]),
        ({"rules": []}, ["prod.gate.rules: extra inputs are not permitted"]),
        ({"criteria": ["x <= 1", "x<2", "x within 1", "x better by 0", "x >= 0"]},
         ["prod.gate: one criterion of a kind is enough: keep x <= 1 or x < 2",
          "prod.gate: one criterion of a kind is enough: keep x within 1 or x better by 0"]),
    ],
)  # fmt: skip
def test_gate_that_cannot_be_read_is_refused_with_every_problem(
    values: Mapping[str, Any], problems: Sequence[str]
) -> None:
    with pytest.raises(QueryError) as refused:
        Gate.read(values, "prod.gate")
    assert len(refused.value.problems) == len(problems)
    for found, expected in zip(refused.value.problems, problems, strict=True):
        assert found.startswith(expected)
