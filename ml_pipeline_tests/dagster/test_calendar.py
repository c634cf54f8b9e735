"""Calendars: what somebody asks for at a door, in the partitions that a pipeline has."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.partitions import calendar_of
from ml_pipeline.errors import PipelineError, SettingsError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline_tests.toys.partitioned import DAYS, OSLO, REGIONS

HOURS = dg.HourlyPartitionsDefinition("2026-10-25-00:00", "2026-10-26-00:00", timezone=OSLO)
SUMMER = dg.HourlyPartitionsDefinition("2026-03-29-00:00", "2026-03-30-00:00", timezone=OSLO)
WEEKS = dg.WeeklyPartitionsDefinition("2026-01-01", end_date="2026-03-01")
TWO = dg.MultiPartitionsDefinition({"day": DAYS, "region": REGIONS})
SHOPS = dg.DynamicPartitionsDefinition(name="shops")
WEEK = "as_of must be a partition from 2026-01-04 to 2026-02-22"
HOUR = "as_of must be a partition from 2026-10-25-00:00 to 2026-10-25-23:00"
FORM = "as_of must be of the form %Y-%m-%d-%H:%M, such as 2026-10-25-23:00"
BOX = [f"2026-01-0{day}|{name}" for day in (5, 6) for name in ("oslo", "bergen")]
BY_SHOP = dg.MultiPartitionsDefinition({"shop": SHOPS, "day": DAYS})


def calendar(partitions: dg.PartitionsDefinition[Any] | None) -> Calendar:
    known = {"shops": ["north", "a|b", "south", "*", " "]}
    return calendar_of("toy", partitions, "set there", known.__getitem__)


def read(partitions: dg.PartitionsDefinition[Any] | None, **asked: Any) -> list[str]:
    problems: list[str] = []
    found = calendar(partitions).read(asked, problems)
    assert not problems
    return [str(as_of) for as_of in found]


@pytest.mark.parametrize(
    ("partitions", "asked", "keys"),
    [
        (DAYS, {"as_of": "2026-01-05"}, ["2026-01-05"]),
        (DAYS, {"as_of": "20260105"}, ["2026-01-05"]),
        (DAYS, {"as_of": ("2026-01-07", "2026-01-05")}, ["2026-01-07", "2026-01-05"]),
        (DAYS, {"start": "2026-01-30", "end": "2026-01-31"}, ["2026-01-30", "2026-01-31"]),
        (DAYS, {}, ["2026-01-31"]),
        (WEEKS, {"start": "2026-01-04", "end": "2026-01-11"}, ["2026-01-04", "2026-01-11"]),
        (HOURS, {"start": "2026-10-25-02:00", "end": "2026-10-25-03:00"},
         ["2026-10-25-02:00", "2026-10-25-02:00+0100", "2026-10-25-03:00"]),
        (REGIONS, {"start": "oslo", "end": "bergen"}, ["oslo", "bergen"]),
        (REGIONS, {"as_of": "*"}, ["oslo", "bergen", "tromso"]),
        (SHOPS, {"as_of": "a|b"}, ["a|b"]),
        (SHOPS, {"as_of": "*"}, ["*"]),
        (TWO, {"as_of": "2026-01-05|*"},
         ["2026-01-05|oslo", "2026-01-05|bergen", "2026-01-05|tromso"]),
        (TWO, {"start": "2026-01-05|oslo", "end": "2026-01-06|oslo"},
         ["2026-01-05|oslo", "2026-01-06|oslo"]),
        (TWO, {"start": "2026-01-05|bergen", "end": "2026-01-06|*"},
         ["2026-01-05|bergen", "2026-01-05|tromso", "2026-01-06|bergen", "2026-01-06|tromso"]),
        (BY_SHOP, {"as_of": "2026-01-05|south"}, ["2026-01-05|south"]),
        (None, {}, ["None"]),
    ],
)  # fmt: skip
def test_keys_that_are_asked_for_are_read_in_the_order_of_the_partitions(
    partitions: dg.PartitionsDefinition[Any] | None, asked: Mapping[str, Any], keys: Sequence[str]
) -> None:
    assert read(partitions, **asked) == keys


@pytest.mark.parametrize(
    ("partitions", "asked", "said"),
    [
        (DAYS, {"--as-of": "soon"}, "--as-of must be a date such as 1998-05-31, but got 'soon'"),
        (DAYS, {"as_of": "2026-02-01"},
         "as_of must be a day from 2026-01-01 to 2026-01-31, but got 2026-02-01; set there"),
        (DAYS, {"--from": "2026-01-05", "--to": "2026-01-04"},
         "--from must not be after --to, but got 2026-01-05 and 2026-01-04"),
        (WEEKS, {"as_of": "2026-01-05"},
         f"{WEEK}, but got 2026-01-05, which lies in 2026-01-04; set there"),
        (WEEKS, {"as_of": "2026-02-25"},
         f"{WEEK}, but got 2026-02-25, which lies in 2026-02-22; set there"),
        (HOURS, {"as_of": "2026-10-25"},
         f"{FORM}, but got '2026-10-25'"),
        (HOURS, {"as_of": 5}, f"{FORM}, but got 5"),
        (HOURS, {"as_of": "2026-10-25-02:30"},
         f"{HOUR}, but got 2026-10-25-02:30, which lies in 2026-10-25-02:00; set there"),
        (HOURS, {"as_of": "2026-10-25-5:00"},
         f"{HOUR}, but got 2026-10-25-5:00: write 2026-10-25-05:00; set there"),
        (HOURS, {"as_of": "2026-10-25-02:00+0200"},
         f"{HOUR}, but got 2026-10-25-02:00+0200: write 2026-10-25-02:00; set there"),
        (SUMMER, {"as_of": "2026-03-29-02:00"},
         ("as_of must be a partition from 2026-03-29-00:00 to 2026-03-29-23:00, but got"
          " 2026-03-29-02:00, which lies in 2026-03-29-01:00; set there")),
        (DAYS, {"as_of": []}, "as_of must have at least one key, but got []"),
        (REGIONS, {"as_of": "olso"},
         ("as_of must be one of oslo, bergen, tromso, the keys of the partitions, but got 'olso'."
         " Did you mean 'oslo'?")),
        (REGIONS, {"as_of": 5}, "as_of must be text, but got 5: put it in quotes"),
        (REGIONS, {}, "as_of must be given, such as 'tromso'; * stands for all"),
        (WEEKS, {"as_of": "2026-03-09"},
         f"{WEEK}, but got 2026-03-09; set there"),
        (SHOPS, {"as_of": " "},
         "as_of must be part of a path, but ' ' has nothing in it that can be seen"),
        (SHOPS, {"as_of": "nroth"},
         ("as_of must be one of north, a|b, south, *,  , the keys of the dynamic partitions"
          " 'shops', but got 'nroth'. Did you mean 'north'?")),
        (TWO, {"as_of": "2026-01-05"},
         ("as_of must be like 2026-01-31|tromso, which is day|region; * stands for all of one, but"
          " got '2026-01-05'")),
        (TWO, {"--as-of": "2026-02-05|olso"},
         ("day of as_of must be a day from 2026-01-01 to 2026-01-31, but got 2026-02-05; set there;"
         " region of as_of must be one of oslo, bergen, tromso, the keys of the partitions, but got"
         " 'olso'. Did you mean 'oslo'?")),
        (TWO, {"--from": "2026-01-05|bergen", "--to": "2026-01-06|oslo"},
         "--from must not be after --to, but got 2026-01-05|bergen and 2026-01-06|oslo"),
        (None, {"--as-of": "2026-01-05"},
         "--as-of has no effect: pipeline 'toy' has no partitions"),
        (dg.DailyPartitionsDefinition("2100-01-01"), {},
         "as_of cannot have a value yet: the calendar starts in the future"),
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused_with_what_there_is(
    partitions: dg.PartitionsDefinition[Any] | None, asked: Mapping[str, Any], said: str
) -> None:
    problems: list[str] = []
    assert calendar(partitions).read(asked, problems) == []
    assert "; ".join(problems) == said


@pytest.mark.parametrize(
    ("partitions", "keys", "most", "runs"),
    [
        (DAYS, ["2026-01-05", "2026-01-06", "2026-01-08"], 9, [2, 1]),
        (DAYS, ["2026-01-05", "2026-01-06", "2026-01-07"], 2, [2, 1]),
        (WEEKS, ["2026-01-04", "2026-01-11", "2026-01-25"], 9, [2, 1]),
        (REGIONS, ["oslo", "tromso"], 9, [1, 1]),
        (TWO, BOX, 9, [4]),
        (TWO, BOX, 3, [2, 2]),
        (TWO, [f"2026-01-0{day}|{name}" for day in (5, 6) for name in ("oslo", "tromso")], 9,
         [1, 1, 1, 1]),
        (TWO, ["2026-01-05|oslo", "2026-01-06|oslo", "2026-01-06|bergen"], 9, [1, 2]),
        (None, [None], 9, [1]),
        (DAYS, [], 9, []),
    ],
)  # fmt: skip
def test_keys_in_runs_are_what_one_range_in_dagster_covers(
    partitions: Any, keys: list[Any], most: int, runs: list[int]
) -> None:
    found = calendar(partitions).in_runs(keys, most)
    assert [len(run) for run in found] == runs
    assert sorted(map(str, keys)) == sorted(str(key) for run in found for key in run)
    for run in found if isinstance(partitions, dg.MultiPartitionsDefinition) else ():
        covered = partitions.get_partition_keys_in_range(dg.PartitionKeyRange(run[0], run[-1]))
        assert list(map(str, covered)) == run


def test_order_of_keys_is_that_of_the_partitions() -> None:
    shuffled: list[AsOf] = ["2026-10-25-03:00", "2026-10-25-02:00+0100", "2026-10-25-02:00"]
    assert sorted(shuffled, key=calendar(HOURS).order) == shuffled[::-1]
    listed: list[AsOf] = ["gone", "tromso", "bergen", "oslo"]
    assert sorted(listed, key=calendar(REGIONS).order) == listed[::-1]
    spelled = dg.DailyPartitionsDefinition("01.01.2026", end_date="01.03.2026", fmt="%d.%m.%Y")
    assert sorted(["01.02.2026", "31.01.2026"], key=calendar(spelled).order)[0] == "31.01.2026"
    assert sorted(["2026-01-05|oslo", date(2026, 1, 6)], key=calendar(TWO).order)[0] == date(
        2026, 1, 6
    )


def test_ends_of_keys_are_those_of_the_range_that_has_all_of_them() -> None:
    apart: list[AsOf | None] = ["2026-01-05|tromso", "2026-01-06|bergen"]
    assert calendar(TWO).ends(apart) == ("2026-01-05|bergen", "2026-01-06|tromso")
    days: list[AsOf | None] = [date(2026, 1, 5), date(2026, 1, 9)]
    assert calendar(DAYS).ends(days) == (days[0], days[1])
    assert calendar(None).ends([None]) == (None, None)


def test_keys_between_two_are_so_on_each_axis() -> None:
    of = calendar(TWO)
    first, last = of.bound("--from", "2026-01-05|*"), of.bound("--to", "2027-01-06|bergen")
    assert of.is_between("2026-01-09|oslo", first, last)
    assert not of.is_between("2026-01-09|tromso", first, last)
    assert not of.is_between("2026-01-04|oslo", first, None)
    assert not of.is_between(date(2026, 1, 9), first, last)
    with pytest.raises(ValueError, match=r"^day of --from must be a date such as"):
        of.bound("--from", "soon|oslo")


def test_recent_windows_are_those_of_the_last_days_and_at_least_one() -> None:
    assert [str(key) for key in calendar(DAYS).recent(2)] == ["2026-01-30", "2026-01-31"]
    assert [str(key) for key in calendar(WEEKS).recent(3)] == ["2026-02-22"]
    assert len(calendar(HOURS).recent(1)) == 25
    assert calendar(TWO).recent(1) == [
        "2026-01-31|oslo", "2026-01-31|bergen", "2026-01-31|tromso"
    ]  # fmt: skip
    with pytest.raises(SettingsError, match="must be partitioned by time, so that what is late"):
        calendar(REGIONS).refuse_timeless()


def test_windows_holding_a_day_are_all_that_have_something_of_it() -> None:
    day, late = date(2026, 1, 7), date(2026, 3, 1)
    assert calendar(DAYS).holding([day, late]) == {day: [day]}
    assert calendar(WEEKS).holding([day, late]) == {day: [date(2026, 1, 4)]}
    assert len(calendar(HOURS).holding([date(2026, 10, 25)])[date(2026, 10, 25)]) == 25
    assert calendar(TWO).holding([day])[day][-1] == "2026-01-07|tromso"


def test_meaning_of_a_key_of_other_partitions_is_refused() -> None:
    hour = calendar(HOURS).meaning("2026-10-25-02:00+0100")
    assert hour.start is not None
    assert hour.start.isoformat() == "2026-10-25T02:00:00+01:00"
    with pytest.raises(PipelineError, match=r"must be like 1998-05-31\|oslo, but is '2026-01-05'"):
        calendar(TWO).meaning(date(2026, 1, 5))
    with pytest.raises(PipelineError, match="is '2026-10-25-02:30'"):
        calendar(HOURS).meaning("2026-10-25-02:30")
