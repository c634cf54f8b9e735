import base64
from datetime import date

import dagster as dg

from ml_pipeline.dagster.metadata import picture, table


def test_table_has_a_kind_for_each_column_and_six_digits() -> None:
    made = table(
        ["name", "count", "mean", "on", "mixed", "empty"],
        [["a", 1, 0.123456789, date(2026, 1, 5), 1, ""], ["b", 2, "", "", "x", ""]],
    )
    assert [(column.name, column.type) for column in made.schema.columns] == [
        ("name", "string"),
        ("count", "int"),
        ("mean", "float"),
        ("on", "string"),
        ("mixed", "string"),
        ("empty", "string"),
    ]
    first, second = (record.data for record in made.records)
    assert (first["mean"], first["on"], second["mean"]) == (0.123457, "2026-01-05", None)


def test_table_without_rows_keeps_its_columns() -> None:
    assert [column.name for column in table(["a", "b"], []).schema.columns] == ["a", "b"]


def test_pictures_are_images_that_hold_themselves() -> None:
    svgs = ["<svg>é</svg>", "<svg/>"]
    made = picture(*svgs)
    assert isinstance(made, dg.MarkdownMetadataValue)
    images = [
        line.partition("base64,")[2].rstrip(")") for line in (made.md_str or "").split("\n\n")
    ]
    assert [base64.b64decode(image).decode() for image in images] == svgs
