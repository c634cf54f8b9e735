import itertools
from xml.etree import ElementTree

import pytest
from scipy.stats import f_oneway

from ml_pipeline.leaderboard.board import leaderboard
from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.leaderboard.charts import by_parameter, charts, heat_map, importance, over_dates
from ml_pipeline.leaderboard.groups import Group
from ml_pipeline.leaderboard.importance import LEAST_ROWS, parameter_importance
from ml_pipeline_tests.toys.cells import ERROR, row

SVG = "{http://www.w3.org/2000/svg}"
RATES = [0.01, 0.03, 0.1, 0.3, 1.0]


def group_of(cells: list[Cell]) -> Group:
    (group,) = leaderboard(cells).groups
    return group


def grid(direction: str = "minimize", noise: float = 0.0) -> Group:
    """Rates and depths: the error grows with the distance of the rate from 0.1, not with depth."""
    objective = ERROR.model_copy(update={"direction": direction})
    cells = []
    for place, (rate, depth) in enumerate(itertools.product(RATES, (2, 3, 4))):
        error = abs(rate - 0.1) + noise * (place % 3)
        cells += row([error, error + 0.1], objective=objective, rate=rate, depth=depth)
    return group_of(cells)


def root(picture: str | None) -> ElementTree.Element:
    assert picture is not None
    return ElementTree.fromstring(picture)


def texts(picture: str | None) -> list[str]:
    return [element.text or "" for element in root(picture).iter(f"{SVG}text")]


