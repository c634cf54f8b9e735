"""Spaces: what a sweep tries for one parameter, as people write it.

    learning_rate=0.01,0.1,0.3          these values
    dataset=choice(sales,users)         the same, spelt out
    max_depth=range(2,7)                2, 3, 4, 5, 6, as in Python
    regularization=linspace(0,1,5)      5 values, evenly spaced, both ends included
    learning_rate=log(1e-3,1,4)         4 values, evenly spaced on a logarithmic scale
    learning_rate=log[1e-3..1]          an interval, for search strategies
    max_depth=[2..8]                    an interval; `step` as in [2..8 step 2] coarsens it

In files and in the launchpad the same text works, and so does a list. Values keep the form in which
they were given: the parameter's own class reads and checks them, as it does for a single run.
"""

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.params.annotations import accepts
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.sweeps.series import (
    MOST_VALUES,
    NUMBER,
    SERIES,
    Numbers,
    TooManyValues,
    exact,
    number,
    series,
)
from ml_pipeline.text import quoted, shortened, written

_MOST_CHARACTERS: Final = 65_536
_MOST_OF_AN_INTERVAL: Final = 300
_MOST_STEPS: Final = 10_000_000
_LARGEST_INTEGER: Final = 2**53
"""Strategies reckon in floating point, which skips integers beyond."""

_INTERVAL: Final = re.compile(
    rf"(log)?\s*\[\s*({NUMBER})\s*\.\.\s*({NUMBER})\s*(?:\bstep\s+({NUMBER})\s*)?\]"
)
_NAME: Final = re.compile(r"[a-z_]{1,40}")
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Values:
    """A finite choice.

    Attributes:
        values: raw values, to be read by the parameter's class.
    """

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Interval:
    """All numbers between two ends, for strategies that sample.

    Attributes:
        low: smallest value, included.
        high: largest value, included, a whole number of steps away.
        log: whether to sample evenly on a logarithmic scale.
        step: distance of the values, or None for any.
        whole: whether only integers count.
    """

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @property
    def size(self) -> float:
        """How many values there are."""
        step = self.step or (1.0 if self.whole else None)
        if step is None:
            return math.inf
        return round((exact(self.high) - exact(self.low)) / exact(step)) + 1

    def nearest(self, value: Any) -> Any:
        """Return the value of the interval that a number reckoned in floating point stands for."""
        if self.whole or self.step is None:
            return value
        place = round((value - self.low) / self.step)
        return float(exact(self.low) + place * exact(self.step))


Dimension = Values | Interval


def dimension(parameter: Parameter, raw: Any) -> Dimension | None:
    """Read what was given for a parameter of a sweep.

    Args:
        parameter: the parameter.
        raw: text, or a value from a file.

    Returns:
        What to try, or None where one plain value was given.

    Raises:
        ParamsError: if it is meant as a space but cannot be read as one.
    """
    if parameter.holds_secret:
        return None
    if isinstance(raw, Mapping) and parameter.kind.shapes:
        return _of_fields(parameter, raw)
    if isinstance(raw, list | tuple) and not _is_one_list(parameter, raw):
        return _values(parameter, [single(parameter, member) for member in raw], raw)
    # The launchpad fills defaults in, and a default may look like something else.
    if not isinstance(raw, str) or raw == parameter.default:
        return None
    text = raw.strip()
    if len(text) > _MOST_CHARACTERS:
        raise _refusal(
            f"{parameter.dotted} must be given in at most {_MOST_CHARACTERS:,} characters, but got"
            f" {len(text):,}: list the values in a file for --trials"
        )
    if len(text) <= _MOST_OF_AN_INTERVAL and (match := _INTERVAL.fullmatch(text)) is not None:
        return _interval(parameter, text, *match.groups())
    name, bracket, inside = text.partition("(")
    if bracket and text.endswith(")") and _NAME.fullmatch(name.rstrip()):
        return _called(parameter, text, name.rstrip(), inside[:-1])
    items = _split(parameter, text)
    if len(items) == 1:
        return None
    return _values(parameter, [_unquoted(parameter, item) for item in items], text)


