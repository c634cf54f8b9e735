"""Columns of a table as Dagster's UI shows them: types, what they are, what they are made from."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from ml_pipeline.runs.column import Column, Columns, column_in

SCHEMA: Final = "dagster/column_schema"
LINEAGE: Final = "dagster/column_lineage"

_MOST_COLUMNS: Final = 100


def columns_shown(types: Mapping[str, str], said: Columns) -> dict[str, Any]:
    """Return the columns of a table as metadata; nothing of a table with very many.

    Args:
        types: type of each column by name.
        said: what their author says of them; what they are made from is by Dagster's key.
    """
    if not 0 < len(types) <= _MOST_COLUMNS:
        return {}
    known = {name: column_in(said, name) for name in types}
    schema = dg.TableSchema(
        [
            dg.TableColumn(name, kind, _described(one) if (one := known[name]) else None)
            for name, kind in types.items()
        ]
    )
    sources = {
        name: [
            dg.TableColumnDep(dg.AssetKey.from_user_string(asset), column)
            for asset, columns in one.made_from.items()
            for column in columns
        ]
        for name, one in known.items()
        if one is not None and one.made_from
    }
    shown: dict[str, Any] = {SCHEMA: dg.MetadataValue.table_schema(schema)}
    if sources:
        shown[LINEAGE] = dg.MetadataValue.column_lineage(dg.TableColumnLineage(sources))
    return shown


def _described(column: Column) -> str | None:
    """Say what a column is and is made from: not every UI of Dagster's shows lineage of columns."""
    sources = [f"{asset}: {', '.join(names)}" for asset, names in column.made_from.items()]
    told = [one for one in (column.about, f"From {'; '.join(sources)}" if sources else "") if one]
    return ". ".join(told) or None
