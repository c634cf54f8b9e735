import contextlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.documents import (
    MOST_BYTES,
    MOST_LEVELS,
    MOST_VALUES,
    as_mapping,
    read_document,
    read_file,
)


def problem(text: str | bytes, name: str = "a.yaml") -> str:
    with pytest.raises(ParamsError) as caught:
        read_document(text if isinstance(text, bytes) else text.encode(), name)
    (found,) = caught.value.problems
    return found


# Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.0e-3", 0.001),
        ("1E5", 100000.0),
        ("1e+5", 100000.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("+1", 1),
        ("-0", 0),
        ("0x10", 16),
        ("0o17", 15),
        ("017", "017"),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("none", "none"),
        ("12e4567", "12e4567"),
        ("1_1_1", "1_1_1"),
        ("9" * 9999, "9" * 9999),
        ("1998-05-31", "1998-05-31"),
        ("1998-05-31 10:00:00", "1998-05-31 10:00:00"),
        ("'1'", "1"),
        ('"1e-3"', "1e-3"),
        ('"null"', "null"),
        ("[1e-3, yes, ~]", [0.001, "yes", None]),
        ("{b: 1, c: {}}", {"b": 1, "c": {}}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_yaml_value_is_read_as_in_yaml_1_2(text: str, value: Any) -> None:
    found = read_document(f"a: {text}".encode(), "a.yaml")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("0x10", 16),
        ("0b11", 3),
        ("1_000", 1000),
        ("true", True),
        ("1998-05-31", "1998-05-31"),
        ("10:00:00", "10:00:00"),
        ("1998-05-31T10:00:00Z", "1998-05-31T10:00:00+00:00"),
    ],
)
def test_toml_value_is_read_and_dates_are_text(text: str, value: Any) -> None:
    found = read_document(f"a = {text}".encode(), "a.toml")["a"]
    assert found == value
    assert type(found) is type(value)


def test_yaml_alias_is_a_copy_of_what_it_stands_for() -> None:
    found = read_document(b"a: &x [1, 2]\nb: *x", "a.yaml")
    assert found == {"a": [1, 2], "b": [1, 2]}
    found["a"].append(3)
    assert found["b"] == [1, 2]


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.YAML", "a.toml", "a.json"])
@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_empty_document_is_an_empty_mapping(data: bytes, name: str) -> None:
    assert read_document(data, name) == {}


@pytest.mark.parametrize("text", ["# nothing\n", "---\n", "---\n...\n", "%YAML 1.2\n---\n"])
def test_yaml_document_of_comments_and_markers_is_empty(text: str) -> None:
    assert read_document(text.encode(), "a.yaml") == {}


def test_byte_order_mark_is_no_content() -> None:
    assert read_document(b"\xef\xbb\xbfa: 1", "a.yaml") == {"a": 1}


# Refusals

