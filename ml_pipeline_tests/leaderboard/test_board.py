import math
import random
import statistics
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import ParamsError
from ml_pipeline.leaderboard.board import Leaderboard, leaderboard
from ml_pipeline.leaderboard.groups import Group
from ml_pipeline.leaderboard.paired_test import signed_rank_p
from ml_pipeline.leaderboard.rows import Row
from ml_pipeline.params.as_of import span
from ml_pipeline.store.record import Objective
from ml_pipeline_tests.toys.cells import ERROR, FIRST, cell, days, row

OTHER_DAYS = "judged on other days or other data, since the baseline differs"
VALUES = st.floats(-1e6, 1e6, allow_nan=False)


def only(board: Leaderboard) -> Group:
    (group,) = board.groups
    return group


def places(group: Group) -> list[tuple[str, float]]:
    return [(row.place, row.flat["rate"]) for row in group.rows]


# Figures


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=20), st.booleans())
def test_row_figures_are_those_of_a_plain_loop(
    pairs: list[tuple[float, float]], is_error: bool
) -> None:
    objective = ERROR if is_error else ERROR.model_copy(update={"direction": "maximize"})
    along = days(len(pairs))
    cells = [
        cell(day, error, naive, objective, seconds=0.1, rate=1)
        for day, (error, naive) in zip(along, pairs, strict=True)
    ]
    found = only(leaderboard(reversed(cells))).rows[0]
    errors = [error for error, _ in pairs]
    differences = [error - naive for error, naive in pairs]
    scale = max(1.0, *map(abs, errors))
    assert found.mean == pytest.approx(statistics.fmean(errors), abs=1e-12 * scale)
    if len(pairs) > 1:
        assert found.sd == pytest.approx(statistics.stdev(errors), rel=1e-9, abs=1e-9)
    else:
        assert found.sd is None
    worst = max(errors) if is_error else min(errors)
    assert found.worst == (along[errors.index(worst)], worst)
    assert found.difference == pytest.approx(math.fsum(differences) / len(pairs), abs=1e-12 * scale)
    assert found.p_value == signed_rank_p(differences)
    assert found.seconds == pytest.approx(0.1 * len(pairs))


def test_row_of_one_date_has_neither_deviation_nor_test() -> None:
    found = only(leaderboard(row([0.2], rate=1))).rows[0]
    assert (found.mean, found.sd, found.p_value) == (0.2, None, None)
    assert found.worst == (FIRST, 0.2)
    assert found.is_better


def test_row_without_baseline_has_no_difference() -> None:
    objective = Objective(metric="error", direction="minimize")
    found = only(leaderboard(row([0.2] * 8, objective=objective, rate=1))).rows[0]
    assert (found.difference, found.p_value, found.is_better) == (None, None, False)
    assert found.mean == 0.2


def test_row_of_a_pipeline_without_dates_is_ranked() -> None:
    group = only(leaderboard([cell(None, 0.2, rate=1), cell(None, 0.1, rate=2)]))
    assert places(group) == [("1", 2), ("2", 1)]
    assert group.span == "no date"


# Ranks


@pytest.mark.parametrize(("direction", "order"), [("minimize", [2, 1]), ("maximize", [1, 2])])
def test_rows_are_ranked_in_the_better_direction(direction: str, order: list[int]) -> None:
    objective = ERROR.model_copy(update={"direction": direction})
    cells = row([0.3, 0.4], objective=objective, rate=1)
    cells += row([0.1, 0.5], objective=objective, rate=2)
    assert [rate for _, rate in places(only(leaderboard(cells)))] == order


def test_rows_with_equal_means_share_a_rank_in_an_order_that_holds() -> None:
    cells = row([0.25, 0.5], rate=1) + row([0.375, 0.375], rate=2)
    cells += row([0.5, 0.25], rate=3) + row([0.1, 0.1], rate=4)
    first = places(only(leaderboard(cells)))
    assert [place for place, _ in first] == ["1", "2=", "2=", "2="]
    for seed in range(5):
        random.Random(seed).shuffle(cells)
        assert places(only(leaderboard(cells))) == first


def test_rank_after_a_tie_counts_all_before_it() -> None:
    cells = row([0.1], rate=1) + row([0.1], rate=2) + row([0.2], rate=3)
    assert [place for place, _ in places(only(leaderboard(cells)))] == ["1=", "1=", "3"]


def test_last_result_of_a_parameter_set_and_date_counts() -> None:
    cells = [*row([0.3], rate=1), *row([0.1], rate=1)]
    assert only(leaderboard(cells)).rows[0].mean == 0.1


# Dates


def test_rows_lacking_dates_stand_below_with_what_they_lack() -> None:
    cells = row([0.3] * 14, rate=1) + row([0.2] * 14, rate=2) + row([0.1] * 11, rate=3)
    group = only(leaderboard(cells))
    assert places(group) == [("1", 2), ("2", 1), ("-", 3)]
    assert group.rows[2].lacks == "missing 3 of 14 dates"
    assert group.rows[2].mean == pytest.approx(0.1)
    assert [row.lacks for row in group.rows[:2]] == ["", ""]