def single(parameter: Parameter, raw: Any) -> Any:
    """Return a plain value without the quotes that keep its commas from being a list."""
    if not isinstance(raw, str) or not raw.strip() or raw == parameter.default:
        return raw
    return _unquoted(parameter, raw.strip())


def _of_fields(parameter: Parameter, raw: Mapping[str, Any]) -> Values | None:
    """Return the values that come of fields with several values each, or None without any."""
    listed: dict[str, list[Any]] = {}
    for name, given in raw.items():
        of_each = [s.members[name].info for s in parameter.kind.shapes if name in s.members]
        if not of_each:
            continue
        field = Parameter(parameter.group, f"{parameter.name}.{name}", of_each[0])
        space = dimension(field, given)
        if isinstance(space, Interval):
            raise _told(
                field,
                given,
                f"'{parameter.told}' is swept as a whole, and only by listed values: list them",
            )
        if space is not None:
            listed[name] = [single(field, value) for value in space.values]
    if not listed:
        return None
    if math.prod(map(len, listed.values())) > MOST_VALUES:
        raise _too_many(parameter)
    combined = itertools.product(*listed.values())
    return Values(tuple({**raw, **dict(zip(listed, some, strict=True))} for some in combined))


def _is_one_list(parameter: Parameter, raw: list[Any] | tuple[Any, ...]) -> bool:
    are_lists = [isinstance(member, list | tuple) for member in raw]
    return accepts(parameter.info, list, tuple, set) and not (are_lists and all(are_lists))


def _values(parameter: Parameter, items: list[Any], given: Any) -> Values:
    if not items:
        raise _refusal(f"{parameter.dotted} must have at least one value, but got {quoted(given)}")
    if len(items) > MOST_VALUES:
        raise _too_many(parameter)
    return Values(tuple(items))


def _interval(
    parameter: Parameter, text: str, log: str | None, low: str, high: str, step: str | None
) -> Interval:
    _refuse_other_than_numbers(parameter, text)
    if not (parameter.kind.whole or parameter.kind.number):
        raise _told(
            parameter,
            text,
            f"an interval needs every number within, but the parameter must be {parameter.must_be}:"
            f" list the values, like {parameter.told}={_two(parameter)}",
        )
    if any(math.isinf(float(end)) for end in (low, high, step or "1")):
        raise _told(parameter, text, "the ends and the step must be finite numbers")
    try:
        first, last, distance = number(low), number(high), number(step or "1")
    except ValueError as error:
        raise _told(parameter, text, str(error)) from None
    whole = not accepts(parameter.info, float)
    steps = math.floor((last - first) / distance) if distance > 0 else 0
    problem = ""
    if "..." in text:
        problem = "`...` has two readings: type blanks around the two dots"
    elif first >= last:
        problem = f"`low < high` must hold, but got (low={low}, high={high})"
    elif math.isinf(float(last) - float(first)):
        problem = "the ends are farther apart than any number is large"
    elif log and first <= 0:
        problem = f"a logarithmic scale starts above 0, but got low={low}"
    elif step is not None and log:
        problem = "a logarithmic interval has no step"
    elif step is not None and steps < 1:
        problem = f"`0 < step <= high - low` must hold, but got step={step}"
    elif whole and any(end.denominator != 1 for end in (first, last, distance)):
        problem = "the ends and the step must be integers, as the parameter is"
    elif whole and max(abs(first), abs(last)) > _LARGEST_INTEGER:
        problem = f"the ends of an interval of integers must be within {_LARGEST_INTEGER:,}"
    elif step is not None and steps > _MOST_STEPS:
        problem = f"an interval has at most {_MOST_STEPS:,} steps: leave the step out"
    if problem:
        raise _told(parameter, text, problem)
    if step is not None:
        last = first + steps * distance
    stepping = float(distance) if step is not None else None
    return Interval(float(first), float(last), bool(log), stepping, whole)


