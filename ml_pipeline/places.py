"""Places of outside data, and what they call their columns, as settings name them."""

from collections.abc import Mapping
from typing import Annotated

import pydantic
from pydantic import Discriminator, Field, Tag


class Place(pydantic.BaseModel):
    """Where outside data is, and what it calls its columns."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    location: Annotated[str, Field(min_length=1)]
    columns: Mapping[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)

    def __str__(self) -> str:
        """Name the place in full: the same text means the same data."""
        if not self.columns:
            return self.location
        called = ", ".join(f"{name} = {self.columns[name]}" for name in sorted(self.columns))
        return f"{self.location} ({called})"


# Told apart beforehand: a mistake in one is not told as a mistake in the other as well.
Source = Annotated[
    Annotated[str, Tag("location")] | Annotated[Place, Tag("place")],
    Discriminator(lambda value: "place" if isinstance(value, Mapping | Place) else "location"),
]
"""A place in settings: a path or URI, or a table with the names of its columns."""
