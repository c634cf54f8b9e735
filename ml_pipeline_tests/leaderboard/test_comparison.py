import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import QueryError
from ml_pipeline.leaderboard.comparison import Comparison, compare
from ml_pipeline.leaderboard.paired_test import signed_rank_p
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.gate import Gate
from ml_pipeline.store.record import Direction
from ml_pipeline_tests.toys.cells import ERROR, cell, days, row, side

VALUES = st.floats(-1e6, 1e6)


def compared(
    left: Sequence[float], right: Sequence[float], direction: Direction = "minimize"
) -> Comparison:
    objective = ERROR.model_copy(update={"direction": direction})
    return compare(
        side("blue", row(left, objective=objective, rate=1)),
        side("green", row(right, objective=objective, rate=2)),
    )


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=15), st.booleans())
def test_comparison_figures_are_those_of_a_plain_loop(
    pairs: list[tuple[float, float]], is_error: bool
) -> None:
    left, right = zip(*pairs, strict=True)
    found = compared(left, right, "minimize" if is_error else "maximize")
    scale = max(1.0, *map(abs, (*left, *right)))
    differences = [b - a for a, b in pairs]
    measure = found.primary
    assert measure.means == pytest.approx(
        (statistics.fmean(left), statistics.fmean(right)), abs=1e-12 * scale
    )
    assert measure.difference == pytest.approx(statistics.fmean(differences), abs=1e-12 * scale)
    assert measure.p_value == signed_rank_p(differences)
    green = sum((b < a) if is_error else (b > a) for a, b in pairs)
    blue = sum((a < b) if is_error else (a > b) for a, b in pairs)
    assert (measure.better_at("right"), measure.better_at("left")) == (green, blue)
    if measure.difference:
        wins = (measure.difference < 0) == is_error
        assert measure.better == ("right" if wins else "left")
    assert [one.metric for one in found.measures] == ["error", "naive_error"]
    assert found.measures[1].better is None


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=9))
def test_comparison_the_other_way_round_says_the_same(pairs: list[tuple[float, float]]) -> None:
    left, right = zip(*pairs, strict=True)
    here, there = compared(left, right).primary, compared(right, left).primary
    assert here.difference == -there.difference
    assert {here.better, there.better} in ({"left", "right"}, {None})
    assert here.p_value == there.p_value


OVER = "over 8 dates from 2026-01-05 to 2026-01-12"
VERDICTS: list[tuple[list[float], list[float], Direction, str]] = [
    (
        [0.2 + n / 100 for n in range(8)],
        [0.1] * 8,
        "minimize",
        (
            f"green is better than blue: error 0.1 against 0.235 {OVER}, better at 8 of them and"
            " worse at 0, hardly by chance (p = 0.0078)."
        ),
    ),
    (
        [0.2 + n / 100 for n in range(8)],
        [0.1] * 8,
        "maximize",
        (
            f"blue is better than green: error 0.235 against 0.1 {OVER}, better at 8 of them and"
            " worse at 0, hardly by chance (p = 0.0078)."
        ),
    ),
    (
        [0.2] * 8,
        [0.19, 0.18, 0.17, 0.16, 0.15, 0.14, 0.265, 0.27],
        "minimize",
        (
            f"On average green is better than blue: error 0.1906 against 0.2 {OVER}, better at 6 of"
            " them and worse at 2, which may be chance (p = 0.74)."
        ),
    ),
    (
        [0.2] * 8,
        [0.21, 0.22, 0.23, 0.24, 0.25, 0.26, 0.27, -9.0],
        "minimize",
        (
            f"On average green is better than blue, but not at most dates: error -0.915 against 0.2"
            f" {OVER}, better at 1 of them and worse at 7, which may be chance (p = 0.2)."
        ),
    ),
    ([0.2] * 8, [0.2] * 8, "minimize", f"blue and green come to the same error {OVER}."),
    (
        [0.5, 0.25],
        [0.25, 0.5],
        "minimize",
        (
            "Neither of blue and green is better on average: error 0.375 against 0.375 over 2 dates"
            " from 2026-01-05 to 2026-01-06; too few dates to tell that from chance, since the test"
            " needs 6."
        ),
    ),
    (
        [0.5],
        [0.25],
        "minimize",
        (
            "On average green is better than blue: error 0.25 against 0.5 over 2026-01-05; too few"
            " dates to tell that from chance, since the test needs 6."
        ),
    ),
]


