"""Statements that may change what others defined: calls, loops, registrations.

They count wherever their module is executed, because a definition may see what they have done.
What is built in, the standard library, the toolkit and Dagster change nothing that a stage computes
with.
"""

import ast
import builtins
import sys
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from ml_pipeline.code.modules import (
    FUNCTIONS,
    TOOLKIT,
    FirstParty,
    Source,
    Steps,
    is_first_party,
    makes_a_stage,
    steps_of,
)

_HARMLESS: Final = frozenset(dir(builtins)) - {
    *("setattr", "delattr", "exec", "eval", "__import__", "map", "filter")
}
_READING: Final = frozenset(dir(MappingProxyType)) | frozenset(dir(str))
"""Methods that many objects have and that change none of them."""
_SUBCLASS_HOOKS: Final = (b"__subclasses__", b"__init_subclass__", b"metaclass")


def watches_subclasses(source: Source) -> bool:
    """Whether a module may ask classes for those that are derived from them."""
    return any(hook in source.text for hook in _SUBCLASS_HOOKS)


class Effects:
    """Tells what the statements of a module may do besides binding their names."""

    def __init__(self, source: Source, first_party: FirstParty) -> None:
        self._source = source
        self._first_party = first_party

    def loose(self) -> Iterator[ast.stmt]:
        """Yield the statements that may change what others defined."""
        return (one for one in self._source.statements if self._acts(one))

    def derived(self) -> Iterator[ast.ClassDef]:
        """Yield classes that may be known to a class that they are derived from."""
        for statement in self._source.statements:
            if isinstance(statement, ast.ClassDef) and (
                statement.keywords or any(map(self.calls_own, statement.bases))
            ):
                yield statement

    def registers(self, decorator: ast.expr) -> bool:
        """Whether a decorator may do more than wrap."""
        if makes_a_stage(decorator):
            return False
        if not isinstance(decorator, ast.Call):
            return self.calls_own(decorator)
        if steps_of(decorator.func)[-1:] == ("partial",) and decorator.args:
            return self.calls_own(decorator.args[0])
        return self.calls_own(decorator.func)

    def calls_own(self, called: ast.expr) -> bool:
        """Whether what is called may be more than is known to change nothing."""
        name = _root_of(called)
        known = self._source.imports.get(name, ())
        if known:
            return not all(self._is_harmless(steps) for steps in known)
        if isinstance(called, ast.Attribute) and called.attr in _READING:
            return False
        return name in self._source.definitions or name not in _HARMLESS

    def _is_harmless(self, steps: Steps) -> bool:
        top = steps[0].partition(".")[0]
        if top == TOOLKIT:
            return not is_first_party(".".join(steps), self._first_party)
        return top == "dagster" or top in sys.stdlib_module_names

    def _acts(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
            return False
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            return any(map(self.registers, statement.decorator_list))
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
            return any(map(_sets_parts, targets)) or self._calls(statement.value)
        if isinstance(statement, ast.If | ast.Try):
            blocks = [statement.body, statement.orelse, getattr(statement, "finalbody", [])]
            blocks += [one.body for one in getattr(statement, "handlers", [])]
            if any(self._acts(part) for block in blocks for part in block):
                return True
            return self._calls(getattr(statement, "test", None))
        return not (isinstance(statement, ast.Expr) and _makes_stages(statement.value))

    def _calls(self, value: ast.expr | None) -> bool:
        if value is None or _makes_stages(value):
            return False
        calls = (node for node in ast.walk(value) if isinstance(node, ast.Call))
        return any(self.calls_own(node.func) for node in calls)


def _makes_stages(node: ast.AST) -> bool:
    """Whether an expression is a call such as ``pipeline.asset(kinds=[...])(function)``."""
    return isinstance(node, ast.Call) and (makes_a_stage(node.func) or _makes_stages(node.func))


def _root_of(called: ast.expr) -> str:
    """Return the name at which an expression like ``Path("a").parent.joinpath`` starts."""
    node = called
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
        if isinstance(node, ast.Call):
            node = node.func
    return node.id if isinstance(node, ast.Name) else ""


def _sets_parts(target: ast.expr) -> bool:
    """Whether a target has an attribute or an item of something."""
    return any(isinstance(node, ast.Attribute | ast.Subscript) for node in ast.walk(target))
