from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs import query
from ml_pipeline.runs.catalog import Entry, entries, newest
from ml_pipeline.runs.query import both, equal
from ml_pipeline.store.record import Content, Record
from ml_pipeline_tests.toys.bench import DAY, Bench, entry_of
from ml_pipeline_tests.toys.pipeline import PARAMS

DATE = "'as_of' is a date, so it must be compared with one such as 1998-05-31"
TIME = (
    "'made_at' is a time, so it must be compared with one such as 1998-05-31 or 1998-05-31 18:30:00"
)
HINT = ": put text with blanks, brackets or signs in quotes"


def matching(found: list[Entry], where: str | None) -> list[Entry]:
    return query.matching(found, where, PARAMS)


def by(found: list[Entry], name: str | None) -> list[Entry]:
    return query.by(found, name, PARAMS)


def listed(bench: Bench, *assets: str) -> list[Entry]:
    return newest(entries(bench.store, assets or ("score",)))


def with_region(region: Any) -> Entry:
    """Return a run that has any value there."""
    record = Record(
        asset="score",
        run_id="ab",
        revision="cd",
        as_of=DAY,
        identity={},
        params={"data": {"region": region, "rows": 6}},
        code="1",
        content=Content(file="data.json", format="json", bytes=1, digest="ef"),
        started_at=datetime(2026, 1, 5, tzinfo=UTC),
        duration_s=1.0,
    )
    return Entry(f"score/{region!r}", record)


def rates(found: list[Entry]) -> list[float]:
    return [entry.record.params["fit"]["learning_rate"] for entry in found]


@pytest.fixture
def sweep(bench: Bench) -> Bench:
    """Four runs: learning rates .1 to .4 in this order, the last for the south."""
    for learning_rate in (0.1, 0.2, 0.3):
        bench.run(learning_rate=learning_rate)
    bench.run(learning_rate=0.4, region="south")
    return bench


# Conditions


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, [0.4, 0.3, 0.2, 0.1]),
        ("", [0.4, 0.3, 0.2, 0.1]),
        ("learning_rate<0.3", [0.2, 0.1]),
        ("learning_rate <= 0.3", [0.3, 0.2, 0.1]),
        ("learning_rate>2e-1", [0.4, 0.3]),
        ("fit.learning_rate = 0.3", [0.3]),
        ("learning_rate==.3", [0.3]),
        ("learning_rate != 0.3", [0.4, 0.2, 0.1]),
        ("region=south", [0.4]),
        ("region = 'south'", [0.4]),
        ('region!="south"', [0.3, 0.2, 0.1]),
        ("region=north and learning_rate>0.1", [0.3, 0.2]),
        ("region=north AND learning_rate>0.1 and learning_rate<0.3", [0.2]),
        ("as_of>=2026-01-05", [0.4, 0.3, 0.2, 0.1]),
        ("as_of<2026-01-05", []),
        ("r2<2", [0.4, 0.3, 0.2, 0.1]),
        ("r2>2", []),
        ("learning_rate=0.30", [0.3]),
        ("rows=6.0", [0.4, 0.3, 0.2, 0.1]),
        ("learning_rate=0.1 or region=south", [0.4, 0.1]),
        ("region!=south and learning_rate=0.1 or learning_rate=0.4", [0.4, 0.1]),
        ("region!=south and (learning_rate=0.1 or learning_rate=0.4)", [0.1]),
        ("not (learning_rate=0.1 or learning_rate=0.4)", [0.3, 0.2]),
        ("not region=south", [0.3, 0.2, 0.1]),
        ("learning_rate in (.1, 0.4, 7)", [0.4, 0.1]),
        ("learning_rate not in (0.1,0.4)", [0.3, 0.2]),
        ("region in (south, 'west')", [0.4]),
        ("(region IN (south) OR (learning_rate IN (0.1)))", [0.4, 0.1]),
        ("learning_rate between 0.2 and 0.3 and region=north", [0.3, 0.2]),
        ("learning_rate not between 0.2 and 0.3", [0.4, 0.1]),
        ("region like 'so%'", [0.4]),
        ("region is null", []),
        ("region is not null and region<>north", [0.4]),
        ("region=none or learning_rate=0.1", [0.1]),
        ("region!=null", [0.4, 0.3, 0.2, 0.1]),
        ("rows>window and workers<=window", [0.4, 0.3, 0.2, 0.1]),
        ("as_of>=2026-1-5 and as_of<2026-1-10", [0.4, 0.3, 0.2, 0.1]),
        ("as_of='2026-01-05'", [0.4, 0.3, 0.2, 0.1]),
        ("as_of in (2026-1-4, 2026-1-6)", []),
        ("as_of between 2025-12-31 and 2026-1-5", [0.4, 0.3, 0.2, 0.1]),
        ("made_at>2100-1-1", []),
        ("made_at<2100-1-1 18:30", [0.4, 0.3, 0.2, 0.1]),
        ("made_at between 2020-1-1 00:00:00Z and 2100-1-1T00:00+02:00", [0.4, 0.3, 0.2, 0.1]),
    ],
)
def test_matching_keeps_what_fulfils_every_condition(
    sweep: Bench, where: str | None, expected: list[float]
) -> None:
    assert rates(matching(listed(sweep), where)) == expected


