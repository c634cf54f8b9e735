"""Pictures and tables in the form in which Dagster's UI shows them."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg

from ml_pipeline.store.formats.sample import Sample
from ml_pipeline.store.record import TAKEN
from ml_pipeline.text import counted, for_markdown, shortened

_WIDEST: Final = 24


def picture(*svgs: str) -> dg.MarkdownMetadataValue:
    """Return pictures, one below the other."""
    images = (base64.b64encode(svg.encode()).decode() for svg in svgs)
    return dg.MetadataValue.md(
        "\n\n".join(f"![result](data:image/svg+xml;base64,{image})" for image in images)
    )


def preview(sample: Sample) -> str:
    """Return the first rows of a table as Markdown, for people: rounded, and in few words."""
    shown = list(sample.columns)[: len(sample.rows[0])]
    more = len(sample.columns) - len(shown)
    lines = [
        f"| {' | '.join(_cell(name) for name in shown)} |",
        f"|{'---|' * len(shown)}",
        *(f"| {' | '.join(map(_cell, row))} |" for row in sample.rows),
    ]
    return "\n".join([*lines, *([f"\nand {counted(more, 'more column')}"] if more else [])])


def _cell(value: Any) -> str:
    text = f"{value:.5g}" if isinstance(value, float) else shortened(value, _WIDEST)
    return for_markdown(text) or " "


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.TableMetadataValue:
    """Return a table of numbers in six digits; columns differ in name, ``""`` is nothing."""
    records = [
        dg.TableRecord({name: _plain(value) for name, value in zip(columns, row, strict=True)})
        for row in rows
    ]
    kinds = [_kind([row[place] for row in rows]) for place in range(len(columns))]
    schema = dg.TableSchema(
        [dg.TableColumn(name, kind) for name, kind in zip(columns, kinds, strict=True)]
    )
    return dg.MetadataValue.table(records, schema)


def numbers_in(metadata: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers in metadata that a record can keep as metrics."""
    values = {name: getattr(value, "value", value) for name, value in metadata.items()}
    return {
        name: float(value)
        for name, value in values.items()
        if name not in TAKEN
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    }


def _kind(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values if value != ""}
    if kinds <= {float, int} and kinds:
        return "float" if float in kinds else "int"
    return "string"


def _plain(value: Any) -> Any:
    if value == "":
        return None
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return value if isinstance(value, str | int | bool) else str(value)
