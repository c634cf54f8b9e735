from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.text import apart, for_csv, for_markdown, for_terminal, from_csv, quoted, shortened


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "none"),
        (True, "true"),
        (0.1, "0.1"),
        (1e-9, "1e-09"),
        ("text", "text"),
        ("two\nlines", '"two\\nlines"'),
        ("\ud800", '"\\ud800"'),
        (["a", 1, None], '["a", 1, null]'),
        ({"a": 1}, '{"a": 1}'),
        (date(1998, 5, 31), "1998-05-31"),
        ([date(1998, 5, 31)], '["1998-05-31"]'),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 60 + "..."),
    ],
)
def test_shortened_value_tells_it_in_few_words(value: Any, told: str) -> None:
    assert shortened(value) == told


@pytest.mark.parametrize("tell", [shortened, quoted])
def test_told_integer_that_takes_too_long_to_write_has_its_bits(tell: Any) -> None:
    assert tell(10**9000) == "an integer of 29,898 bits"


def test_shortened_value_to_fewer_characters_keeps_that_many() -> None:
    assert shortened("abcdef", most=3) == "abc..."


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("text", "'text'"),
        ("5", "'5'"),
        (5, "5"),
        (None, "None"),
        ("x" * 99, f"'{'x' * 39}... (99 characters)"),
        (10**400, f"1{'0' * 39}... (401 characters)"),
        ([1] * 99, f"[{'1, ' * 13}... (297 characters)"),
    ],
)
def test_quoted_value_tells_what_was_found_and_its_length(value: Any, told: str) -> None:
    assert quoted(value) == told


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b2J", "\\x9b2J"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u200bb", "a\\u200bb"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("lines\n\tand tabs, é, 日本, 🙂", "lines\n\tand tabs, é, 日本, 🙂"),
    ],
)
def test_terminal_text_that_would_act_is_visible(text: str, seen: str) -> None:
    assert for_terminal(text) == seen


@given(st.text())
def test_terminal_text_holds_no_control_character(text: str) -> None:
    assert all(sign in "\n\t" or ord(sign) >= 0x20 for sign in for_terminal(text))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("[click](javascript:x)", "\\[click\\](javascript:x)"),
        ("<script>x</script>", "\\<script\\>x\\</script\\>"),
        ("a | b", "a \\| b"),
        ("two\n# lines", "two \\# lines"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("--- rule", "\\--- rule"),
        ("&lt;b&gt;", "\\&lt;b\\&gt;"),
        ("`code` *bold* ~~out~~", "\\`code\\` \\*bold\\* \\~\\~out\\~\\~"),
        ("-0.5 and 1998-05-31.", "-0.5 and 1998-05-31."),
        ("\x1b[0m", "\\\\x1b\\[0m"),
    ],
)
def test_markdown_signs_in_text_stand_for_themselves(text: str, seen: str) -> None:
    assert for_markdown(text) == seen


@pytest.mark.parametrize(
    "text",
    ["=cmd|'/C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", " =1+1", "\t=1", "\r=1", "＝1+1", "'=1+1"],  # noqa: RUF001
)
def test_csv_text_that_begins_a_formula_gets_an_apostrophe(text: str) -> None:
    assert for_csv(text) == f"'{text}"


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        -5,
        None,
        True,
        "-5",
        "+1.5e-3",
        "-.5",
        "plain",
        "a=b",
        "'",
        "'quoted'",
        "-",
        "1998-05-31",
    ],
)
def test_csv_cell_that_is_no_formula_stays(value: Any) -> None:
    assert for_csv(value) == value


@given(st.text(alphabet="'=+-@ \t\r\n1.e\uff1dx"))
def test_csv_cell_is_read_back_as_what_it_was(text: str) -> None:
    assert from_csv(for_csv(text)) == text


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5))
def test_numbers_are_written_apart_where_they_differ(values: list[float]) -> None:
    texts = apart(*values)
    assert len(set(texts)) == len(set(values))
    assert max(map(len, texts)) <= 24


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((0.25, 0.2), ["0.25", "0.2"]),
        ((0.123456, 0.2), ["0.1235", "0.2"]),
        ((0.2, 0.200001), ["0.2", "0.200001"]),
        ((1.0, 1.0), ["1", "1"]),
        ((0.0, -0.0), ["0", "0"]),
    ],
)
def test_numbers_are_written_in_few_digits(values: tuple[float, ...], texts: list[str]) -> None:
    assert apart(*values) == texts