def test_verdict_tells_where_the_test_speaks_for_the_other_side() -> None:
    found = compared([0.2] * 9, [0.21, 0.22, 0.23, 0.24, 0.25, 0.26, 0.27, 0.28, -9.0])
    assert found.verdict.endswith(
        ", better at 1 of them and worse at 8, which may be chance (p = 0.13)."
    )
    found = compared([0.2] * 20, [0.2 + n / 1000 for n in range(1, 20)] + [-9.0])
    assert (found.primary.better, found.primary.favoured) == ("right", "left")
    assert found.verdict.startswith("On average green is better than blue, but not at most dates:")
    assert found.verdict.endswith(" and worse at 19; the test speaks for blue (p = 0.00071).")


def test_verdict_tells_numbers_apart() -> None:
    found = compared([0.2] * 2, [0.20000001] * 2)
    assert "error 0.2 against 0.20000001 over" in found.verdict


@pytest.mark.parametrize(("left", "right", "direction", "verdict"), VERDICTS)
def test_verdict_says_in_a_sentence_what_it_comes_to(
    left: list[float], right: list[float], direction: Direction, verdict: str
) -> None:
    assert compared(left, right, direction).verdict == verdict


def test_verdict_of_a_pipeline_without_dates_names_none() -> None:
    found = compare(
        side("blue", [cell(None, 0.2, rate=1)]), side("green", [cell(None, 0.1, rate=2)])
    )
    assert found.verdict.startswith("On average green is better than blue: error 0.1 against 0.2;")


def test_comparison_tells_what_differs_beside_the_metrics() -> None:
    codes = {"model": "2", "score": "1"}
    found = compare(
        side("blue", row([0.2] * 3, rate=1, kind="a")),
        side("green", row([0.1] * 3, rate=2, kind="a", codes=codes)),
    )
    assert found.parameters == {"rate": (1, 2)}
    assert found.codes == {"model": ("1", "2")}
    assert found.cautions == []


def test_comparison_warns_of_what_may_mislead() -> None:
    objective = ERROR.model_copy(update={"baseline": None})
    mixed = row([0.2] * 3, objective=objective, rate=1)
    mixed[0] = cell(mixed[0].as_of, 0.2, 0.5, objective, {"model": "0", "score": "1"}, rate=1)
    codes = {"model": "1", "score": "2"}
    found = compare(
        side("blue", mixed),
        side("green", row([0.1] * 3, objective=objective, rate=2, codes=codes)),
    )
    assert found.cautions == [
        "not all dates of blue were made by one revision of the code of model",
        (
            "the code of 'score' differs, which measures both: error may mean another thing on"
            " either side"
        ),
        "no naive baseline tells whether both were judged on the same days of the same data",
    ]


def test_comparison_asks_of_the_right_side_what_a_promotion_would() -> None:
    found = compared([0.2] * 8, [0.203] * 8)
    outcome = found.gated(Gate.of(["error within 2%", "naive_error <= 0.5"], min_dates=8))
    assert (outcome.passed, len(outcome.dates)) == (True, 8)
    assert (outcome.figures[0].candidate, outcome.figures[0].champion) == (0.203, 0.2)
    assert not found.gated(Gate.of(["error within 1%"])).passed
    assert not found.gated(Gate.of(min_dates=9)).passed
    with pytest.raises(QueryError, match="Did you mean 'error'"):
        found.gated(Gate.of(["eror within 1%"]))


def test_measures_are_of_the_dates_that_have_them() -> None:
    left = [cell(day, 0.1, 0.5, metrics={"r2": n / 10}, rate=1) for n, day in enumerate(days(4))]
    right = [
        cell(day, 0.2, 0.5, metrics={"r2": 0.5} if n % 2 else {"other": 1.0}, rate=2)
        for n, day in enumerate(days(4))
    ]
    found = compare(side("blue", left), side("green", right))
    known: dict[str, list[AsOf | None]] = {one.metric: list(one.values) for one in found.measures}
    assert known == {"error": days(4), "naive_error": days(4), "r2": [days(4)[1], days(4)[3]]}
    assert found.measures[2].means == (0.2, 0.5)
    assert found.measures[2].better is None