def _called(parameter: Parameter, text: str, name: str, inside: str) -> Values:
    arguments = _split(parameter, inside)
    if name == "choice":
        return _values(parameter, [_unquoted(parameter, item) for item in arguments], text)
    if name not in SERIES:
        known = ["choice", *SERIES]
        raise _told(
            parameter,
            text,
            f"'{name}' is no way to give values.{nearest(name, known)} There are"
            f" {', '.join(known)}; text with brackets that is meant as it stands goes in quotes:"
            f' "{shortened(text)}"',
        )
    _refuse_other_than_numbers(parameter, text)
    usage, least, most = SERIES[name]
    if not least <= len(arguments) <= most:
        raise _told(parameter, text, f"type {usage}, but got {len(arguments)} numbers")
    try:
        numbers = series(name, arguments)
    except TooManyValues:
        raise _too_many(parameter) from None
    except ValueError as error:
        raise _told(parameter, text, f"{error}; type {usage}") from None
    if accepts(parameter.info, int):
        if not accepts(parameter.info, float):
            _refuse_fractions(parameter, text, numbers)
        return _values(parameter, numbers, text)
    return _values(parameter, [float(one) for one in numbers], text)


def _refuse_fractions(parameter: Parameter, text: str, numbers: Numbers) -> None:
    fraction = next((value for value in numbers if isinstance(value, float)), None)
    if fraction is not None:
        whole = ",".join(str(value) for value in dict.fromkeys(map(round, numbers[:6])))
        dots = ",..." if len(numbers) > 6 else ""
        raise _told(
            parameter,
            text,
            f"the values must be integers, as the parameter is, but one is {fraction:g}:"
            f" list those that are meant, like {parameter.told}={whole}{dots}",
        )


def _refuse_other_than_numbers(parameter: Parameter, text: str) -> None:
    if not accepts(parameter.info, int, float) or accepts(parameter.info, str, bool):
        raise _told(
            parameter,
            text,
            "a series needs numbers, but the parameter must be"
            f" {parameter.must_be}: list the values, like {parameter.told}={_two(parameter)}",
        )


def _two(parameter: Parameter) -> str:
    choices = [*parameter.choices, *((True, False) if parameter.kind.truth else ())][:2]
    if len(choices) == 2:
        return ",".join(map(written, choices))
    has_default = parameter.default not in (..., None) and not parameter.kind.text
    return f"{written(parameter.default)},..." if has_default else "a,b"


def _told(parameter: Parameter, text: str, problem: str) -> ParamsError:
    return _refusal(f"{parameter.dotted}={shortened(text)}: {problem}")


def _too_many(parameter: Parameter) -> ParamsError:
    return _refusal(
        f"{parameter.dotted} must have at most {MOST_VALUES:,} values, but got more: give an"
        " interval and choose a search strategy"
    )


def _refusal(problem: str) -> ParamsError:
    return ParamsError([problem])


def _split(parameter: Parameter, text: str) -> list[str]:
    """Split at the commas that stand in no brackets and no quotes."""
    items, start, closing, quote, is_blank = [], 0, [], "", True
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and is_blank:
            quote = letter
        elif letter in _OPENING:
            closing.append(_OPENING[letter])
        elif closing and letter == closing[-1]:
            closing.pop()
        elif letter == "," and not closing:
            items.append(text[start:place].strip())
            start, is_blank = place + 1, True
            continue
        is_blank = is_blank and letter.isspace()
    items.append(text[start:].strip())
    if quote or closing:
        raise _told(parameter, text, f"{quote or closing[-1]} is missing at the end")
    if len(items) > 1 and not all(items):
        raise _told(parameter, text, "a value is missing beside a comma")
    return items


def _unquoted(parameter: Parameter, item: str) -> Any:
    if len(item) > 1 and item[0] == item[-1] and item[0] in "\"'":
        return item[1:-1]
    return parameter.from_text(item)
