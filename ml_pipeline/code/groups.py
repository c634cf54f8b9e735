"""What of a parameter group is code: all but its fields, whose values are in ids.

Methods, constants and private attributes count, and so do validators that set such an attribute.
The classes of fields count as well: stages call their methods.
"""

import ast
import sys
import typing
from collections.abc import Collection, Iterator
from enum import Enum
from types import FunctionType
from typing import Any, Final

import pydantic

from ml_pipeline.code.modules import Source
from ml_pipeline.params.group import ParamGroup

_OF_IDS: Final = frozenset({"formerly", "retired", "rules"})
"""What a group says of names and values, before and now: results depend on the values alone."""
_SETTING: Final = frozenset({"setattr", "__setattr__", "__dict__", "__pydantic_private__"})
_HOLDING: Final = ("fget", "func", "__func__")
_ALIASED: Final = ("__supertype__", "__value__")


def group_of(statement: ast.ClassDef, source: Source) -> type[ParamGroup] | None:
    """Return the parameter group that a class statement of a module defines, if it does."""
    defined = getattr(sys.modules.get(source.module), statement.name, None)
    is_group = isinstance(defined, type) and issubclass(defined, ParamGroup)
    return defined if is_group else None


def without_fields(statement: ast.ClassDef, group: type[ParamGroup]) -> ast.ClassDef:
    """Return the statement of a group without what only shapes its values."""
    fields = group.model_fields.keys()
    body = [part for part in statement.body if not _is_of_identity(part, fields)] or [ast.Pass()]
    return ast.ClassDef(
        statement.name, statement.bases, statement.keywords, body, statement.decorator_list
    )


def classes_of_fields(group: type[ParamGroup]) -> Iterator[type]:
    """Yield the classes that values of a group are of, and that may have methods."""
    waiting: list[Any] = [one.annotation for one in group.model_fields.values()]
    seen: set[type] = set()
    while waiting:
        one = waiting.pop()
        waiting += typing.get_args(one)
        waiting += [getattr(one, name) for name in _ALIASED if hasattr(one, name)]
        if not isinstance(one, type) or one in seen:
            continue
        seen.add(one)
        if issubclass(one, pydantic.BaseModel):
            yield one
            waiting += [field.annotation for field in one.model_fields.values()]
        elif issubclass(one, Enum) and any(
            _behaves(base) for base in one.__mro__ if base.__module__ != Enum.__module__
        ):
            yield one


def _behaves(cls: type) -> bool:
    """Whether a class has functions that were written in it; members alone are values."""
    members = vars(cls).values()
    held = [getattr(one, name, None) for one in members for name in _HOLDING]
    written = [one for one in (*members, *held) if isinstance(one, FunctionType)]
    return any(one.__module__ == cls.__module__ for one in written)


def _is_of_identity(part: ast.stmt, fields: Collection[str]) -> bool:
    if isinstance(part, ast.FunctionDef):
        is_validator = any("validator" in ast.dump(one) for one in part.decorator_list)
        return (is_validator or part.name == "resolved") and not _sets_more(part)
    targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
    names = {one.id for one in targets if isinstance(one, ast.Name)}
    return bool(names & _OF_IDS) or (isinstance(part, ast.AnnAssign) and names <= {*fields})


def _sets_more(function: ast.FunctionDef) -> bool:
    """Whether a function may set attributes that are no fields, which ids do not know."""
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if node.attr.startswith("_"):
                return True
        elif not _SETTING.isdisjoint((getattr(node, "id", ""), getattr(node, "attr", ""))):
            return True
    return False
