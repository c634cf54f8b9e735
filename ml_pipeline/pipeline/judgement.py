"""What is said of data or a model that is looked at."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Judgement(NamedTuple):
    """Whether something is as it should be.

    Attributes:
        passed: whether it is.
        description: what should be, what was found, and what to do.
        metadata: numbers and short tables to show beside it.
    """

    passed: bool
    description: str
    metadata: Mapping[str, Any]