def inside(picture: str) -> bool:
    """Whether every point and rectangle is within the picture."""
    page = root(picture)
    width, height = float(page.get("width", 0)), float(page.get("height", 0))
    points = [
        tuple(map(float, point.split(",")))
        for line in page.iter(f"{SVG}polyline")
        for point in (line.get("points") or "").split()
    ]
    points += [(float(t.get("x", 0)), float(t.get("y", 0))) for t in page.iter(f"{SVG}text")]
    for box in page.iter(f"{SVG}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        points += [(x, y), (x + float(box.get("width", 0)), y + float(box.get("height", 0)))]
    return all(-1 <= x <= width + 1 and -1 <= y <= height + 1 for x, y in points)


def test_over_dates_shows_the_best_and_the_baseline() -> None:
    picture = over_dates(grid())
    found = texts(picture)
    assert "dataset=orders error (minimize): the best over the dates" in found
    assert sum(text.startswith("1= rate=0.1") for text in found) == 3
    assert "naive_error" in found
    assert len(list(root(picture).iter(f"{SVG}polyline"))) == 4


def test_over_dates_of_one_date_is_none() -> None:
    assert over_dates(group_of(row([0.1], rate=1))) is None


def test_over_dates_without_anything_ranked_shows_what_there_is() -> None:
    cells = row([0.1] * 4, rate=1)
    missing = group_of([*cells[:3], *row([0.2] * 4, rate=2)[1:]])
    assert over_dates(missing) is not None


def test_heat_map_of_two_parameters_has_a_cell_for_each_pair_and_marks_the_best() -> None:
    group = grid(noise=0.01)
    picture = by_parameter(group)
    cells = [box for box in root(picture).iter(f"{SVG}rect") if box.find(f"{SVG}title") is not None]
    assert len(cells) == len(RATES) * 3
    found = texts(picture)
    assert sum("★" in text for text in found) == 1
    assert {"rate", "depth", "0.01", "1", "2", "4"} <= {text.partition(";")[0] for text in found}
    shades = {box.findtext(f"{SVG}title"): box.get("fill") for box in cells}
    assert shades["rate=0.1, depth=2: 0.05"] == "#084081"


def test_heat_map_turns_with_the_direction() -> None:
    picture = heat_map(grid("maximize"), "rate", "depth")
    best = [t for t in texts(picture) if "★" in t]
    assert best == ["0.95 ★"] * 3


@pytest.mark.parametrize("values", [[None, "a", 3, 4.5], [True, False], ["x" * 80, "y"]])
def test_by_parameter_takes_values_of_any_kind(values: list[object]) -> None:
    cells = [
        cell
        for place, (one, other) in enumerate(itertools.product(values, (1, 2)))
        for cell in row([0.1 + place / 10], one=one, other=other)
    ]
    picture = by_parameter(group_of(cells))
    assert picture is not None
    assert inside(picture)


def test_parallel_coordinates_of_three_parameters_have_an_axis_each_and_one_for_the_mean() -> None:
    cells = [
        cell
        for place, (rate, depth, kind) in enumerate(itertools.product(RATES, (2, 3), ("a", "b")))
        for cell in row([0.1 + place / 100], rate=rate, depth=depth, kind=kind)
    ]
    picture = by_parameter(group_of(cells))
    found = texts(picture)
    assert {"rate", "depth", "kind", "mean error", "a", "b", "0.01", "1"} <= set(found)
    assert len(list(root(picture).iter(f"{SVG}polyline"))) == 20
    assert found[-1] == "20 rows; darker is better, up is better"
    assert picture is not None
    assert inside(picture)


def test_parallel_coordinates_of_many_rows_show_some_of_them_and_say_so() -> None:
    cells = [c for n in range(500) for c in row([0.1 + n / 1000], rate=n / 500 + 0.01)]
    picture = by_parameter(group_of(cells))
    assert len(list(root(picture).iter(f"{SVG}polyline"))) == 200
    assert texts(picture)[-1] == "200 of 500 rows; darker is better, up is better"


def test_by_parameter_where_nothing_varies_is_none() -> None:
    assert by_parameter(group_of(row([0.1], rate=1))) is None


def test_importance_is_that_of_the_parameter_that_matters() -> None:
    shares = parameter_importance(grid())
    assert list(shares) == ["rate", "depth"]
    assert shares["rate"] > 0.95
    assert parameter_importance(grid()) == shares
    assert {"rate", "depth", "What matters for error"} <= set(texts(importance(grid())))


@pytest.mark.parametrize(
    "cells",
    [
        [c for n in range(LEAST_ROWS - 1) for c in row([n / 10], rate=n, depth=n % 2)],
        [c for n in range(20) for c in row([n / 10], rate=n)],
        [c for n in range(20) for c in row([0.5], rate=n, depth=n % 2)],
    ],
    ids=["too few rows", "one parameter", "no difference"],
)
def test_importance_with_nothing_to_tell_is_none(cells: list[Cell]) -> None:
    assert parameter_importance(group_of(cells)) == {}
    assert importance(group_of(cells)) is None


def test_importance_is_omega_squared_of_an_analysis_of_variance() -> None:
    values = {"a": [0.1, 0.2, 0.15, 0.12], "b": [0.3, 0.25, 0.4, 0.35], "c": [0.2, 0.3, 0.22, 0.21]}
    cells = [
        cell
        for kind, means in values.items()
        for place, mean in enumerate(means)
        for cell in row([mean], kind=kind, place=place)
    ]
    effect = f_oneway(*values.values()).statistic
    degrees, count = 2, 12
    expected = degrees * (effect - 1) / (degrees * (effect - 1) + count)
    assert parameter_importance(group_of(cells))["kind"] == pytest.approx(expected)


def test_importance_of_numbers_that_all_differ_goes_by_quarters() -> None:
    cells = [c for n in range(40) for c in row([n / 40], rate=0.01 * n, depth=n % 2)]
    shares = parameter_importance(group_of(cells))
    assert shares["rate"] > 0.9
    assert shares["depth"] == 0


def test_charts_of_a_grid_are_three_and_lie_within_their_frames() -> None:
    pictures = charts(grid())
    assert len(pictures) == 3
    assert all(inside(picture) for picture in pictures)


def test_charts_escape_what_parameters_hold() -> None:
    nasty = '<script>alert("1")</script>&'
    cells = row([0.1, 0.2], kind=nasty, rate=1) + row([0.2, 0.1], kind="plain", rate=2)
    cells += row([0.2, 0.3], kind="plain", rate=3)
    for picture in charts(group_of(cells)):
        assert "<script" not in picture
        assert root(picture) is not None
