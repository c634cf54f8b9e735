"""Series: numbers evenly spaced between two ends, the ones that a person would type.

They are reckoned in fractions of integers: steps of 0.1 come to 0.3, not to 0.30000000000000004,
so that the run is the one of a typed 0.3; and nothing overflows or is built before it is counted.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

MOST_VALUES: Final = 100_000
NUMBER: Final = r"[+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
"""A number as people write it; no text can be split in two ways, so it matches in linear time."""

_NUMBER: Final = re.compile(NUMBER)
_MOST_CHARACTERS: Final = 64
_DIGITS: Final = 12


Numbers = list[int | float]


class TooManyValues(ValueError):
    """A series has more values than a sweep can list."""


def series(name: str, arguments: Sequence[str]) -> Numbers:
    """Return the numbers of a series: integers where they are whole.

    Args:
        name: one of `SERIES`.
        arguments: its numbers, as typed, as many as it takes.

    Raises:
        ValueError: if they are no numbers or make no series.
        TooManyValues: if there are more than `MOST_VALUES`.
    """
    return _MAKERS[name](*(number(argument) for argument in arguments))


def number(text: str) -> Fraction:
    """Read a number exactly as it stands.

    Raises:
        ValueError: if it is none, or not in the range of numbers that computers reckon with.
    """
    typed = text.strip()
    if len(typed) > _MOST_CHARACTERS:
        raise ValueError(
            f"a number has at most {_MOST_CHARACTERS} characters, but one has {len(typed)}"
        )
    if not _NUMBER.fullmatch(typed) or math.isinf(float(typed)):
        raise ValueError(f"{typed!r} is no finite number")
    exact = Fraction(Decimal(typed.replace("_", "")))
    if exact and not float(typed):
        raise ValueError(f"{typed!r} is too near to 0 to differ from it")
    return exact


def exact(value: float) -> Fraction:
    """Return the number that a value stands for in its shortest form: 0.1 is a tenth."""
    return Fraction(Decimal(repr(value)))


def _range(start: Fraction, stop: Fraction, step: Fraction = Fraction(1)) -> Numbers:
    if step == 0:
        raise ValueError("step must not be 0")
    count = math.ceil((stop - start) / step)
    if count < 1:
        raise ValueError(f"the range from {float(start):g} to {float(stop):g} is empty")
    if count > MOST_VALUES:
        raise TooManyValues
    return _even(start, step, count)


def _linspace(first: Fraction, last: Fraction, count: Fraction) -> Numbers:
    values = _whole(count)
    return _even(first, (last - first) / (values - 1), values)


def _log(first: Fraction, last: Fraction, count: Fraction) -> Numbers:
    if first <= 0 or last <= 0:
        raise ValueError("a logarithmic scale has only numbers above 0")
    steps = _whole(count) - 1
    low, high = math.log10(first), math.log10(last)
    between = [
        _short(10 ** ((low * (steps - place) + high * place) / steps)) for place in range(1, steps)
    ]
    return [*_even(first, last - first, 1), *between, *_even(last, last - first, 1)]


def _even(first: Fraction, step: Fraction, count: int) -> Numbers:
    """Return numbers at even steps; thirds, whose digits do not end, are cut where people would."""
    unit = math.lcm(first.denominator, step.denominator)
    start, distance = int(first * unit), int(step * unit)
    endless = unit
    for factor in (2, 5):
        while endless % factor == 0:
            endless //= factor
    found: Numbers = []
    for place in range(count):
        above = start + place * distance
        if above % unit == 0:
            found.append(above // unit)
        else:
            found.append(above / unit if above % endless == 0 else _short(above / unit))
    return found


def _whole(count: Fraction) -> int:
    if count.denominator != 1 or not 2 <= count <= MOST_VALUES:
        raise ValueError(f"the number of values must be an integer from 2 to {MOST_VALUES:,}")
    return int(count)


def _short(value: float) -> int | float:
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() else short


SERIES: Final = {
    "range": ("range(start,stop[,step])", 2, 3),
    "linspace": ("linspace(first,last,count)", 3, 3),
    "log": ("log(first,last,count)", 3, 3),
}
"""How each series is typed, and how many numbers it takes at least and at most, by name."""

_MAKERS: Final[Mapping[str, Callable[..., Numbers]]] = {
    "range": _range,
    "linspace": _linspace,
    "log": _log,
}