def test_failed_dates_are_told_with_their_reasons() -> None:
    cells = row([0.3] * 4, rate=1) + row([0.1] * 2, rate=2)
    later = days(4)[2:]
    cells += [cell(day, None, failed="ValueError: no rows\nmore", rate=2) for day in later]
    group = only(leaderboard(cells))
    assert places(group) == [("1", 1), ("-", 2)]
    assert group.rows[1].lacks == "failed at 2 of 4 dates: ValueError: no rows"
    assert group.rows[1].failures == {"ValueError: no rows\nmore": later}


def test_row_that_failed_everywhere_stands_with_its_like() -> None:
    failed = [cell(day, None, failed="out of memory", rate=9) for day in days(3)]
    group = only(leaderboard(row([0.3] * 3, rate=1) + failed))
    assert places(group) == [("1", 1), ("-", 9)]
    assert group.rows[1].mean is None
    assert group.rows[1].worst is None


def test_results_that_all_failed_are_shown_and_not_ranked() -> None:
    group = only(leaderboard([cell(day, None, failed="no", rate=1) for day in days(2)]))
    assert [row.place for row in group.rows] == ["-"]
    assert group.rows[0].lacks == "failed at 2 of 2 dates: no"


def test_date_at_which_everything_failed_is_not_compared() -> None:
    cells = row([0.1, 0.2], rate=1) + row([0.3, 0.1], rate=2)
    bad = days(3)[2]
    cells += [cell(bad, None, failed="closed", rate=rate) for rate in (1, 2)]
    for asked in (None, days(3)):
        group = only(leaderboard(cells, dates=asked))
        assert list(group.dates) == days(2)
        assert list(group.left_out) == [bad]
        assert [row.rank for row in group.rows] == [1, 2]


def test_one_run_at_other_dates_disqualifies_nobody() -> None:
    cells = [c for rate in (1, 2, 3) for c in row([0.1 * rate] * 14, rate=rate)]
    cells += [cell(FIRST + timedelta(days=n), 0.05, 0.5, rate=4) for n in range(31)]
    cells += [cell(FIRST, 0.01, 0.5, rate=5)]
    group, other = leaderboard(cells).groups
    assert list(group.dates) == days(14)
    assert len(group.left_out) == 17
    assert places(group) == [("1", 4), ("2", 1), ("3", 2), ("4", 3)]
    assert group.span == (
        "14 dates from 2026-01-05 to 2026-01-18; 17 others left out, which not all rows have"
    )
    assert places(other) == [("1", 5), ("2", 4), ("3", 1), ("4", 2), ("5", 3)]
    assert other.apart == (
        "compared over 2026-01-05 instead of 14 dates from 2026-01-05 to 2026-01-18"
    )


def test_dates_asked_for_are_those_compared() -> None:
    group = only(leaderboard(row([0.1, 0.2, 0.3, 0.4], rate=1), dates=days(2)))
    assert list(group.dates) == days(2)
    assert group.rows[0].mean == pytest.approx(0.15)


# Groups


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"dataset": "customers"}, "dataset customers instead of orders"),
        (
            {"codes": {"model": "2", "score": "1"}},
            "another revision of the code of model",
        ),
        (
            {"objective": Objective(metric="error", direction="maximize")},
            (
                "compared by error (maximize, baseline none) instead of error"
                " (minimize, baseline naive_error)"
            ),
        ),
        (
            {"naive": 0.6, "holdout": 28},
            f"{OTHER_DAYS} (holdout 28 instead of 56)",
        ),
    ],
)
def test_what_cannot_be_compared_stands_apart_and_says_why(
    other: dict[str, object], reason: str
) -> None:
    shared = {"rate": 1, "holdout": 56}
    cells = row([0.3] * 3, **shared) + row([0.4] * 3, **{**shared, "rate": 2})
    cells += row([0.1] * 3, **{**shared, **other})
    board = leaderboard(cells)
    assert [group.apart for group in board.groups] == ["", reason]
    assert board.best is board.groups[0].rows[0]
    assert all(row.rank is not None for group in board.groups for row in group.rows)


def test_rows_judged_on_other_data_stand_apart_though_no_parameter_says_so() -> None:
    cells = row([0.3] * 3, rate=1) + row([0.4] * 3, rate=2)
    cells += row([0.3] * 2, naive=0.6, rate=1, seed=1)
    assert [group.apart for group in leaderboard(cells).groups] == [
        "",
        f"{OTHER_DAYS} (seed 1 instead of none)",
    ]
    cells += row([0.4] * 3, rate=3, seed=1)
    assert [group.apart for group in leaderboard(cells).groups] == ["", OTHER_DAYS]


def test_group_with_most_to_compare_comes_first() -> None:
    cells = row([0.1] * 2, codes={"score": "old"}, rate=1)
    cells += row([0.2] * 5, rate=1) + row([0.3] * 5, rate=2)
    sizes = [len(group.ranked) for group in leaderboard(cells).groups]
    assert sizes == [2, 1]