@pytest.mark.parametrize(
    ("where", "problems"),
    [
        (
            "learning_rate",
            ["a condition must be like learning_rate<0.1, but got 'learning_rate'"],
        ),
        ("<3", ["a condition must be like learning_rate<0.1, but got '<3'"]),
        (
            "lerning_rate<3",
            ["'lerning_rate' is nothing that runs have. Did you mean 'learning_rate'?"],
        ),
        (
            "learning_rate<abc",
            ["'learning_rate' is a number, so it must be compared with one: 'learning_rate<abc'"],
        ),
        ("region<10", ["'region' is text, so it must be compared with text: 'region<10'"]),
        ("region=rows", ["'region' is text, so it must be compared with text: 'region=rows'"]),
        (
            "as_of>1998-31-5",
            [f"{DATE}: 'as_of>1998-31-5'"],
        ),
        (
            "as_of=2026-01-05 10:00",
            [f"{DATE}: 'as_of=2026-01-05 10:00'"],
        ),
        (
            "rows in (1, two) or made_at<now",
            [
                "'rows' is a number, so it must be compared with one: 'rows in (1, two)'",
                f"{TIME}: 'made_at<now'",
            ],
        ),
        ("rows<none", ["a condition must be like learning_rate<0.1, but got 'rows<none'"]),
        ("rows>1e999", ["'rows' is a number, so it must be compared with one: 'rows>1e999'"]),
        ("rows=nan", ["'rows' is a number, so it must be compared with one: 'rows=nan'"]),
        ("rows like 'a%'", ["'rows' is no text: \"rows like 'a%'\""]),
        (
            "region=far north",
            [f"a condition must be like learning_rate<0.1, but got 'region=far north'{HINT}"],
        ),
        ("rows=1 and", ["a condition must be like learning_rate<0.1, but got 'rows=1 and'"]),
        ("or rows=1", ["a condition must be like learning_rate<0.1, but got 'or'"]),
        ("rows in ()", ["a condition must be like learning_rate<0.1, but got 'rows in ()'"]),
        ("rows in (1 2)", ["a condition must be like learning_rate<0.1, but got 'rows in (1 2)'"]),
        ("rows between", ["a condition must be like learning_rate<0.1, but got 'rows between'"]),
        ("(rows=1", ["every bracket must have its other half, but got '(rows=1'"]),
        ("rows=1)", ["every bracket must have its other half, but got 'rows=1)'"]),
        (
            "model.learning_rate=1",
            ["'model.learning_rate' is nothing that runs have. Did you mean 'learning_rate'?"],
        ),
        (
            "rows=1; drop table c0",
            [f"a condition must be like learning_rate<0.1, but got 'rows=1; drop table c0'{HINT}"],
        ),
        ("sleep(9)=1", ["'sleep' is nothing that runs have."]),
        ("(" * 20 + "rows=1" + ")" * 20,
         ["conditions may be 15 brackets deep, but these are deeper"]),
        (
            "lr<3 and rows ~ 4",
            [
                "'lr' is nothing that runs have. Did you mean 'learning_rate'?",
                "a condition must be like learning_rate<0.1, but got 'rows ~ 4'",
            ],
        ),
    ],
)  # fmt: skip
def test_matching_with_bad_conditions_names_every_problem(
    sweep: Bench, where: str, problems: list[str]
) -> None:
    with pytest.raises(ParamsError) as refused:
        matching(listed(sweep), where)
    assert list(refused.value.problems) == problems


@pytest.mark.parametrize("where", ["r2>-100", "r2<100", "r2>=0", "r2<=0", "r2=0"])
def test_matching_by_a_metric_leaves_out_what_has_none(sweep: Bench, where: str) -> None:
    found = listed(sweep, "score", "table")
    assert {entry.record.asset for entry in matching(found, where)} <= {"score"}


def test_matching_text_that_contains_the_word_and(bench: Bench) -> None:
    bench.run(["table"], region="this and that")
    found = listed(bench, "table")
    assert matching(found, "region='this and that'") == found


@given(text=st.text(alphabet="ab' \"\\%_();-=\n\t,", min_size=1, max_size=12))
def test_matching_text_in_quotes_is_that_text_and_nothing_else(text: str) -> None:
    entry, other = with_region(text), with_region("another")
    assert matching([entry, other], equal("region", text)) == [entry]
    assert matching([entry, other], f"region != {equal('', text).removeprefix(' = ')}") == [other]


