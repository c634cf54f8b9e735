"""Schemas of pandera as checks: what a table must look like, and which rows do not.

The library is imported where a schema is applied, by whoever made the schema.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ml_pipeline.runs.check_result import CheckResult
from ml_pipeline.text import counted, shortened

_MOST_ROWS: Final = 10
_MOST_TOLD: Final = 4


def is_schema(value: Any) -> bool:
    """Whether a value is a schema of pandera, a class or an object."""
    kind = value if isinstance(value, type) else type(value)
    own = any(one.__module__.partition(".")[0] == "pandera" for one in kind.__mro__)
    return own and hasattr(value, "validate")


def applied(schema: Any, value: Any) -> CheckResult:
    """Return whether a table is as a schema says, and the first rows that are not.

    Args:
        schema: a schema of pandera.
        value: the table.
    """
    from pandera.errors import SchemaErrors

    try:
        schema.validate(value, lazy=True)
    except SchemaErrors as error:
        return _failed(_rows(error.failure_cases))
    return CheckResult(True)


def _rows(cases: Any) -> list[dict[str, Any]]:
    """Return what pandera lists: a table of Polars, or one of pandas."""
    listed = cases.to_dicts() if hasattr(cases, "to_dicts") else cases.to_dict("records")
    return list(listed)


def _failed(cases: Sequence[Mapping[str, Any]]) -> CheckResult:
    rules: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for case in cases:
        of_table = str(case["schema_context"]) not in ("Column", "Index", "MultiIndex")
        column = str(case["failure_case"] if of_table else case["column"])
        rules.setdefault((column, str(case["check"])), []).append(case)
    told = [_sentence(*rule, found) for rule, found in rules.items()]
    more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    return CheckResult(
        False,
        f"the table must be as its schema says, but {'; '.join(told[:_MOST_TOLD])}{more}",
        metadata={
            "rules_broken": [
                {"column": column, "rule": rule, "times": len(found)}
                for (column, rule), found in rules.items()
            ][:_MOST_ROWS],
            "first_bad_rows": [
                {
                    "column": column,
                    "rule": rule,
                    "row": "" if case["index"] is None else case["index"],
                    "found": shortened(str(case["failure_case"])),
                }
                for (column, rule), found in rules.items()
                for case in found[:_MOST_ROWS]
            ][:_MOST_ROWS],
        },
    )


def _sentence(column: str, rule: str, found: Sequence[Mapping[str, Any]]) -> str:
    first = found[0]
    value = shortened(str(first["failure_case"]))
    if rule == "column_in_dataframe":
        return f"it has no column '{column}'"
    if rule == "column_in_schema":
        return f"it has a column '{column}', which is none of the schema"
    if first["index"] is None:
        return f"'{column}' breaks {rule} ({value})"
    return (
        f"'{column}' breaks {rule} in {counted(len(found), 'row')}, first in row"
        f" {first['index']}, which has {value}"
    )
