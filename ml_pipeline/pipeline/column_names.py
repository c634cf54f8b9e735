"""Under which names a file has the columns that every source must have."""

import functools
import operator
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ml_pipeline.errors import SourceError, nearest
from ml_pipeline.pipeline.order_columns import NEEDED, RULES, may_be_number, number
from ml_pipeline.text import shortened

if TYPE_CHECKING:
    import polars as pl

_TIMES: Final = "*"
_MOST_NAMED: Final = 12
_MOST_COMPARED: Final = 1_000


@dataclass(frozen=True)
class NeededColumns:
    """Where a file has the columns that every source must have.

    Attributes:
        expressions: each of `NEEDED` under its proper name, as the file has it.
        types: the type of each.
    """

    expressions: "Mapping[str, pl.Expr]"
    types: "Mapping[str, pl.DataType]"


def refuse_unusable(columns: Mapping[str, str], name: str) -> None:
    """Refuse a mapping of columns that no source has, or of one column to two.

    Raises:
        SourceError: naming all that is wrong.
    """
    problems = [
        f"'{shortened(column)}' is none of them.{nearest(column, NEEDED)}"
        for column in columns
        if column not in NEEDED
    ]
    owners: dict[str, str] = {}
    for column in NEEDED:
        written = columns.get(column, column).strip()
        first = owners.setdefault(written, column)
        if first != column:
            problems.append(f"'{shortened(written)}' is given for both {first} and {column}.")
    if problems:
        raise SourceError(
            f"The columns of {name} must be given for {', '.join(NEEDED)}, but"
            f" {' '.join(problems[:_MOST_NAMED])} Correct them in the settings."
        )


def names_in(columns: Mapping[str, str]) -> set[str]:
    """Return every name under which a needed column may be, in lower case."""
    written = [columns.get(column, column) for column in NEEDED]
    factors = [factor for text in written for factor in text.split(_TIMES)]
    return {name.strip().lower() for name in (*written, *factors)}


def needed_columns(
    schema: "pl.Schema",
    name: str,
    columns: Mapping[str, str],
    header: Collection[str] = (),
) -> NeededColumns:
    """Find the columns that every source must have.

    A name counts whatever its case, but the exact one wins.

    Args:
        schema: the columns of a file and their types.
        name: what to call the file in an error.
        columns: what the file calls them where it is not their own name; `amount` may be a product
            of columns, ``Quantity * Price``.
        header: the columns as written in the file, where names may stand twice.

    Raises:
        SourceError: if columns are missing, ambiguous, or of a type that cannot be read.
    """
    import polars as pl

    expressions: dict[str, pl.Expr] = {}
    types: dict[str, pl.DataType] = {}
    problems: list[str] = []
    for column in NEEDED:
        wanted = columns.get(column, column)
        alike = _alike(wanted, schema)
        factors = [factor.strip() for factor in wanted.split(_TIMES)]
        if column == "amount" and len(factors) > 1 and not alike:
            found = [_only(factor, schema, header, problems) for factor in factors]
            if all(factor is not None for factor in found):
                first, *others = [number(pl.col(str(one)), schema[str(one)]) for one in found]
                product = functools.reduce(operator.mul, others, first)
                expressions[column], types[column] = product.alias(column), pl.Float64()
                unfit = [str(f) for f in found if not may_be_number(schema[str(f)])]
                problems += [f"'{shortened(f)}' is of type {schema[f]}, no number." for f in unfit]
        elif (one := _only(wanted, schema, header, problems)) is not None:
            expressions[column], types[column] = pl.col(one).alias(column), schema[one]
    if problems:
        mapped = ", ".join(columns.get(column, column) for column in NEEDED)
        raise SourceError(
            f"A source must have the columns {mapped}, but {name} has {_listed(schema)}."
            f" {' '.join(problems)} Rename the columns of the file, or say what they are called in"
            " settings.toml: [sources.NAME] with location = ... and columns = {customer_id = ...}."
        )
    _refuse_types(types, name)
    return NeededColumns(expressions, types)


def _alike(wanted: str, schema: "pl.Schema") -> list[str]:
    """Return the columns that a name may mean: the exact one, or all that differ in case only."""
    if wanted in schema:
        return [wanted]
    return [found for found in schema if found.strip().lower() == wanted.strip().lower()]


def _only(
    wanted: str, schema: "pl.Schema", header: Collection[str], problems: list[str]
) -> str | None:
    """Return the column that a name means, or add why there is none to the problems."""
    alike = _alike(wanted, schema)
    if not alike:
        near = nearest(wanted, list(schema)[:_MOST_COMPARED])
        problems.append(f"There is no '{shortened(wanted)}'.{near}")
    elif len(alike) > 1:
        problems.append(f"'{shortened(wanted)}' could be any of {_listed(alike)}.")
    elif Counter(header)[alike[0]] > 1:
        problems.append(f"There are {Counter(header)[alike[0]]} columns '{shortened(wanted)}'.")
    else:
        return alike[0]
    return None


def _listed(names: Collection[str]) -> str:
    """Name columns, the first of them where they are many."""
    shown = ", ".join(shortened(name, 40) for name in list(names)[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown or "none at all"


def _refuse_types(types: "Mapping[str, pl.DataType]", name: str) -> None:
    import polars as pl

    customer, ordered, amount = (types[column] for column in NEEDED)
    no_customer = (pl.Object, pl.Binary, pl.Boolean)
    readable = {
        "customer_id": not customer.is_nested() and not isinstance(customer, no_customer),
        "ordered_at": ordered.is_integer()
        or isinstance(ordered, (pl.Date, pl.Datetime, pl.String, pl.Null)),
        "amount": may_be_number(amount),
    }
    problems = [
        f"'{column}' is of type {shortened(str(types[column]))}, but each must be {RULES[column]}."
        for column, fine in readable.items()
        if not fine
    ]
    if problems:
        raise SourceError(
            f"The columns of a source must have types that can be read, but in {name}"
            f" {' '.join(problems)} Convert it."
        )