TAGGED = ": leave it out; quotes make a value text"
BEYOND = "it has a number or an escaped character beyond what can be read"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\nb: 2\na: 3", "YAML, but line 3 has 'a' a second time"),
        ("a: {b: 1, b: 2}", "YAML, but line 1 has 'b' a second time"),
        ("a: .nan", "YAML, but line 1 has .nan, which is not a finite number"),
        ("a: -.inf", "YAML, but line 1 has -.inf, which is not a finite number"),
        ("1: a", "YAML, but line 1 has a name that is no text: 1; put it in quotes"),
        ("a:\n  ~: 1", "YAML, but line 2 has a name that is no text: None; put it in quotes"),
        ("? [a]\n: 1", "YAML, but line 1 has a name that is no text: ['a']; put it in quotes"),
        (
            "<<: {a: 1}",
            "YAML, but line 1 merges with <<, which is not supported: write the values out",
        ),
        (
            "a: !!python/object/apply:os.system [ls]",
            f"YAML, but line 1 has the tag tag:yaml.org,2002:python/object/apply:os.system{TAGGED}",
        ),
        ("a: !x 1", f"YAML, but line 1 has the tag !x{TAGGED}"),
        ("a: *x", "YAML, but line 1 has *x, but no value before it is marked so"),
        ("a: &x [*x]", "YAML, but it is nested more than 32 levels deep"),
        ("a: &x {b: *x}", "YAML, but it is nested more than 32 levels deep"),
        ("a: 1\n---\nb: 2", "YAML, but line 2, column 1: but found another document"),
        ("a: b: c", "YAML, but line 1, column 5: mapping values are not allowed here"),
        (
            "a: [1",
            "YAML, but line 1, column 6: expected ',' or ']', but got '<stream end>'",
        ),
        (
            "a:\tb: 1",
            "YAML, but line 1, column 3: found character '\\t' that cannot start any token",
        ),
        ("a: 1\nb: \x07", "YAML, but line 2 has the character U+0007"),
        (
            "%FOO\n%YAML 1.2\n%YAML 1.2\n---",
            "YAML, but line 3, column 1: found duplicate YAML directive",
        ),
        ("a: " + "[" * 99, "YAML, but it is nested more than 32 levels deep"),
        ("- " * 9999, "YAML, but it is nested more than 32 levels deep"),
        (
            "a: {b: [0, 0x" + "f" * 300 + "]}",
            "YAML, but a.b.1 is an integer of more than 1024 bits",
        ),
        ("a: " + "9" * 309, "YAML, but a is an integer of more than 1024 bits"),
        ('a: "\\UFFFFFFFF"', f"YAML, but {BEYOND}"),
        ('a: "\\uD800"', "YAML, but it has a lone surrogate in a, which is not text"),
    ],
)
def test_yaml_without_one_safe_reading_is_refused_with_its_place(text: str, found: str) -> None:
    assert problem(text) == f"a.yaml must be {found}"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.json", '{"a": 1, "a": 1}', "JSON, but it has 'a' twice"),
        ("a.json", '{"a": NaN}', "JSON, but it has NaN, which is not a finite number"),
        ("a.json", '{"a": -Infinity}', "JSON, but it has -Infinity, which is not a finite number"),
        ("a.json", '{"a": 1e400}', "JSON, but a is not a finite number"),
        ("a.json", '{"\\ud800": 1}', "JSON, but it has a lone surrogate, which is not text"),
        (
            "a.json",
            "{\n'a': 1}",
            "JSON, but line 2, column 1: Expecting property name enclosed in double quotes",
        ),
        ("a.json", "[" * 99_999, "JSON, but it is nested more than 32 levels deep"),
        ("a.toml", "a = 1\na = 2", "TOML, but Cannot overwrite a value (at end of document)"),
        ("a.toml", "a = nan", "TOML, but a is not a finite number"),
        ("a.toml", "a = inf", "TOML, but a is not a finite number"),
        ("a.toml", "a = " + "[" * 99_999, "TOML, but it is nested more than 32 levels deep"),
        ("a.toml", "a = [\n", "TOML, but Invalid value (at end of document)"),
        ("a.toml", "a = " + "9" * 9999, f"TOML, but {BEYOND}"),
        ("a.json", "9" * 9999, f"JSON, but {BEYOND}"),
    ],
)
def test_other_document_without_one_safe_reading_is_refused(
    name: str, text: str, found: str
) -> None:
    assert problem(text, name) == f"{name} must be {found}"


def test_document_in_another_encoding_is_refused_with_the_byte() -> None:
    assert problem("a: é".encode("latin-1")) == "a.yaml must be UTF-8 text, but byte 4 is 0xe9"
    assert "byte 1 is 0xff" in problem("a: 1".encode("utf-16"))


@pytest.mark.parametrize(
    ("name", "most"), [("a.yaml", 250_000), ("a.toml", 250_000), ("a.json", MOST_BYTES)]
)
def test_document_that_is_too_large_is_refused(name: str, most: int) -> None:
    assert read_document(b" " * most, name) == {}
    found = problem(b" " * (most + 1), name)
    assert found.startswith(f"{name} must be of at most {most:,} bytes, but is larger")
    assert ("as JSON it may be of 1,000,000" in found) == (name != "a.json")


HOSTILE = {
    "a.yaml": {
        "aliases": "a0: &a0 [x]\n" + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
        ),
        "aliases as names": "? &a0 [x]\n: 1\n" + "".join(
            f"? &a{n} [*a{n - 1}, *a{n - 1}]\n: 1\n" for n in range(1, 28)
        ),
        "one alias often": "a: &a [" + "x," * 8000 + "]\nb: [" + "*a," * 5000 + "]",
        "values": "[" + "1," * 120_000 + "1]",
        "pairs": "".join(f"a{n}: 1\n" for n in range(25_000)),
        "brackets": "[" * 240_000,
        "question marks": "? " * 120_000,
        "half a mapping": "{" + "a," * 120_000,
        "megabytes": "a: 1\n" * 400_000,
    },
    "a.toml": {
        "names in a row": ".".join("a" * 120_000) + " = 1",
        "quoted names in a row": ' . '.join(["'a'"] * 40_000) + " = 1",
        "header": "[" + ".".join("a" * 120_000) + "]",
        "brackets": "a=" + "[" * 240_000,
        "tables": "a=" + "{a=" * 80_000,
        "half a list": "a=[" + "1," * 120_000,
        "megabytes": "a=1\n" * 500_000,
    },
    "a.json": {
        "values": "[" + "1," * 499_000 + "1]",
        "brackets": "[" * 999_000,
        "objects": '{"a":' * 199_000,
        "megabytes": "1," * 1_000_000,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name, found in HOSTILE.items() for what in found]
)
def test_document_made_to_take_long_is_refused_at_once(name: str, what: str) -> None:
    started = time.process_time()
    assert len(problem(HOSTILE[name][what], name)) < 300
    assert time.process_time() - started < 2


