"""One group's values read and checked, with every problem in words that people can act on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ErrorType

from ml_pipeline.addresses import refusal_in
from ml_pipeline.params.group import ParamGroup, instance
from ml_pipeline.params.kind import Kind, aliases_of
from ml_pipeline.params.layout import Section
from ml_pipeline.params.parameter import Parameter, plain
from ml_pipeline.params.partial import Partial, over
from ml_pipeline.params.reading import Unreadable, shape_of
from ml_pipeline.params.wording import must_be
from ml_pipeline.text import quoted

_PYDANTICS: Final = frozenset(get_args(ErrorType))


def checked_group(
    group: Section, known: Mapping[str, Any], places: Mapping[str, str]
) -> tuple[ParamGroup | None, list[str]]:
    """Make a group of raw values.

    Args:
        group: its fields.
        known: raw values by dotted name; those that are left out get their defaults.
        places: what to say of where a value stands when it is refused, by dotted name.

    Returns:
        The group, unless something is wrong, and every problem.
    """
    values: dict[str, Any] = {}
    problems = []
    given = [parameter for parameter in group.parameters if parameter.dotted in known]
    for parameter in group.parameters:
        raw = known.get(parameter.dotted, parameter.default)
        if raw is ...:
            problems.append(f"{parameter.dotted} is required: give {parameter.must_be}")
            continue
        if parameter.dotted not in known and parameter.has_default_of_its_kind:
            continue
        if (problem := refusal_in(raw)) is not None:
            at = _standing(parameter.dotted, places)
            problems.append(f"{parameter.dotted} {problem} (got {quoted(raw)}){at}")
            continue
        if isinstance(raw, Partial):
            raw = over(parameter.kind, raw, parameter.default)
        try:
            values[parameter.dotted] = parameter.read(raw)
        except Unreadable as error:
            problems.append(f"{_unread(parameter, error)}{_standing(parameter.dotted, places)}")
    made, faults = _made(group, values)
    # A rule over several fields says nothing where some of them could not be read.
    unread = {p.dotted for p in group.parameters} - values.keys() if problems else set()
    told = [fault for fault in faults if not _is_about(fault, unread)]
    problems += dict.fromkeys(_told(told, known, places))
    if problems or not isinstance(made, ParamGroup):
        return None, problems
    problems += _drifting(group, [(p, values[p.dotted]) for p in given], made)
    return (None if problems else made), problems


def unsettled(
    group: str, made: ParamGroup, others: Mapping[str, ParamGroup], given: Iterable[str]
) -> Iterator[str]:
    """Tell which given values `resolved` goes on changing, so that nobody could type the result.

    Args:
        group: name of the group.
        made: what `resolved` returned.
        others: what it was given.
        given: dotted names of what was given.
    """
    if type(made).resolved is ParamGroup.resolved:
        return
    again = made.resolved(others)
    for name in dict.fromkeys(one.split(".")[1] for one in given if one.startswith(f"{group}.")):
        first, second = plain(getattr(made, name)), plain(getattr(again, name))
        if first != second:
            became = f"it becomes {quoted(first)}"
            yield _drift(f"{group}.{name}", became, f"becomes {quoted(second)}", "`resolved`")


def _drifting(
    group: Section, given: Sequence[tuple[Parameter, Any]], made: ParamGroup
) -> Iterator[str]:
    """Tell which given values validators go on changing.

    Values are kept as validators leave them, and read again: by runs, by whoever repeats them.
    """
    if not given:
        return
    first = plain(made)
    if all(plain(read) == parameter.of(first) for parameter, read in given):
        return
    values, refused = {}, set()
    for parameter, _ in given:
        try:
            values[parameter.dotted] = parameter.read(parameter.of(first))
        except Unreadable:
            refused.add(parameter.dotted)
    again, faults = _made(group, values)
    second = plain(again) if isinstance(again, ParamGroup) and not refused else None
    refused |= {fault.node.dotted for fault in faults}
    for parameter, read in given:
        raw, value = plain(read), parameter.of(first)
        if second is not None and parameter.of(second) != value:
            then = f"becomes {quoted(parameter.of(second))}"
        elif second is None and raw != value and parameter.dotted in refused | {group.dotted}:
            then = "is refused"
        else:
            continue
        became = f"{quoted(raw)} becomes {quoted(value)}"
        yield _drift(parameter.dotted, became, then, "its validator")


def _drift(dotted: str, became: str, then: str, code: str) -> str:
    return (
        f"{dotted} must stay as it is when it is read again, but {became}, and that {then}:"
        f" let {code} leave alone what it has made"
    )


@dataclass(frozen=True)
class _Fault:
    """What pydantic says of a value.

    Attributes:
        detail: in its own form.
        node: what it says it of, or what that is part of.
        at: its place in the value of a parameter.
        info: the innermost field around it; None for a rule over several fields.
    """

    detail: Any
    node: Section | Parameter
    at: tuple[Any, ...] = ()
    info: FieldInfo | None = None


def _made(section: Section, values: Mapping[str, Any]) -> tuple[Any, list[_Fault]]:
    """Make an instance of values that were read, by dotted name, and what is wrong with them."""
    arguments: dict[str, Any] = {}
    nodes: dict[str, Section | Parameter] = {}
    faults: list[_Fault] = []
    for name, member in section.members.items():
        called = _argument(section.cls, name, member.info)
        nodes[name] = nodes[called] = member
        if isinstance(member, Section):
            made, wrong = _made(member, values)
            faults += wrong
            if made is not None:
                arguments[called] = made
        elif member.dotted in values:
            read = values[member.dotted]
            try:
                arguments[called] = _instances(member.kind, read, ())
            except _Broken as broken:
                faults += [replace(fault, node=member) for fault in broken.faults(member)]
    try:
        made = instance(section.cls, arguments)
    except pydantic.ValidationError as error:
        for detail in error.errors(include_url=False):
            if not detail["loc"]:
                faults.append(_Fault(detail, section))
            elif detail["loc"][0] in arguments or detail["loc"][0] in nodes:
                member = nodes[str(detail["loc"][0])]
                is_given = str(detail["loc"][0]) in arguments or member.dotted in values
                if is_given and isinstance(member, Parameter):
                    faults.append(_Fault(detail, member, detail["loc"][1:], member.info))
                elif is_given:
                    faults.append(_Fault(detail, member))
        return None, faults
    return (None if faults else made), faults


class _Broken(ValueError):
    """A value whose class refuses it."""

    def __init__(
        self, error: pydantic.ValidationError, at: tuple[Any, ...], infos: Mapping[str, FieldInfo]
    ) -> None:
        super().__init__(str(error))
        self.error, self.at, self.infos = error, at, infos

    def faults(self, node: Parameter) -> Iterator[_Fault]:
        """Yield what is wrong as faults of a parameter."""
        for detail in self.error.errors(include_url=False):
            loc = detail["loc"]
            info = self.infos.get(str(loc[0])) if loc else None
            yield _Fault(detail, node, (*self.at, *loc), info)


def _instances(kind: Kind, value: Any, at: tuple[Any, ...]) -> Any:
    """Return a value that was read with instances of their classes in place of mappings."""
    if not kind.holds_shapes:
        return value
    if isinstance(value, list) and kind.places is not None:
        pairs = zip(kind.places, value, strict=True)
        return [_instances(one, member, (*at, i)) for i, (one, member) in enumerate(pairs)]
    if isinstance(value, list) and kind.items is not None:
        return [_instances(kind.items, member, (*at, i)) for i, member in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    if kind.values is not None:
        inner = kind.values
        return {key: _instances(inner, member, (*at, key)) for key, member in value.items()}
    shape = shape_of(kind, value)
    arguments, infos = {}, {}
    for name, member in shape.members.items():
        called = _argument(shape.cls, name, member.info)
        infos[called] = infos[name] = member.info
        arguments[called] = _instances(member.kind, value[name], (*at, name))
    try:
        return instance(shape.cls, arguments)
    except pydantic.ValidationError as error:
        raise _Broken(error, at, infos) from None


def _argument(cls: type[pydantic.BaseModel], name: str, info: FieldInfo | None) -> str:
    """Return the name by which a class takes a field."""
    aliases = aliases_of(info) if info is not None else ()
    return aliases[0] if aliases and cls.model_config.get("validate_by_alias", True) else name


def _unread(parameter: Parameter, error: Unreadable) -> str:
    if error.rule:
        dotted = f"{parameter.dotted}{error.member}"
        if not error.rule.startswith("must be"):
            return f"'{dotted}' {error.rule}".rstrip(".")
        got = _got(error.found, error.place.removeprefix(error.member))
        return f"{dotted} {error.rule}, but got {got}{error.hint}"
    got = f"{_got(error.found, error.place)}{error.hint}"
    return f"{parameter.dotted} must be {parameter.must_be}, but got {got}"


def _is_about(fault: _Fault, unread: set[str]) -> bool:
    """Whether a fault is a rule over fields of which some could not be read."""
    within = f"{fault.node.dotted}."
    is_rule = isinstance(fault.node, Section)
    return is_rule and any(dotted.startswith(within) for dotted in unread)


def _told(
    faults: Sequence[_Fault], known: Mapping[str, Any], places: Mapping[str, str]
) -> Iterator[str]:
    for fault in faults:
        words = own_words(fault.detail)
        node = fault.node
        if isinstance(node, Section):
            yield f"{node.dotted}: {words or fault.detail['msg']}"
            continue
        at, found = _member(fault.at, known.get(node.dotted, node.default))
        dotted = node.dotted
        if fault.info is not node.info:
            dotted, at = f"{dotted}{at}", ""
        if fault.info is None:
            yield f"{dotted}: {words or fault.detail['msg']}{_standing(node.dotted, places)}"
            continue
        got = _got(found, at)
        rule = f"{words} (got {got})" if words else f"{_rule(fault.info)}, but got {got}"
        yield f"{dotted} {rule}{_standing(node.dotted, places)}"


def _rule(info: FieldInfo) -> str:
    return f"must be {must_be(info)}"


def _standing(dotted: str, places: Mapping[str, str]) -> str:
    place = places.get(dotted)
    return f" ({place})" if place else ""


def _got(found: Any, at: str) -> str:
    return f"{quoted(found)}{f' at {quoted(at)[1:-1]}' if at else ''}"


def _member(steps: Sequence[Any], given: Any) -> tuple[str, Any]:
    """Return where in a value something is wrong, and what was given there."""
    at, found = "", given
    for part in steps:
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