def test_reason_names_the_group_that_is_most_alike() -> None:
    cells = row([0.1] * 3, rate=1) + row([0.2] * 3, rate=2)
    cells += row([0.1] * 2, dataset="customers", rate=1)
    cells += row([0.1], dataset="customers", codes={"model": "2", "score": "1"}, rate=1)
    assert leaderboard(cells).groups[2].apart == "another revision of the code of model"


def test_baselines_that_differ_at_one_date_keep_rows_apart() -> None:
    one = row([0.1, 0.2], naive=0.5, rate=1)
    other = [cell(days(2)[0], 0.1, 0.5, rate=2), cell(days(2)[1], 0.1, 0.5 + 1e-6, rate=2)]
    assert len(leaderboard([*one, *other]).groups) == 2
    rounding = [cell(day, 0.1, 0.5 * (1 + 1e-15), rate=3) for day in days(2)]
    assert len(leaderboard([*one, *rounding]).groups) == 1


def test_baseline_is_told_by_date_and_on_average() -> None:
    cells = [cell(day, 0.1, 0.4 + n / 10, rate=1) for n, day in enumerate(days(2))]
    group = only(leaderboard(cells))
    assert group.baseline == dict(zip(days(2), (0.4, 0.5), strict=True))
    assert group.baseline_mean == pytest.approx(0.45)


def test_parameters_that_vary_are_told_from_those_that_do_not() -> None:
    cells = row([0.1], rate=0.1, depth=3, kind=None) + row([0.2], rate=0.2, depth=3, kind="a")
    group = only(leaderboard(cells))
    assert group.varying == ["rate", "kind"]
    assert group.constant == {"dataset": "orders", "depth": 3}


# Another metric


def test_another_metric_takes_the_baseline_that_is_named_alike() -> None:
    objective = Objective(metric="error", direction="minimize", baseline="naive_error")
    metrics = {"gain": 0.7, "naive_gain": 0.6}
    cells = row([0.1] * 2, objective=objective, metrics=metrics, rate=1)
    group = only(leaderboard(cells, "gain", "maximize"))
    assert group.objective == Objective(metric="gain", direction="maximize", baseline="naive_gain")
    assert group.rows[0].difference == pytest.approx(0.1)
    assert group.rows[0].is_better


def test_another_metric_still_keeps_apart_what_was_judged_on_other_days() -> None:
    cells = row([0.1] * 2, metrics={"gain": 1.0}, rate=1)
    cells += row([0.1] * 2, naive=0.7, metrics={"gain": 1.0}, rate=2)
    assert len(leaderboard(cells, "gain", "maximize").groups) == 2


def test_declared_metric_needs_no_direction_and_takes_another() -> None:
    cells = row([0.1, 0.2], rate=1)
    assert only(leaderboard(cells, "error")).objective == ERROR
    assert only(leaderboard(cells, "error", "maximize")).rows[0].worst == (FIRST, 0.1)


@pytest.mark.parametrize(
    ("metric", "direction", "problem"),
    [
        (
            "eror",
            "minimize",
            (
                "'eror' is none of the metrics of these results. Did you mean 'error'?"
                " There are error, naive_error"
            ),
        ),
        (
            "wape",
            None,
            "which way is better must be told for 'wape': type wape:minimize or wape:maximize",
        ),
    ],
)
def test_metric_that_cannot_be_compared_is_refused(
    metric: str, direction: None, problem: str
) -> None:
    with pytest.raises(ParamsError) as refused:
        leaderboard(row([0.1], rate=1), metric, direction)
    assert refused.value.problems == (problem,)


def test_results_without_objective_need_a_metric() -> None:
    cells = row([0.1], objective=None, rate=1)
    with pytest.raises(ParamsError, match="name a metric, like r2:maximize"):
        leaderboard(cells)
    assert only(leaderboard(cells, "error", "minimize")).rows[0].mean == 0.1


def test_results_without_the_metric_are_set_aside_and_counted() -> None:
    cells = row([0.1] * 3, metrics={"gain": 1.0}, rate=1) + row([0.1] * 2, rate=2)
    board = leaderboard(cells, "gain", "maximize")
    assert len(only(board).rows) == 1
    assert board.set_aside == {"they have no metric 'gain'": 2}


def test_results_that_cannot_be_read_are_counted() -> None:
    board = leaderboard(row([0.1], rate=1), missed=2)
    assert board.set_aside == {"their record cannot be read, `ml-pipeline verify` says why": 2}


def test_leaderboard_of_nothing_is_empty() -> None:
    board = leaderboard([])
    assert (list(board.groups), board.best) == ([], None)


@pytest.mark.parametrize(
    ("along", "expected"),
    [
        ([], "no dates"),
        ([None], "no date"),
        ([FIRST], "2026-01-05"),
        (days(3), "3 dates from 2026-01-05 to 2026-01-07"),
    ],
)
def test_span_tells_dates_in_a_phrase(along: list[date | None], expected: str) -> None:
    assert span(along) == expected


def test_place_without_rank_is_a_dash() -> None:
    blank = Row("", {}, {}, {}, {}, "minimize")
    assert (blank.place, blank.mean, blank.lacks) == ("-", None, "")
