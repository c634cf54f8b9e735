"""One group's values read and checked, with every problem in words that people can act on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

import pydantic
from pydantic_core.core_schema import ErrorType

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.params.reading import Unreadable
from ml_pipeline.text import quoted

_PYDANTICS: Final = frozenset(get_args(ErrorType))


def checked_group(
    group: str,
    cls: type[ParamGroup],
    parameters: Sequence[Parameter],
    known: Mapping[str, Any],
    places: Mapping[str, str],
) -> tuple[ParamGroup | None, list[str]]:
    """Make a group of raw values.

    Args:
        group: its name.
        cls: its class.
        parameters: its parameters.
        known: raw values by name; those that are left out get their defaults.
        places: what to say of where a value stands when it is refused, by dotted name.

    Returns:
        The group, unless something is wrong, and every problem.
    """
    values: dict[str, Any] = {}
    problems = []
    for parameter in parameters:
        raw = known.get(parameter.name, parameter.default)
        if raw is ...:
            problems.append(f"{parameter.dotted} is required: give {parameter.must_be}")
            continue
        if parameter.name not in known and parameter.has_default_of_its_kind:
            continue
        try:
            values[parameter.name] = parameter.read(raw)
        except Unreadable as error:
            got = f"{_got(error.found, error.place)}{error.hint}"
            problems.append(
                _problem(parameter, f"must be {parameter.must_be}, but got", got, places)
            )
    try:
        made = cls(**values)
    except pydantic.ValidationError as error:
        read = {p.name: p for p in parameters if p.name in values}
        # A rule over several fields says nothing where some of them could not be read.
        details = [d for d in error.errors(include_url=False) if d["loc"] or not problems]
        problems += dict.fromkeys(_told(details, group, read, known, places))
        return None, problems
    return (None if problems else made), problems


def _told(
    details: Sequence[Any],
    group: str,
    read: Mapping[str, Parameter],
    known: Mapping[str, Any],
    places: Mapping[str, str],
) -> Iterator[str]:
    for detail in details:
        words = own_words(detail)
        if not detail["loc"]:
            yield f"{group}: {words or detail['msg']}"
        elif (parameter := read.get(str(detail["loc"][0]))) is not None:
            at, found = _member(detail, known.get(parameter.name, parameter.default))
            got = _got(found, at)
            rule = words or f"must be {parameter.must_be}, but got"
            yield _problem(parameter, rule, f"(got {got})" if words else got, places)


def _problem(parameter: Parameter, rule: str, got: str, places: Mapping[str, str]) -> str:
    place = places.get(parameter.dotted)
    return f"{parameter.dotted} {rule} {got}{f' ({place})' if place else ''}"


def _got(found: Any, at: str) -> str:
    return f"{quoted(found)}{f' at {quoted(at)[1:-1]}' if at else ''}"


def _member(detail: Any, given: Any) -> tuple[str, Any]:
    """Return where in a value something is wrong, and what was given there."""
    at, found = "", given
    for part in detail["loc"][1:]:
        if isinstance(found, list | tuple) and isinstance(part, int):
            at, found = f"{at}[{part}]", found[part]
        elif isinstance(found, Mapping) and part in found:
            at, found = f"{at}.{part}", found[part]
    return at, found


def own_words(detail: Any) -> str:
    """Return what a validator of a group says itself, if it was one that refused."""
    if detail["type"] in ("value_error", "assertion_error"):
        return " ".join(str(detail["ctx"]["error"]).split()) or "breaks a rule of its own"
    return "" if detail["type"] in _PYDANTICS else str(detail["msg"])
