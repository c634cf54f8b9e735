"""One criterion of a gate, as it is typed.

    mape <= 0.25              at most so much, in the metric's own unit; also <, >= and >
    mape within 2%            worse than the champion by at most 2 % of the champion
    mape within 0.01          worse than the champion by at most 0.01
    r2 within 5% or 0.01      whichever of the two is more
    mape better by 1%         better than the champion, and by at least 1 % of it
    mae:minimize within 2%    a metric of which results do not declare which way is better

A percentage is one of the champion's size, whatever its sign: 10 % of an R2 of -0.5 are 0.05, and
worse by that is -0.55. Of a champion at 0 it is nothing, so that the candidate may not be worse at
all; `or` and an amount give it room.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, cast, get_args

from ml_pipeline.errors import QueryError
from ml_pipeline.store.record import Direction
from ml_pipeline.text import quoted

Bound = Literal["<=", "<", ">=", ">"]
Relation = Literal["<=", "<", ">=", ">", "within", "better by"]

FORMS: Final = "mape <= 0.25, mape within 2%, mape within 2% or 0.01, mape better by 1%"
"""What a criterion looks like, for whoever typed something else."""

_CRITERION: Final = re.compile(
    r"\s*(?P<metric>[^\s<>=%](?:[^<>=%]*?[^\s<>=%])??)(?::(?P<direction>minimize|maximize))?"
    r"(?:\s*(?P<bound><=|>=|<|>)|\s+(?P<relative>within|better\s+by)\s)"
    r"\s*(?P<first>[-+.\w]+)\s*(?P<percent>%)?(?:\s+or\s+(?P<second>[-+.\w]+))?\s*"
)
_SLACK: Final = Fraction(1, 10**12)
"""A champion plus a share of it is rounded: what differs by less is within."""

_MINIMIZED: Final = ("<=", "<")


@dataclass(frozen=True)
class Criterion:
    """What one metric of a candidate must be.

    Attributes:
        metric: its name.
        relation: how it must stand to a number, or to the champion.
        amount: in the metric's unit: the bound, or how much worse or better than the champion.
        percent: the same as a percentage of the champion's size; None where none was typed.
        told: which way is better, where that was typed.
    """

    metric: str
    relation: Relation
    amount: float = 0.0
    percent: float | None = None
    told: Direction | None = None

    @classmethod
    def read(cls, text: str) -> "Criterion":
        """Read what was typed.

        Raises:
            QueryError: if it is no criterion.
        """
        match = _CRITERION.fullmatch(text)
        if match is None:
            raise _refused(f"must be like {FORMS}, but got {quoted(text)}")
        bound, percent = match["bound"], None
        relation = cast("Relation", bound or " ".join(match["relative"].split()))
        amount = _number(text, match["first"])
        if bound and (match["percent"] or match["second"]):
            raise _refused(
                f"must compare with one number in the metric's unit, as 0.25 for 25 %,"
                f" but got {quoted(text)}"
            )
        if match["percent"]:
            percent, amount = amount, _number(text, match["second"] or "0")
        elif match["second"]:
            raise _refused(f"must have a percentage before 'or', but got {quoted(text)}")
        if match["second"] and relation != "within":
            raise _refused(f"must have one number after 'better by', but got {quoted(text)}")
        if not bound and (amount < 0 or (percent or 0) < 0):
            raise _refused(f"must say how much in a number of 0 or more, but got {quoted(text)}")
        made = cls(
            match["metric"], relation, amount, percent, cast("Direction | None", match["direction"])
        )
        if bound and made.told not in (None, made.direction):
            raise _refused(
                f"must bound a metric to {made.told} on the other side, but got {quoted(text)}"
            )
        return made

    def __str__(self) -> str:
        """Return the criterion as it can be typed."""
        told = f":{self.told}" if self.told is not None else ""
        return f"{self.metric}{told} {self.relation} {self.size}"

    @property
    def size(self) -> str:
        """The number or numbers of the criterion as they are typed."""
        amount = _typed(self.amount)
        if self.percent is None:
            return amount
        return f"{_typed(self.percent)}%{f' or {amount}' if self.amount else ''}"

    @property
    def is_relative(self) -> bool:
        """Whether it compares with the champion."""
        return self.relation not in get_args(Bound)

    @property
    def direction(self) -> Direction | None:
        """Which way is better, as far as the criterion itself says."""
        if self.is_relative:
            return self.told
        return "minimize" if self.relation in _MINIMIZED else "maximize"

    def limit(self, champion: Fraction | None, direction: Direction) -> Fraction:
        """Return the value that the candidate must keep to.

        Args:
            champion: the champion's value; None for a bound.
            direction: which way is better.
        """
        if champion is None or not self.is_relative:
            return Fraction(self.amount)
        share = Fraction(self.percent or 0) / 100
        room = max(share * abs(champion), Fraction(self.amount))
        worse = 1 if direction == "minimize" else -1
        return champion + (room if self.relation == "within" else -room) * worse

    def is_met(self, candidate: Fraction, champion: Fraction | None, direction: Direction) -> bool:
        """Whether a value fulfils the criterion; what is better than one that does also does.

        Args:
            candidate: the value.
            champion: the champion's; None for a bound.
            direction: which way is better.
        """
        worse = 1 if direction == "minimize" else -1
        over = (candidate - self.limit(champion, direction)) * worse
        if champion is None or not self.is_relative:
            return over < 0 if self.relation in ("<", ">") else over <= 0
        if self.relation == "better by" and (candidate - champion) * worse >= 0:
            return False
        return over <= _SLACK * (abs(champion) + Fraction(self.amount))


def _number(text: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _refused(f"must compare with a finite number, but got {quoted(text)}")
    return value


def _typed(value: float) -> str:
    return repr(value).removesuffix(".0")


def _refused(problem: str) -> QueryError:
    return QueryError([f"a criterion {problem}"])
