"""A parameter file to start from: every parameter with its default, and what it may be."""

import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from ml_pipeline.params.layout import Section
from ml_pipeline.params.model import ParamModel, nested

Language = Literal["yaml", "toml", "json"]

_WIDTH: Final = 96
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def template(model: ParamModel, language: Language) -> str:
    """Return a file that asks for nothing but the defaults.

    What has no default, or none as its default, stands there as a comment. JSON has no comments:
    there a required parameter is left out.

    Args:
        model: the parameters.
        language: what the file is written in.
    """
    if language != "json":
        return "\n".join(_lines(model, is_toml=language == "toml")) + "\n"
    defaults = {
        p.dotted: p.default for p in model.parameters() if p.default is not ... and p.is_offered
    }
    groups: dict[str, Any] = {group: {} for group in model.groups}
    return json.dumps(groups | nested(defaults), indent=2) + "\n"


def _lines(model: ParamModel, is_toml: bool) -> Iterator[str]:
    yield "# Every parameter with its default; what is left out keeps it."
    for section in model.sections.values():
        yield from _section(section, is_toml, "")


def _section(section: Section, is_toml: bool, before: str) -> Iterator[str]:
    """Yield the lines of a group or of a field that holds others: parameters, then sections."""
    text = section.info.description if section.info else inspect.getdoc(section.cls)
    yield ""
    yield from _comment((text or "").partition("\n")[0], before)
    name = section.dotted if is_toml else section.dotted.rpartition(".")[2]
    yield f"[{name}]" if is_toml else f"{before}{name}:"
    indent = "" if is_toml else f"{before}  "
    members = section.members.items()
    for field, parameter in members:
        if isinstance(parameter, Section) or not parameter.is_offered:
            continue
        is_required = parameter.default is ...
        value = None if is_required else parameter.default
        yield ""
        yield from _comment(parameter.description, indent)
        yield from _comment(f"{'REQUIRED: ' * is_required}{parameter.must_be}", indent)
        mark = "# " if value is None or (is_toml and _holds_none(value)) else ""
        written = "" if value is None else f" {_written(value, is_toml)}"
        yield f"{indent}{mark}{field}{' =' if is_toml else ':'}{written}"
    for _, member in members:
        if isinstance(member, Section):
            yield from _section(member, is_toml, indent)


def _comment(text: str, indent: str) -> list[str]:
    mark = f"{indent}# "
    return textwrap.wrap(text, _WIDTH, initial_indent=mark, subsequent_indent=mark)


def _holds_none(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_none(member) for member in value.values())
    return value is None or (isinstance(value, list) and any(map(_holds_none, value)))


def _written(value: Any, is_toml: bool) -> str:
    """Write a value as YAML and TOML both have it; only their mappings differ."""
    if isinstance(value, Mapping):
        sign = " =" if is_toml else ":"
        pairs = (f"{_text(key)}{sign} {_written(v, is_toml)}" for key, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_written(member, is_toml) for member in value)}]"
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        # YAML 1.1, which Dagster's launchpad has, reads 1e-05 as text, and 1.0e-05 as a number.
        return f"{mantissa}{'.0' if e and '.' not in mantissa else ''}{e}{exponent}"
    return json.dumps(value) if value is None or isinstance(value, int) else _text(str(value))


def _text(value: str) -> str:
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
