from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ml_pipeline.errors import ParamsError, QueryError
from ml_pipeline.leaderboard.cells import Cell, Outside
from ml_pipeline.leaderboard.pairing import paired
from ml_pipeline.leaderboard.sides import Side
from ml_pipeline.store.record import Objective
from ml_pipeline_tests.toys.cells import ERROR, cell, days, row, side

BLUE = row([0.3] * 5, rate=1)


def green(cells: Sequence[Cell] = (), **given: Any) -> Side:
    return side("green", cells or row([0.2] * 5, rate=2, **given))


def test_dates_that_both_sides_have_are_paired_in_order() -> None:
    found = paired(side("blue", BLUE[::-1]), green(row([0.2] * 7, rate=2)[2:]))
    assert (found.objective, found.dates) == (ERROR, days(5)[2:])
    assert found.left_out == {
        "green has no result": days(2),
        "blue has no result": days(7)[5:],
    }
    assert found.missing == {"right": days(2), "left": days(7)[5:]}


def changed(**values: Any) -> Callable[[Cell], Cell]:
    return lambda one: replace(one, **values)


def metrics(**values: float) -> Callable[[Cell], Cell]:
    return lambda one: replace(one, metrics=values)


OTHER = {"table": Outside("asked", "else", "also")}
SAME = {"table": Outside("asked", "found", "made")}

APART: list[tuple[Callable[[Cell], Cell], str]] = [
    (metrics(naive_error=0.5), "green has no metric 'error'"),
    (metrics(error=0.2), "they were judged on other days or other data, since naive_error differs"),
    (
        metrics(error=0.2, naive_error=0.6),
        "they were judged on other days or other data, since naive_error differs",
    ),
    (
        changed(outside={"table": Outside("asked", "else", "also")}),
        "'table' read other data from outside",
    ),
    (
        changed(objective=Objective(metric="error", direction="maximize", baseline="naive_error")),
        "blue is compared by error (minimize, baseline naive_error), green by error (maximize",
    ),
    (changed(objective=None), "blue is compared by error (minimize, baseline naive_error), green"),
    (changed(dataset={"dataset": "else"}), "blue is about dataset orders, green about else"),
    (changed(params={"fit": {}}), "blue depends on the parameters of data, fit, green on fit"),
]


@pytest.mark.parametrize(("change", "why"), APART)
def test_date_that_two_definitions_judged_is_left_out_with_why(
    change: Callable[[Cell], Cell], why: str
) -> None:
    here = [replace(one, outside=SAME) for one in BLUE]
    there = [replace(one, outside=SAME) for one in row([0.2] * 5, rate=2)]
    there[1] = change(there[1])
    found = paired(side("blue", here), green(there))
    assert found.dates == [day for day in days(5) if day != days(2)[1]]
    ((told, left_out),) = found.left_out.items()
    assert told.startswith(why)
    assert left_out == [days(2)[1]]
    with pytest.raises(QueryError) as refused:
        paired(side("blue", here[1:2]), green(there[1:2]))
    assert why in str(refused.value)
    assert "ml-pipeline run" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        changed(outside={"table": Outside("asked otherwise", "else", "also")}),
        changed(outside={"table": Outside("asked", "else", "made")}),
        changed(outside={"table": Outside("asked", "found", "also")}),
        changed(outside={"other": Outside("asked", "else", "also")}),
        changed(codes={"model": "2", "score": "1"}),
        changed(seconds=9.0),
        metrics(error=0.9, naive_error=0.5 + 1e-12),
    ],
)
def test_date_that_one_definition_judged_is_paired_whatever_else_differs(
    change: Callable[[Cell], Cell],
) -> None:
    here = [replace(one, outside=SAME) for one in BLUE]
    there = [change(replace(one, outside=SAME)) for one in row([0.2] * 5, rate=2)]
    assert paired(side("blue", here), green(there)).dates == days(5)


