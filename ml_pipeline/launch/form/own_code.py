"""Where code of a pipeline's author may make other values of those that were typed.

A page cannot run it. It knows what comes of defaults and choices, which Python tells beforehand; of
anything else it has to say that it does not know.
"""

import inspect
import itertools
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import annotated_types
import pydantic
from pydantic.fields import FieldInfo

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.annotations import is_shape
from ml_pipeline.params.group import Config, ParamGroup
from ml_pipeline.params.kind import leaves
from ml_pipeline.params.layout import Section
from ml_pipeline.params.model import ParamModel, nested
from ml_pipeline.params.parameter import Parameter

_MOST_ROWS: Final = 64
_ALTERING: Final = ("str_to_lower", "str_to_upper", "str_strip_whitespace")
_HARMLESS: Final = frozenset(
    {
        *("pattern", "min_length", "max_length", "ascii_only", "allow_inf_nan", "strict"),
        *("max_digits", "decimal_places"),
    }
)
_BOUNDS: Final = (
    annotated_types.Gt,
    annotated_types.Ge,
    annotated_types.Lt,
    annotated_types.Le,
    annotated_types.MultipleOf,
    annotated_types.MinLen,
    annotated_types.MaxLen,
)
_STARTS: Final[tuple[Any, ...]] = (pydantic.BaseModel.__init__, Config.__init__)


def code_in_fields(section: Section) -> Iterator[Parameter]:
    """Yield the parameters of a group whose own code could make another value of one."""
    for name, member in section.members.items():
        if isinstance(member, Section):
            yield from code_in_fields(member)
        elif name in _validated(section.cls) or _alters(member.info):
            yield member


def has_code(section: Section) -> bool:
    """Whether code of a group could make other values of all of them together."""
    cls = section.cls
    is_resolved = issubclass(cls, ParamGroup) and cls.resolved is not ParamGroup.resolved
    inner = (one for one in section.members.values() if isinstance(one, Section))
    return is_resolved or _has_code(cls) or any(map(has_code, inner))


def field_rows(
    model: ParamModel, section: Section, parameter: Parameter, besides: Sequence[Any]
) -> list[list[Any]]:
    """Return what code makes of a parameter's choices: value, what comes of it, or what is wrong.

    Args:
        model: the parameters.
        section: the group.
        parameter: one of its fields.
        besides: more values that are known beforehand.
    """
    given: list[dict[str, Any]] = ([{}] if parameter.default is not ... else []) + [
        {parameter.dotted: value} for value in [*_choices(parameter), *besides]
    ]
    rows = []
    for inputs in given:
        outcome, problem = _outcome(model, section.group, inputs)
        if outcome is None and problem is None:
            continue
        value = parameter.default if not inputs else inputs[parameter.dotted]
        rows.append([value, None if outcome is None else outcome[parameter.dotted], problem])
    return rows


def group_rows(model: ParamModel, section: Section) -> list[list[Any]]:
    """Return what code makes of a group's choices, everything else being the default.

    Args:
        model: the parameters.
        section: the group.

    Returns:
        Rows of values by name, those that come of them, and what is wrong if something is.
    """
    reach = model.part([section.group])
    chosen: list[Parameter] = []
    # Of very many together, its own come first.
    for p in sorted(reach.parameters(), key=lambda p: p.group != section.group):
        together = math.prod(len(_choices(one)) for one in [*chosen, p])
        if p.group in reach.scope and 0 < together <= _MOST_ROWS:
            chosen.append(p)
    rows = []
    for values in itertools.product(*(_choices(p) for p in chosen)):
        inputs = {p.dotted: value for p, value in zip(chosen, values, strict=True)}
        typed = {p.dotted: v for p, v in zip(chosen, values, strict=True) if v != p.default}
        outcome, problem = _outcome(model, section.group, typed)
        if outcome is not None or problem is not None:
            rows.append([inputs, outcome, problem])
    return rows


def _outcome(
    model: ParamModel, group: str, values: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str | None]:
    """Return the values of a group that come of some, or what is wrong; neither if none can."""
    reach = model.part([group])
    if any(p.default is ... for p in reach.parameters()):
        return None, None
    try:
        params = reach.validate(nested(values))
    except ParamsError as error:
        return None, "; ".join(error.problems)
    return params.flat([group]), None


def _choices(parameter: Parameter) -> Sequence[Any]:
    """Return all values of a parameter that has few."""
    kind = parameter.kind
    values = [
        *kind.choices,
        *((True, False) if kind.truth else ()),
        *((None,) if kind.none else ()),
    ]
    types = {type(value) for value in values}
    return values if values and set(leaves(kind)) <= types else []


def _validated(cls: type[pydantic.BaseModel]) -> set[str]:
    """Return the names of fields that have validators."""
    found: set[str] = set()
    for each in cls.__pydantic_decorators__.field_validators.values():
        found.update(cls.model_fields if "*" in each.info.fields else each.info.fields)
    return found


def _has_code(cls: type[pydantic.BaseModel]) -> bool:
    decorators = cls.__pydantic_decorators__
    own = [
        each.func
        for name, each in decorators.model_validators.items()
        if not (name == "_read" and _function(each.func) is _READ)
    ]
    looks_around = any(
        len(inspect.signature(each.func).parameters) > 1 + (each.info.mode == "wrap")
        for each in decorators.field_validators.values()
    )
    return bool(
        own
        or looks_around
        or decorators.validators
        or decorators.root_validators
        or cls.model_post_init is not pydantic.BaseModel.model_post_init
        or cls.__init__ not in _STARTS
        or any(cls.model_config.get(name) for name in _ALTERING)
    )


def _function(method: Any) -> Any:
    return getattr(method, "__func__", method)


_READ: Final = _function(ParamGroup.__pydantic_decorators__.model_validators["_read"].func)


def _alters(info: FieldInfo) -> bool:
    return any(map(_is_code, info.metadata)) or _holds_code(info.annotation)


def _is_code(mark: Any) -> bool:
    if isinstance(mark, _BOUNDS):
        return False
    said = {name for name, value in getattr(mark, "__dict__", {"?": mark}).items() if value}
    return not isinstance(mark, FieldInfo) and not said <= _HARMLESS


def _holds_code(annotation: Any) -> bool:
    """Whether code stands within an annotation, in the classes that it names as well."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *marks = typing.get_args(annotation)
        of_fields = [m for one in marks if isinstance(one, FieldInfo) for m in one.metadata]
        return any(map(_is_code, [*marks, *of_fields])) or _holds_code(inner)
    if is_shape(annotation):
        fields = annotation.model_fields.values()
        return bool(_has_code(annotation) or _validated(annotation) or any(map(_alters, fields)))
    value = getattr(annotation, "__value__", getattr(annotation, "__supertype__", None))
    if value is not None:
        return _holds_code(value)
    return any(map(_holds_code, typing.get_args(annotation)))
