"""What is wrong with the config of an op, in words that people can act on.

The class that an op declares has the last word on what is wrong: its values are read as Dagster
reads them, not as a parameter group's. Only the words are ours.
"""

import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from ml_pipeline.errors import nearest
from ml_pipeline.params.annotations import members_of
from ml_pipeline.params.kind import NoKind
from ml_pipeline.params.parameter import Parameter, plain
from ml_pipeline.params.validation import own_words
from ml_pipeline.text import quoted, shortened


def problems_of(
    error: pydantic.ValidationError, op: str, cls: type[pydantic.BaseModel], given: Any
) -> list[str]:
    """Tell every problem with the config of an op.

    Args:
        error: what making its class of the config came to.
        op: what to call the op.
        cls: the class of its config.
        given: the config.
    """
    details = error.errors(include_url=False)
    return list(dict.fromkeys(_told(detail, op, cls, given) for detail in details))


def _told(detail: Any, op: str, cls: type[pydantic.BaseModel], given: Any) -> str:
    words = own_words(detail)
    if not detail["loc"]:
        return f"{op}: {words or detail['msg']}"
    called, fields, steps = op, cls.model_fields, list(detail["loc"])
    while True:
        name = str(steps.pop(0))
        info = _field(fields, name)
        given = given.get(name) if isinstance(given, Mapping) else None
        if info is None and detail["type"] == "extra_forbidden" and not steps:
            return f"'{called}.{shortened(name)}' does not exist.{nearest(name, fields)}"
        if info is None:
            return f"{called}.{name}: {words or detail['msg']}"
        inner = list(_models(info.annotation))
        below = next((n for n, step in enumerate(steps) if _holders(inner, step)), None)
        if below is None and detail["type"] == "extra_forbidden" and inner and steps:
            below = len(steps) - 1
        if below is None:
            break
        called = f"{called}.{name}{_place(given, steps[:below])}"
        given = _within(given, steps[:below])
        fields = (_holders(inner, steps[below]) or inner)[0].model_fields
        steps = steps[below:]
    parameter = Parameter(called, name, info)
    if detail["type"] == "missing" and not steps:
        return f"{parameter.dotted} is required: give {_must_be(parameter) or 'a value'}"
    place = f"{parameter.dotted}{_place(given, steps)}"
    got = "***" if parameter.looks_secret else quoted(plain(_within(given, steps)))
    if words:
        return f"{place} {words} (got {got})"
    must_be = "" if steps else _must_be(parameter)
    if must_be:
        return f"{place} must be {must_be}, but got {got}"
    return f"{place}: {detail['msg']} (got {got})"


def _field(fields: Mapping[str, FieldInfo], name: str) -> FieldInfo | None:
    if name in fields:
        return fields[name]
    return next((info for info in fields.values() if name == info.alias), None)


def _models(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    """Yield the models whose values can stand in one of an annotation, at whatever depth."""
    for member in members_of(annotation):
        if isinstance(member, type) and issubclass(member, pydantic.BaseModel):
            yield member
        else:
            for argument in typing.get_args(member):
                yield from _models(argument)


def _holders(models: list[type[pydantic.BaseModel]], step: Any) -> list[type[pydantic.BaseModel]]:
    return [model for model in models if _field(model.model_fields, str(step)) is not None]


def _within(given: Any, steps: Sequence[Any]) -> Any:
    """Return what stands at some steps; one that is none, such as a tag of a union, is left out."""
    for step in steps:
        if _is_step(given, step):
            given = given[step]
    return given


def _place(given: Any, steps: Sequence[Any]) -> str:
    place = ""
    for step in steps:
        if _is_step(given, step):
            place += f"[{step}]" if isinstance(step, int) else f".{step}"
            given = given[step]
    return place


def _is_step(given: Any, step: Any) -> bool:
    if isinstance(given, list | tuple):
        return isinstance(step, int) and step < len(given)
    return isinstance(given, Mapping) and step in given


def _must_be(parameter: Parameter) -> str:
    try:
        return parameter.must_be
    except NoKind:
        return ""
