from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.launch.seen_days import SeenDays
from ml_pipeline.params.identity import digest_of

FIRST = date(1997, 1, 1)
DAYS = st.dictionaries(
    st.integers(0, 3000).map(lambda n: FIRST + timedelta(days=n)),
    st.integers().map(digest_of) | st.text() | st.datetimes().map(str),
)


@given(digests=DAYS, launches=st.integers(0, 10**6))
def test_seen_days_written_and_read_are_the_same(digests: dict[date, str], launches: int) -> None:
    seen = SeenDays.of("s3://bucket/orders", digests, launches)
    assert SeenDays.from_text(seen.to_text()) == seen


@given(before=DAYS, after=DAYS)
def test_seen_days_that_differ_are_all_told_in_order(
    before: dict[date, str], after: dict[date, str]
) -> None:
    differing = SeenDays.of("x", before).differing(SeenDays.of("x", after))
    assert differing == sorted(d for d in {*before, *after} if before.get(d) != after.get(d))


def test_thirty_years_take_less_than_100_kb() -> None:
    digests = {FIRST + timedelta(days=n): digest_of(n) for n in range(30 * 366)}
    assert len(SeenDays.of("s3://bucket/orders", digests).to_text()) < 100_000


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", '{"source": "x"}', '{"first": 1}'])
def test_text_that_says_nothing_is_none(text: str | None) -> None:
    assert SeenDays.from_text(text) is None
