"""Columns of an export: each has one type that holds all its values to the letter.

A parameter may have had values of several types over time. Whole numbers and fractions are numbers
together as long as none loses a digit; what has no type in common is written as JSON, which tells 1
from "1".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl

_MOST_BITS: Final = 63
_EXACT: Final = 2**53
"""Up to here every whole number is a float as well."""


@dataclass
class Values:
    """What a column has seen of values, each asked for once.

    Attributes:
        types: the types of values; ``huge`` for whole numbers that no column holds.
        is_exact: whether every whole number is a float as well.
        members: what has been seen in lists.
    """

    types: set[str] = field(default_factory=set)
    is_exact: bool = True
    members: "Values | None" = None

    def see(self, value: Any) -> None:
        """Take notice of one more value."""
        if value is None:
            return
        name = type(value).__name__
        if name == "int":
            self.is_exact = self.is_exact and abs(value) <= _EXACT
            name = name if value.bit_length() <= _MOST_BITS else "huge"
        self.types.add(name)
        if name == "list":
            self.members = self.members or Values()
            for member in value:
                self.members.see(member)

    def type(self) -> "pl.DataType | None":
        """Return the one type that holds all values; None where there is none but text of JSON."""
        import polars as pl

        alone = {"bool": pl.Boolean(), "int": pl.Int64(), "float": pl.Float64(), "str": pl.String()}
        if self.types == {"int", "float"}:
            return pl.Float64() if self.is_exact else None
        if self.types == {"list"}:
            inner = self.members.type() if self.members is not None else None
            return pl.List(inner) if inner is not None else None
        if not self.types:
            return pl.String()
        return alone.get(next(iter(self.types))) if len(self.types) == 1 else None


def as_json(value: Any) -> str | None:
    """Write a value as JSON; nothing stays nothing."""
    if value is None:
        return None
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def schema_of(seen: Mapping[str, Values]) -> dict[str, "pl.DataType | None"]:
    """Return the types of columns by name; None for those that are written as JSON."""
    return {name: values.type() for name, values in seen.items()}