def test_document_whose_aliases_come_to_too_much_is_refused() -> None:
    lines = ["a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    for here, there in zip("bcdefghi", "abcdefgh", strict=True):
        lines.append(f"{here}: &{here} [{', '.join([f'*{there}'] * 9)}]")
    assert problem("\n".join(lines)) == (
        f"a.yaml must be YAML, but it has more than {MOST_VALUES:,} values"
    )


@pytest.mark.parametrize("name", ["a.ini", "a", ".yaml", "a.yaml.bak"])
def test_name_without_a_known_suffix_is_refused(name: str) -> None:
    assert problem("", name) == f"{name} must end in .yaml, .yml, .toml, .json to be read"


def test_deepest_document_that_is_read_is_read_in_every_language() -> None:
    deepest = "[" * MOST_LEVELS + "]" * MOST_LEVELS
    for name, text in (("a.yaml", deepest), ("a.json", deepest)):
        assert json.dumps(read_document(text.encode(), name)) == deepest
        assert "levels deep" in problem(f"[[{deepest}]]", name)


# Files


def test_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("a: 1")
    (tmp_path / "folder.yaml").mkdir()
    assert read_file(tmp_path / "base.yaml") == {"a": 1}
    for name, expected in (
        ("bse.yaml", "must be a file, but there is none. Did you mean 'base.yaml'?"),
        ("none/at/all.yaml", "must be a file, but there is none."),
        ("folder.yaml", "must be a readable file, but: Is a directory"),
        ("base.yaml/a.yaml", "must be a readable file, but: Not a directory"),
        ("x" * 999 + ".yaml", "must be a readable file, but: File name too long"),
        ("\0.yaml", "must be a readable file, but: embedded null byte"),
    ):
        with pytest.raises(ParamsError) as caught:
            read_file(tmp_path / name)
        assert caught.value.problems == (f"{tmp_path / name} {expected}",)


def test_file_that_never_ends_is_refused_as_too_large(tmp_path: Path) -> None:
    (tmp_path / "endless.yaml").symlink_to(os.devnull.replace("null", "zero"))
    with pytest.raises(ParamsError, match="at most 250,000 bytes"):
        read_file(tmp_path / "endless.yaml")


@pytest.mark.parametrize(
    ("document", "found"), [([1], "a list"), (None, "None"), ("a", "'a'"), (1.5, "1.5")]
)
def test_document_without_names_is_no_mapping(document: Any, found: str) -> None:
    assert as_mapping({"a": 1}, "a.yaml") == {"a": 1}
    with pytest.raises(ParamsError) as caught:
        as_mapping(document, "a.yaml")
    assert caught.value.problems == (f"a.yaml must hold names and values, but holds {found}",)


# Whatever there is


def is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(member) for key, member in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return type(value) in (int, bool, type(None)) or (type(value) is float and math.isfinite(value))


TEXTS = st.text(max_size=40) | st.text(
    alphabet="ab:-[]{},&*!|>#%@\"'\\ \n\t0123.eE+~<?", max_size=60
)
NAMES = st.sampled_from(["a.yaml", "a.toml", "a.json"])


@given(data=st.binary(max_size=200) | TEXTS.map(lambda text: text.encode(errors="replace")),
       name=NAMES)  # fmt: skip
def test_any_bytes_are_read_as_plain_values_or_refused_with_one_problem(
    data: bytes, name: str
) -> None:
    try:
        found, problems = read_document(data, name), ()
    except ParamsError as error:
        found, problems = None, error.problems
    assert is_plain(found)
    assert len(problems) <= 1
    assert all(text.startswith("a.") and "\n" not in text for text in problems)


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**1000), 2**1000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PRINTABLE,
    lambda members: st.lists(members, max_size=4) | st.dictionaries(PRINTABLE, members, max_size=4),
    max_leaves=12,
)


@given(value=JSON)
def test_any_json_means_the_same_in_yaml(value: Any) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    assert read_document(data, "a.json") == value
    assert read_document(data, "a.yaml") == value


@given(value=st.dictionaries(st.text(max_size=9), JSON, max_size=4))
def test_any_escaped_json_means_the_same_in_yaml_or_is_refused(value: dict[str, Any]) -> None:
    with contextlib.suppress(ParamsError):
        assert read_document(json.dumps(value).encode(), "a.json") == value
    with contextlib.suppress(ParamsError):
        assert read_document(json.dumps(value).encode(), "a.yaml") == value
