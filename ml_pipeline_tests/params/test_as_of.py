"""What a run is as of: dates where keys are ISO dates, and text otherwise."""

from datetime import date

import pytest

from ml_pipeline.params.as_of import as_of_from_key, by_key, nearest_keys


@pytest.mark.parametrize(
    ("key", "as_of"),
    [
        ("1998-05-31", date(1998, 5, 31)),
        ("19980531", "19980531"),
        ("1998-W22-7", "1998-W22-7"),
        ("1998-02-30", "1998-02-30"),
        ("1998-05-31-00:00", "1998-05-31-00:00"),
        ("oslo", "oslo"),
        ("", ""),
    ],
)
def test_key_is_a_date_only_where_it_is_an_iso_date(key: str, as_of: date | str) -> None:
    assert as_of_from_key(key) == as_of
    assert str(as_of) == key


def test_order_of_keys_has_dates_first_and_numbers_as_numbers() -> None:
    ordered = [None, date(1998, 5, 1), date(1998, 5, 31), "9", "010", "shard 2", "shard 10"]
    last_first = list(reversed(ordered))
    assert sorted(last_first, key=by_key) == ordered


def test_nearest_keys_are_counted_in_days_or_in_places() -> None:
    days = [date(1998, 5, day) for day in (1, 20, 31)]
    assert nearest_keys(date(1998, 5, 19), days) == [days[1], days[2], days[0]]
    assert nearest_keys("3", ["9", "1", "3", "2"]) == ["2", "9", "1"]