def test_definition_of_the_last_date_is_compared() -> None:
    other = ERROR.model_copy(update={"metric": "other", "baseline": None})
    sides = []
    for name, rate in (("blue", 1), ("green", 2)):
        cells = row([0.2] * 5, rate=rate)
        first = [
            replace(one, objective=other, metrics={**one.metrics, "other": 1.0})
            for one in cells[:2]
        ]
        sides.append(side(name, [*first, *cells[2:]]))
    found = paired(*sides)
    assert (found.objective, found.dates) == (ERROR, days(5)[2:])
    assert found.left_out == {
        "both are compared by other (minimize, baseline none), later by error (minimize, baseline"
        " naive_error)": days(2)
    }
    left, right = sides
    asked = paired(left, right, "error", "maximize")
    assert asked.objective.direction == "maximize"


def test_sides_that_are_one_are_refused_unless_their_stores_differ() -> None:
    with pytest.raises(QueryError, match="blue and green are one parameter set in one store, here"):
        paired(side("blue", BLUE), green(BLUE))
    assert paired(side("blue", BLUE), side("green", BLUE, "elsewhere")).dates == days(5)


def test_sides_without_a_date_in_common_are_refused_with_what_makes_them() -> None:
    with pytest.raises(QueryError) as refused:
        paired(side("blue", BLUE[:2]), green(row([0.2] * 5, rate=2)[2:]))
    assert str(refused.value) == (
        "both sides must be judged by one definition at a date that they have in common, but"
        " green has no result at 2 dates from 2026-01-05 to 2026-01-06; blue has no result at"
        " 3 dates from 2026-01-07 to 2026-01-09. `ml-pipeline run --from 2026-01-07 --to 2026-01-09"
        " --param dataset=orders --param rate=1` and `ml-pipeline run --from 2026-01-05 --to"
        " 2026-01-06 --param dataset=orders --param rate=2` make what is missing"
    )


def test_sides_without_results_are_refused_with_what_makes_them() -> None:
    empty = [
        replace(side(name, row([0.1], rate=rate)), cells={}, within=(days(1)[0], days(3)[-1]))
        for name, rate in (("blue", 1), ("green", 2))
    ]
    with pytest.raises(QueryError) as refused:
        paired(*empty)
    told = str(refused.value)
    assert "blue has no result; green has no result. `ml-pipeline run --from 2026-01-05" in told
    assert told.endswith("--param rate=2` make what is missing")
    with pytest.raises(QueryError) as refused:
        paired(side("blue", BLUE), empty[1])
    told = str(refused.value)
    assert "green has no result at 5 dates from 2026-01-05 to 2026-01-09. `ml-pipeline" in told
    assert told.endswith("--param rate=2` makes what is missing")


def test_metric_that_is_asked_for_is_compared_in_the_direction_that_is_told() -> None:
    given: dict[str, Any] = {"metrics": {"r2": 0.5}}
    left, right = side("blue", row([0.3] * 2, rate=1, **given)), green(**given)
    found = paired(left, right, "r2", "maximize").objective
    assert (found.metric, found.direction) == ("r2", "maximize")
    with pytest.raises(ParamsError, match="which way is better must be told for 'r2'"):
        paired(left, right, "r2")
    with pytest.raises(QueryError, match=r"'eror' is none of the metrics .* mean 'error'\?"):
        paired(left, right, "eror", "minimize")


def test_results_without_an_objective_are_compared_by_the_metric_that_is_named() -> None:
    left = side("blue", [cell(day, 0.1, objective=None, rate=1) for day in days(2)])
    right = side("green", [cell(day, 0.2, objective=None, rate=2) for day in days(2)])
    assert paired(left, right, "error", "minimize").dates == days(2)
    with pytest.raises(QueryError, match="declares no objective: name a metric, like r2:maximize"):
        paired(left, right)


def test_pipeline_without_dates_is_paired() -> None:
    left, right = side("blue", [cell(None, 0.1, rate=1)]), side("green", [cell(None, 0.2, rate=2)])
    assert paired(left, right).dates == [None]
