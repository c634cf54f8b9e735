"""The dates of a request, read alike at every door."""

from datetime import date
from typing import Any

import pytest

from ml_pipeline.launch.dates import days_between, read_day, read_days


def never(day: date) -> None:
    return None


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
    days = read_days({"from": "1998-02-27", "to": "1998-03-02"}, never, problems)
    assert [str(day) for day in days] == ["1998-02-27", "1998-02-28", "1998-03-01", "1998-03-02"]
    assert not problems


def test_days_of_one_value_are_that_day() -> None:
    problems: list[str] = []
    assert read_days({"as_of": "1998-05-31"}, never, problems) == [date(1998, 5, 31)]
    assert not problems


def test_days_the_wrong_way_round_are_refused_by_the_names_of_the_door() -> None:
    problems: list[str] = []
    read_days({"--from": "1998-05-31", "--to": "1998-05-01"}, never, problems)
    assert problems == ["--from must not be after --to, but got 1998-05-31 and 1998-05-01"]


def test_days_with_several_problems_tell_them_all_and_come_to_nothing() -> None:
    problems: list[str] = []
    assert not read_days({"from": "soon", "to": "later"}, never, problems)
    assert [problem.partition(" ")[0] for problem in problems] == ["from", "to"]


def test_days_that_are_refused_are_told_once_each() -> None:
    problems: list[str] = []
    ends = {"from": "1998-05-31", "to": "1998-05-31"}
    assert not read_days(ends, lambda day: f"not {day}", problems)
    assert problems == ["not 1998-05-31"]


def test_days_between_a_day_and_itself_are_one() -> None:
    assert days_between(date(1998, 5, 31), date(1998, 5, 31)) == [date(1998, 5, 31)]
