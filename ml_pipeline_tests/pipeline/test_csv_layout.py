"""Every order of a CSV is read, or the file is refused with the line: no odd file loses one."""

import csv
import gzip
import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline.csv_layout import csv_layout
from ml_pipeline.pipeline.datasets import orders_between

HEADER = "customer_id,ordered_at,amount"
PIECES = ['"', '""', ",", "\n", "\r\n", "a", "b ", " ", "é", 'x"y', ";", "\t", "\\", "#", "\u2028"]


def read(path: Path, content: str | bytes) -> list[tuple[str | None, str, float]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = orders_between(str(path), date.min, date.max).rows()
    return [(customer, f"{at:%Y-%m-%d}", amount) for customer, at, amount in rows]


def refusal(path: Path, content: str | bytes) -> str:
    with pytest.raises(SourceError) as raised:
        read(path, content)
    assert len(str(raised.value)) < 2_000
    return str(raised.value)


rows_of_text = st.lists(
    st.tuples(
        st.sampled_from(["a", "17", 'x"y', "q,r"]),
        st.integers(1, 9).map("2009-01-0{}".format),
        st.integers(1, 99).map(str),
        st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
    ),
    max_size=6,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=rows_of_text,
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.sampled_from(["", "\ufeff"]),
    is_ended=st.booleans(),
)
def test_csv_that_is_written_regularly_is_read_order_for_order(
    rows: list[tuple[str, ...]], quoting: int, end: str, mark: str, is_ended: bool, tmp_path: Path
) -> None:
    file = io.StringIO()
    if end == "\r":
        # Python would leave a line feed in a field without quotes, which no reader could tell.
        quoting = csv.QUOTE_ALL
    writer = csv.writer(file, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([["customer_id", "ordered_at", "amount", "note"], *rows])
    text = mark + (file.getvalue() if is_ended else file.getvalue().removesuffix(end))
    expected = sorted((at, customer, float(amount)) for customer, at, amount, _ in rows)
    found = read(tmp_path / "o.csv", text)
    assert [(at, customer, amount) for customer, at, amount in found] == expected


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=rows_of_text, data=st.data())
def test_csv_that_was_damaged_is_read_as_python_reads_it_or_refused(
    rows: list[tuple[str, ...]], data: st.DataObject, tmp_path: Path
) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([HEADER.split(","), *(r[:3] for r in rows)])
    text = file.getvalue()
    place = data.draw(st.integers(0, len(text)))
    text = text[:place] + data.draw(st.sampled_from([*PIECES, "\r"])) + text[place:]
    try:
        found = read(tmp_path / "o.csv", text)
    except SourceError:
        return
    header, *records = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    assert len(found) == len(records)
    where = [name.strip() for name in header].index("amount")
    assert sorted(amount for _, _, amount in found) == sorted(float(r[where]) for r in records)


@settings(max_examples=50, deadline=None)
@given(rows=rows_of_text, size=st.integers(1, 9))
def test_csv_layout_does_not_depend_on_how_its_bytes_come(
    rows: list[tuple[str, ...]], size: int
) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows([["a", "b", "c", "d"], *rows])
    content = file.getvalue().encode("utf-8-sig")
    layout = csv_layout("o.csv", lambda: iter([content]))
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    assert csv_layout("o.csv", lambda: iter(parts)) == layout
    assert (layout.records, layout.header) == (len(rows), ("a", "b", "c", "d"))


def test_quotes_that_enclose_nothing_stand_for_themselves(tmp_path: Path) -> None:
    lines = [f'{HEADER},width in 1" units', 'a,2009-01-05,1,2" x', "b,2009-01-06,2,"]
    found = read(tmp_path / "o.csv", "\n".join(lines))
    assert found == [("a", "2009-01-05", 1.0), ("b", "2009-01-06", 2.0)]
    both = "\n".join([*lines, 'c,2009-01-07,3,"x"'])
    assert "line 1 has a quote inside a field" in refusal(tmp_path / "o.csv", both)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (
            f'{HEADER},n\na,2009-01-05,1,"x\ny"\nb,2009-01-05,1,"2" x"\n',
            "line 4 has a quote inside",
        ),
        (f'{HEADER},n\na,2009-01-05,1,"x\nb,2009-01-05,1,y\n', "line 2 has a quote inside"),
        (f'{HEADER},n\na,2009-01-05,1,"say \\"hi\\""\n', "line 2 has a quote inside"),
        (f'{HEADER},n\na,2009-01-05,1, "x, y"\n', "line 2 has a quote inside"),
        (f"{HEADER}\na,2009-01-05,1\rb,2009-01-05,2\nc,2009-01-05,3\n", "line 2 ends in another"),
        (f"{HEADER}\ra,2009-01-05,1\nb,2009-01-05,2\r", "line 2 ends in another way"),
        (f"{HEADER}\na,2009-01-05,1,234\n", "line 2 has 4 fields, but the header has 3"),
        (f"{HEADER},note\na,2009-01-05,1,x,y\n", "line 2 has 5 fields, but the header has 4"),
        (f"{HEADER},note\na,2009-01-05,1\nb,2009-01-05,1,x,y\n", "line 2 has 3 fields"),
        (f"{HEADER}\na,2009-01-05,1\n  \n", "line 3 has 1 fields"),
        (f"{HEADER}\na,2009-01-05,1\n\x1a", "line 3 has 1 fields"),
        (f"{HEADER}\na\0,2009-01-05,1\n", "line 2 has a NUL"),
        (f"{HEADER}\n".replace(",", ";"), "has its fields separated by semicolons"),
        ("a;b;c\n17;2009-01-05;12,50\n", "has its fields separated by semicolons"),
        (f"{HEADER}\n".replace(",", "\t"), "has its fields separated by tabs"),
        (f"sep=,\n{HEADER}\n", "line 2 has 3 fields"),
        (f"{HEADER}\na,2009-01-05,1\n".encode("utf-16"), "it is UTF-16 text"),
        (f"{HEADER}\na,2009-01-05,1\n".encode("utf-16-le"), "it is UTF-16 text"),
        (f"{HEADER}\na,2009-01-05,1\n".encode("utf-16-be"), "it is UTF-16 text"),
        (f"{HEADER}\na,2009-01-05,1\n".encode("utf-32"), "it is UTF-32 text"),
        (f"{HEADER},Stra\xdfe\na,2009-01-05,1,x\n".encode("latin-1"), "line 1 is no text in UTF-8"),
        (gzip.compress(HEADER.encode(), mtime=0), "it is compressed by gzip"),
        (b"PK\x03\x04rest", "it is a zip archive or a workbook"),
        (b"", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        ("\n\r\n\n", "it is empty"),
        (f"{HEADER},amount\na,2009-01-05,1,2\n", "There are 2 columns 'amount'."),
        (f"{HEADER}\na,2009-01-05,1\n,,\n", "'ordered_at' is not a date"),
        (f'{HEADER}\na,2009-01-05,"12,50"\n', "Write it with a decimal point"),
    ],
)
def test_csv_that_is_irregular_is_refused_with_what_was_found(
    content: str | bytes, found: str, tmp_path: Path
) -> None:
    assert found in refusal(tmp_path / "o.csv", content)


def test_empty_lines_are_no_orders(tmp_path: Path) -> None:
    content = f"\n{HEADER}\n\na,2009-01-05,1\n\n\nb,2009-01-06,2\n\n"
    expected = [("a", "2009-01-05", 1.0), ("b", "2009-01-06", 2.0)]
    assert read(tmp_path / "o.csv", content) == expected
    assert read(tmp_path / "o.csv", content.replace("\n", "\r\n")) == expected
    assert read(tmp_path / "o.csv", content.replace("\n", "\r")) == expected


def test_a_file_of_many_columns_is_refused_in_few_words(tmp_path: Path) -> None:
    names = ",".join(f"column_with_a_rather_long_name_{number}" for number in range(3_000))
    assert "and 2,988 more" in refusal(tmp_path / "o.csv", f"{names}\n")
