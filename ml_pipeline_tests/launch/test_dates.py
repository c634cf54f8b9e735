"""The dates of a request, read alike at every door."""

from datetime import date
from typing import Any

import pytest

from ml_pipeline.launch.dates import EveryDay, read_day


def test_day_that_is_one_is_read() -> None:
    assert read_day("as_of", "1998-05-31") == date(1998, 5, 31)


@pytest.mark.parametrize("value", ["31.5.1998", "1998-02-30", "", 19980531, None, True, 1e308])
def test_day_that_is_none_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^--as-of must be a date such as 1998-05-31, but got"):
        read_day("--as-of", value)


def test_day_that_is_a_long_text_is_told_in_few_words() -> None:
    with pytest.raises(ValueError, match="must be a date") as refusal:
        read_day("as_of", "1" * 60_000)
    assert len(str(refusal.value)) < 200


def test_days_of_a_range_are_all_of_it_in_order() -> None:
    problems: list[str] = []
    days = EveryDay().read({"from": "1998-02-27", "to": "1998-03-02"}, problems)
    assert [str(day) for day in days] == ["1998-02-27", "1998-02-28", "1998-03-01", "1998-03-02"]
    assert not problems


def test_days_of_one_value_are_that_day() -> None:
    problems: list[str] = []
    assert EveryDay().read({"as_of": "1998-05-31"}, problems) == [date(1998, 5, 31)]
    assert not problems


def test_days_the_wrong_way_round_are_refused_by_the_names_of_the_door() -> None:
    problems: list[str] = []
    EveryDay().read({"--from": "1998-05-31", "--to": "1998-05-01"}, problems)
    assert problems == ["--from must not be after --to, but got 1998-05-31 and 1998-05-01"]


def test_days_with_several_problems_tell_them_all_and_come_to_nothing() -> None:
    problems: list[str] = []
    assert not EveryDay().read({"from": "soon", "to": "later"}, problems)
    assert [problem.partition(" ")[0] for problem in problems] == ["from", "to"]


def test_days_from_a_day_to_itself_are_one() -> None:
    problems: list[str] = []
    days = EveryDay().read({"from": "1998-05-31", "to": "1998-05-31"}, problems)
    assert days == [date(1998, 5, 31)]
    assert not problems
