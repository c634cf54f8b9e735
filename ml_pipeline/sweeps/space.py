"""Spaces: what a sweep tries for one parameter, as people write it.

    learning_rate=0.01,0.1,0.3          these values
    dataset=choice(orders,customers)    the same, spelt out
    max_depth=range(2,7)                2, 3, 4, 5, 6, as in Python
    regularization=linspace(0,1,5)      5 values, evenly spaced, both ends included
    learning_rate=log(1e-3,1,4)         4 values, evenly spaced on a logarithmic scale
    learning_rate=log[1e-3..1]          an interval, for search strategies
    max_depth=[2..8]                    an interval; `step` as in [2..8 step 2] coarsens it

In files and in the launchpad the same text works, and so does a list. Values keep the form in which
they were given: the parameter's own class reads and checks them, as it does for a single run.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.params.parameter import Parameter, accepts

_MOST_VALUES: Final = 100_000
_NUMBER: Final = r"[+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_INTERVAL: Final = re.compile(
    rf"(log)?\s*\[\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*(?:step\s+({_NUMBER})\s*)?\]"
)
_CALL: Final = re.compile(r"([a-z_]+)\s*\((.*)\)", re.DOTALL)
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
        return math.inf if step is None else round((self.high - self.low) / step) + 1


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
    if isinstance(raw, list | tuple) and not _is_one_list(parameter, raw):
        return _values(parameter, [single(parameter, member) for member in raw], raw)
    # The launchpad fills defaults in, and a default may look like something else.
    if not isinstance(raw, str) or raw == parameter.default:
        return None
    text = raw.strip()
    if (match := _INTERVAL.fullmatch(text)) is not None:
        return _interval(parameter, text, *match.groups())
    if (match := _CALL.fullmatch(text)) is not None:
        return _called(parameter, text, match.group(1), match.group(2))
    items = _split(parameter, text)
    if len(items) == 1:
        return None
    return _values(parameter, [_unquoted(parameter, item) for item in items], text)


def single(parameter: Parameter, raw: Any) -> Any:
    """Return a plain value without the quotes that keep its commas from being a list."""
    if not isinstance(raw, str) or not raw.strip() or raw == parameter.default:
        return raw
    return _unquoted(parameter, raw.strip())


def _is_one_list(parameter: Parameter, raw: list[Any] | tuple[Any, ...]) -> bool:
    are_lists = [isinstance(member, list | tuple) for member in raw]
    return accepts(parameter.info, list, tuple) and not (are_lists and all(are_lists))


def _values(parameter: Parameter, items: list[Any], shown: Any) -> Values:
    if not items:
        raise _refusal(f"{parameter.dotted} must have at least one value, but got {shown!r}")
    if len(items) > _MOST_VALUES:
        raise _refusal(
            f"{parameter.dotted} must have at most {_MOST_VALUES:,} values, but got more: give an"
            " interval and choose a search strategy"
        )
    return Values(tuple(items))


def _interval(
    parameter: Parameter, text: str, log: str | None, low: str, high: str, step: str | None
) -> Interval:
    _refuse_other_than_numbers(parameter, text)
    first, last, distance = float(low), float(high), float(step or 1)
    problem = ""
    if not all(map(math.isfinite, (first, last, distance))):
        problem = "the ends and the step must be finite numbers"
    elif first >= last:
        problem = f"`low < high` must hold, but got (low={low}, high={high})"
    elif log and first <= 0:
        problem = f"a logarithmic scale starts above 0, but got low={low}"
    elif step is not None and log:
        problem = "a logarithmic interval has no step"
    elif not 0 < distance <= last - first and step is not None:
        problem = f"`0 < step <= high - low` must hold, but got step={step}"
    whole = not accepts(parameter.info, float)
    if not problem and whole and any(end != int(end) for end in (first, last, distance)):
        problem = "the ends and the step must be integers, as the parameter is"
    if problem:
        raise _refusal(f"{parameter.dotted}={text}: {problem}")
    if step is not None:
        steps = math.floor(round((last - first) / distance, 9))
        last = _rounded(first + steps * distance)
    return Interval(first, last, bool(log), distance if step is not None else None, whole)


def _called(parameter: Parameter, text: str, name: str, inside: str) -> Values:
    arguments = _split(parameter, inside)
    if name == "choice":
        return _values(parameter, [_unquoted(parameter, item) for item in arguments], text)
    if name not in _SERIES:
        known = ["choice", *_SERIES]
        raise _refusal(
            f"{parameter.dotted}={text}: '{name}' is no way to give values."
            f"{nearest(name, known)} There are {', '.join(known)}; text with brackets that is"
            f' meant as it stands goes in quotes: "{text}"'
        )
    _refuse_other_than_numbers(parameter, text)
    usage, series = _SERIES[name]
    try:
        numbers = series(*(_number(argument) for argument in arguments))
    except TypeError:
        raise _refusal(
            f"{parameter.dotted}={text}: type {usage}, but got {len(arguments)} numbers"
        ) from None
    except ValueError as error:
        raise _refusal(f"{parameter.dotted}={text}: {error}; type {usage}") from None
    if not accepts(parameter.info, float):
        numbers = [round(number) for number in numbers]
    return _values(parameter, numbers, text)


def _refuse_other_than_numbers(parameter: Parameter, text: str) -> None:
    if not accepts(parameter.info, int, float) or accepts(parameter.info, str):
        raise _refusal(
            f"{parameter.dotted}={text}: a series needs numbers, but the parameter must be"
            f" {parameter.must_be}: list the values, like {parameter.name}=a,b"
        )


def _number(text: str) -> float:
    if not re.fullmatch(_NUMBER, text.strip()) or math.isinf(float(text)):
        raise ValueError(f"{text.strip()!r} is no finite number")
    return float(text)


def _range(start: float, stop: float, step: float = 1.0) -> list[float]:
    if step == 0:
        raise ValueError("step must not be 0")
    # The end stays out even where the division is inexact: 0.3 is not in range(0,0.3,0.1).
    count = math.ceil(round((stop - start) / step, 9))
    if count < 1:
        raise ValueError(f"the range from {start:g} to {stop:g} is empty")
    return [_rounded(start + place * step) for place in range(min(count, _MOST_VALUES + 1))]


def _linspace(start: float, stop: float, count: float) -> list[float]:
    steps = _count(count) - 1
    return [_rounded(start + (stop - start) * place / steps) for place in range(steps + 1)]


def _log(start: float, stop: float, count: float) -> list[float]:
    if start <= 0 or stop <= 0:
        raise ValueError("a logarithmic scale has only numbers above 0")
    low, high = math.log(start), math.log(stop)
    steps = _count(count) - 1
    return [_rounded(math.exp(low + (high - low) * place / steps)) for place in range(steps + 1)]


def _count(count: float) -> int:
    if count != int(count) or not 2 <= count <= _MOST_VALUES:
        raise ValueError(f"the number of values must be an integer from 2 to {_MOST_VALUES:,}")
    return int(count)


def _refusal(problem: str) -> ParamsError:
    return ParamsError([problem])


def _rounded(number: float) -> float:
    """Drop the last digits, so that 0.1 steps give 0.3 and not 0.30000000000000004."""
    return number if number.is_integer() else float(f"{number:.12g}")


_SERIES: Final[Mapping[str, tuple[str, Callable[..., list[float]]]]] = {
    "range": ("range(start,stop[,step])", _range),
    "linspace": ("linspace(first,last,count)", _linspace),
    "log": ("log(first,last,count)", _log),
}


def _split(parameter: Parameter, text: str) -> list[str]:
    """Split at the commas that stand in no brackets and no quotes."""
    items, start, closing, quote = [], 0, [], ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and not text[start:place].strip():
            quote = letter
        elif letter in _OPENING:
            closing.append(_OPENING[letter])
        elif closing and letter == closing[-1]:
            closing.pop()
        elif letter == "," and not closing:
            items.append(text[start:place].strip())
            start = place + 1
    items.append(text[start:].strip())
    if quote or closing:
        raise _refusal(f"{parameter.dotted}={text}: {quote or closing[-1]} is missing at the end")
    if len(items) > 1 and not all(items):
        raise _refusal(f"{parameter.dotted}={text}: a value is missing beside a comma")
    return items


def _unquoted(parameter: Parameter, item: str) -> Any:
    if len(item) > 1 and item[0] == item[-1] and item[0] in "\"'":
        return item[1:-1]
    return parameter.from_text(item)
