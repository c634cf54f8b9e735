"""Which texts are instants, and which could mean something else and are refused."""

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.pipeline.instants import instants

TEN = datetime(2009, 1, 5, 10)


def read(*texts: str | None) -> list[datetime | None]:
    return instants(pl.Series("at", texts, dtype=pl.String)).to_list()


def test_dates_are_read_as_their_midnight() -> None:
    midnight = datetime(2009, 1, 5)
    assert read("2009-01-05", "20090105", "2009-1-5", " 2009-01-05 ") == [midnight] * 4


@pytest.mark.parametrize(
    "text",
    [
        "2009-01-05T10:00:00",
        "2009-01-05 10:00",
        "2009-01-05T10",
        "2009-01-05T10:00Z",
        "2009-01-05t10:00:00z",
        "2009-01-05 10:00:00 UTC",
        "2009-01-05 10:00 GMT",
        "2009-01-05 10:00:00 +0000 UTC",
        "2009-01-05T10:00:00,000",
        "2009-01-05T10:00:00.000000000Z",
        "2009-01-05T12:00:00+02:00",
        "2009-01-05T12:00+0200",
        "2009-01-05 12:00:00 +02",
        "2009-01-05T12+02",
        "2009-01-05T07:30-02:30",
        "2009-01-05 10:00:00-00:00",
        "20090105T100000Z",
        "20090105T120000.000+0200",
        "20090105T1000",
    ],
)
def test_times_in_the_forms_of_iso_8601_are_read_as_utc(text: str) -> None:
    assert read(text) == [TEN]


@pytest.mark.parametrize(
    "text",
    [
        "09-01-05",
        "090105",
        "2009105",
        "12009-01-05",
        "-2009-01-05",
        "2009-01",
        "2009-W01-1",
        "2009-005",
        "2009-01-05T",
        "2009-01-05T24:00:00",
        "2009-01-05T23:59:60",
        "2009-01-05T10:60",
        "2009-01-05 10:00 CET",
        "2009-01-05 10:00 Europe/Berlin",
        "2009-01-05 10:00 PM",
        "2009-01-05+02:00",
        "2009-01-05T10:00:00+25:00",
        "05.01.2009",
        "01/05/2009",
        "2009-02-30",
        "1230768000",
        "\u0662\u0660\u0660\u0669-\u0660\u0661-\u0660\u0665",
        "",
    ],
)
def test_texts_that_could_mean_something_else_are_no_instants(text: str) -> None:
    assert read(text, None) == [None, None]


@given(st.lists(st.tuples(st.datetimes(datetime(1000, 1, 1)), st.integers(0, 2))))
def test_instants_written_by_python_come_back_in_any_mixture(
    times: list[tuple[datetime, int]],
) -> None:
    forms = ("%Y%m%dT%H%M%S.%fZ", "%Y-%m-%d %H:%M:%S.%f UTC", "%Y-%m-%dT%H:%M:%S.%f")
    assert read(*(time.strftime(forms[form]) for time, form in times)) == [at for at, _ in times]