@given(where=st.text(alphabet="rows 16<>=!andotbewi()',.'\"x-", max_size=30))
def test_matching_by_whatever_is_typed_chooses_or_refuses(where: str) -> None:
    found = [with_region("north"), with_region("south")]
    try:
        assert all(entry in found for entry in matching(found, where))
    except ParamsError as refused:
        assert refused.problems  # noqa: PT017


def test_matching_takes_what_is_absent_for_unequal_and_for_nothing_else() -> None:
    with_none, one, two = (with_region(region) for region in (None, "north", "south"))
    found = [with_none, one, two]
    assert matching(found, "region=north") == [one]
    assert matching(found, "region!=north") == [with_none, two]
    assert matching(found, "not region=north") == [with_none, two]
    assert matching(found, "region not in (north)") == [with_none, two]
    assert matching(found, "not region in (north, none)") == [two]
    assert matching(found, "region=none") == [with_none]
    assert matching(found, "region is not null") == [one, two]
    assert matching(found, "region='none'") == []


class Named(ParamGroup):
    run_id: int = 7
    made_at: str = "never"


@pytest.mark.parametrize("model", [ParamModel(named=Named), ParamModel()], ids=["now", "gone"])
def test_parameter_with_the_name_of_a_column_is_told_with_its_group(model: ParamModel) -> None:
    one = with_region("south")
    params = {"named": {"run_id": 7, "made_at": "never"}}
    found = [Entry(one.path, one.record.model_copy(update={"params": params}))]
    row = found[0].row(model)
    assert (row["run_id"], row["named.run_id"], row["named.made_at"]) == ("ab", 7, "never")
    assert row["made_at"].startswith("2026-01-05")
    assert query.matching(found, "run_id=ab and named.run_id=7", model) == found
    assert query.matching(found, "run_id=7", model) == []


def test_parameter_with_the_name_of_a_column_is_typed_by_its_own_name() -> None:
    assert ParamModel(named=Named).parse({"run_id": "8"}).values()["named"]["run_id"] == 8


def test_matching_truths_only_by_equality() -> None:
    yes, no = with_region(True), with_region(False)
    assert matching([yes, no], "region=true") == [yes]
    assert matching([yes, no], "region!=TRUE") == [no]
    for where in ("region=1", "region<true", "region=yes"):
        with pytest.raises(ParamsError, match="is true or false, so it must be compared"):
            matching([yes, no], where)


def test_matching_text_that_looks_like_numbers_is_text() -> None:
    ten, nine = with_region("10"), with_region("9")
    assert matching([ten, nine], "region=10") == [ten]
    assert matching([ten, nine], "region<'9'") == [ten]
    with pytest.raises(ParamsError, match="'region' is text"):
        matching([ten, nine], "region<9")


def test_matching_numbers_beyond_64_bits_is_exact() -> None:
    one, other = with_region(2**70), with_region(2**70 + 1)
    assert matching([one, other], f"region={2**70}") == [one]


def test_matching_of_very_long_conditions_is_refused() -> None:
    with pytest.raises(ParamsError, match="may have 10000 characters, but these have 12000"):
        matching([with_region("north")], "rows=1 or   " * 999 + "rows=" + "1" * 7)


def test_both_keeps_what_each_condition_says_together() -> None:
    south, north = with_region("south"), with_region("north")
    where = both([equal("region", "south"), "rows=1 or rows=6"])
    assert matching([south, north], where) == [south]
    assert both([]) is None


def test_matching_among_nothing_is_nothing() -> None:
    assert matching([], "anything<1") == []


# Order


def test_by_sorts_and_a_minus_turns_the_order_round(sweep: Bench) -> None:
    found = listed(sweep)
    assert rates(by(found, "learning_rate")) == [0.1, 0.2, 0.3, 0.4]
    assert rates(by(found, "-learning_rate")) == [0.4, 0.3, 0.2, 0.1]
    assert rates(by(found, None)) == rates(found)
    assert by([], "whatever") == []


def test_by_puts_what_lacks_the_column_last_either_way(sweep: Bench) -> None:
    found = listed(sweep, "table", "score")
    for name in ("r2", "-r2"):
        assets = [entry.record.asset for entry in by(found, name)]
        assert assets == ["score"] * 4 + ["table"] * 2


def test_by_an_unknown_column_names_the_nearest(sweep: Bench) -> None:
    with pytest.raises(ParamsError) as refused:
        by(listed(sweep), "-rate")
    assert refused.value.problems[0].startswith("'rate' is nothing that runs have.")


def test_by_a_column_of_mixed_types_does_not_fail(bench: Bench) -> None:
    one, other = (entry_of(o) for o in bench.run(["table", "features"]).values())
    params = {"data": {"region": "north", "rows": "many"}}
    mixed = Entry(one.path, one.record.model_copy(update={"params": params}))
    assert len(by([mixed, other], "rows")) == 2
