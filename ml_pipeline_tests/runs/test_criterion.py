import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import QueryError
from ml_pipeline.runs.criterion import Bound, Criterion, Relation
from ml_pipeline.store.record import Direction

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
AMOUNTS = st.floats(0, allow_infinity=False)


def criteria() -> st.SearchStrategy[Criterion]:
    """Return every criterion that can be typed of `error`, but for wrong sides."""
    bounds: tuple[Bound, ...] = ("<=", "<", ">=", ">")
    told: list[Direction | None] = [None, "minimize", "maximize"]
    relative: tuple[Relation, ...] = ("within", "better by")
    return st.one_of(
        st.builds(Criterion, st.just("error"), st.sampled_from(bounds), NUMBERS),
        st.builds(
            Criterion,
            st.just("error"),
            st.sampled_from(relative),
            AMOUNTS,
            told=st.sampled_from(told),
        ),
        st.builds(
            Criterion,
            st.just("error"),
            st.just("within"),
            AMOUNTS,
            st.floats(0, 1e6),
            st.sampled_from(told),
        ),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mape <= 0.25", Criterion("mape", "<=", 0.25)),
        ("mape<0.25", Criterion("mape", "<", 0.25)),
        (" auc >= .8 ", Criterion("auc", ">=", 0.8)),
        ("r2 > -1e-3", Criterion("r2", ">", -0.001)),
        ("bias:minimize <= 5", Criterion("bias", "<=", 5, told="minimize")),
        ("mape within 2%", Criterion("mape", "within", 0, 2)),
        ("mape  within  2 %", Criterion("mape", "within", 0, 2)),
        ("mape within 0.01", Criterion("mape", "within", 0.01)),
        ("mape within 2% or 0.01", Criterion("mape", "within", 0.01, 2)),
        ("mape better by 1%", Criterion("mape", "better by", 0, 1)),
        ("mape better  by 0", Criterion("mape", "better by", 0)),
        ("mae:maximize better by 3", Criterion("mae", "better by", 3, told="maximize")),
        ("f1 macro@10:k >= 0.5", Criterion("f1 macro@10:k", ">=", 0.5)),
        ("within within 2", Criterion("within", "within", 2)),
    ],
)
def test_criterion_that_is_typed_is_read(text: str, expected: Criterion) -> None:
    found = Criterion.read(text)
    assert found == expected
    assert Criterion.read(str(found)) == found


@given(criteria())
def test_criterion_as_it_is_recorded_reads_as_the_same(criterion: Criterion) -> None:
    assert Criterion.read(str(criterion)) == criterion


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be like mape <= 0.25, "),
        ("mape", "must be like mape <= 0.25, "),
        ("<= 0.25", "must be like mape <= 0.25, "),
        ("mape = 0.25", "must be like mape <= 0.25, "),
        ("mape =< 0.25", "must be like mape <= 0.25, "),
        ("mape <== 0.25", "must be like mape <= 0.25, "),
        ("mape within", "must be like mape <= 0.25, "),
        ("mape within2%", "must be like mape <= 0.25, "),
        ("mape within 2 percent", "must be like mape <= 0.25, "),
        ("mape <= 0.25 and r2 > 0", "must be like mape <= 0.25, "),
        ("mape <= nan", "must compare with a finite number"),
        ("mape within inf%", "must compare with a finite number"),
        ("mape within 2% or x", "must compare with a finite number"),
        ("mape <= 0.2.5", "must compare with a finite number"),
        ("mape <= 25%", "must compare with one number in the metric's unit, as 0.25 for 25 %"),
        ("mape <= 2 or 3", "must compare with one number in the metric's unit"),
        ("mape within 2 or 3", "must have a percentage before 'or'"),
        ("mape better by 2% or 3", "must have one number after 'better by'"),
        ("mape within -2%", "must say how much in a number of 0 or more"),
        ("mape better by -1", "must say how much in a number of 0 or more"),
        ("mape within 2% or -1", "must say how much in a number of 0 or more"),
        ("mape:maximize <= 3", "must bound a metric to maximize on the other side"),
    ],
)
def test_criterion_that_is_none_is_refused_with_what_must_hold(text: str, problem: str) -> None:
    with pytest.raises(QueryError) as refused:
        Criterion.read(text)
    assert str(refused.value).startswith(f"a criterion {problem}")
    assert str(refused.value).endswith(f"but got {text!r}")


CASES = [
    # champion, criterion, the last value that passes, one that fails
    (None, "x <= 0.25", 0.25, 0.2500001),
    (None, "x < 0.25", 0.2499999, 0.25),
    (None, "x >= 0.25", 0.25, 0.2499999),
    (None, "x > -0.25", -0.2499999, -0.25),
    (0.2, "x:minimize within 2%", 0.204, 0.20401),
    (0.2, "x:maximize within 2%", 0.196, 0.19599),
    (-0.5, "x:maximize within 10%", -0.55, -0.5501),
    (-0.5, "x:minimize within 10%", -0.45, -0.4499),
    (0.0, "x:minimize within 10%", 0.0, 1e-300),
    (0.0, "x:maximize within 10%", 0.0, -1e-300),
    (0.0, "x:minimize within 10% or 0.01", 0.01, 0.0101),
    (1.0, "x:minimize within 10% or 0.01", 1.1, 1.101),
    (-0.01, "x:maximize within 10% or 0.01", -0.02, -0.0201),
    (0.3, "x:minimize within 0.1", 0.4, 0.4001),
    (0.3, "x:minimize within 0", 0.3, 0.30001),
    (0.1, "x:minimize within 200%", 0.3, 0.30001),
    (0.2, "x:minimize better by 5%", 0.19, 0.1901),
    (-0.5, "x:maximize better by 10%", -0.45, -0.4501),
    (0.0, "x:maximize better by 10%", 1e-300, 0.0),
    (0.0, "x:minimize better by 0", -1e-300, 0.0),
    (0.3, "x:maximize better by 0.1", 0.4, 0.3999),
]


@pytest.mark.parametrize(("champion", "text", "passes", "fails"), CASES)
def test_criterion_passes_up_to_its_limit(
    champion: float | None, text: str, passes: float, fails: float
) -> None:
    criterion = Criterion.read(text)
    direction = criterion.direction
    assert direction is not None
    beside = Fraction(champion) if champion is not None else None
    assert criterion.is_met(Fraction(passes), beside, direction)
    assert not criterion.is_met(Fraction(fails), beside, direction)


@given(criteria(), NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["minimize", "maximize"]))
def test_criterion_that_a_value_passes_is_passed_by_every_better_one(
    criterion: Criterion, champion: float, value: float, other: float, told: Direction
) -> None:
    direction = criterion.direction or told
    better, worse = sorted([value, other], reverse=direction == "maximize")
    met = [
        criterion.is_met(Fraction(one), Fraction(champion), direction) for one in (better, worse)
    ]
    assert met[0] >= met[1]


@given(NUMBERS, AMOUNTS, st.floats(0, 1e6), st.sampled_from(["minimize", "maximize"]))
def test_criterion_takes_the_champion_itself_unless_it_has_to_be_better(
    champion: float, amount: float, percent: float, direction: Direction
) -> None:
    itself = Fraction(champion)
    for relation, share in itertools.product(("within", "better by"), (None, percent)):
        found = Criterion("x", relation, amount, share)  # type: ignore[arg-type]
        assert found.is_met(itself, itself, direction) == (relation == "within")
