"""Which keys belong to a share of them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.runs.shares import share_of

KEYS = [str(number) for number in range(20_000)]


@pytest.mark.parametrize(
    ("key", "salt", "place"),
    [
        ("1", "", 0.936968852268953),
        ("1", "162ad1ceb5bd28a1", 0.6930784002987586),
        ("kunde-ä", "s", 0.05159262395587405),
    ],
)
def test_place_of_a_key_is_the_one_that_is_written_down(key: str, salt: str, place: float) -> None:
    assert share_of(key, salt) == place


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 1.0])
def test_share_has_its_part_of_the_keys_and_all_of_a_smaller_one(share: float) -> None:
    places = [share_of(key, "salt") for key in KEYS]
    taken = sum(place < share for place in places)
    # Four deviations of a fair draw.
    assert abs(taken - share * len(KEYS)) <= 4 * (len(KEYS) * share * (1 - share)) ** 0.5


def test_other_salt_draws_anew() -> None:
    both = sum(share_of(key, "one") < 0.5 and share_of(key, "two") < 0.5 for key in KEYS)
    assert abs(both - len(KEYS) / 4) <= 4 * (len(KEYS) * 3 / 16) ** 0.5


@given(st.text(), st.text())
def test_place_of_any_key_is_a_number_below_one(key: str, salt: str) -> None:
    assert 0 <= share_of(key, salt) < 1


@pytest.mark.long
def test_place_of_a_key_is_the_same_in_another_process(run_python: Callable[..., str]) -> None:
    code = "import ml_pipeline, sys; print(ml_pipeline.share_of(*sys.argv[1:]))"
    for seed in ("1", "2"):
        printed = run_python(code, "17", "salt", PYTHONHASHSEED=seed)
        assert float(printed) == share_of("17", "salt")
