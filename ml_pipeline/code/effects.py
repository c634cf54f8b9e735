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
    is_first_party,
    makes_a_stage,
    steps_of,
)

_CALLING_BACK: Final = frozenset({"map", "filter"})
_BUILTINS: Final = frozenset(dir(builtins)) - {"setattr", "delattr", "exec", "eval", "__import__"}
_OF_IMMUTABLES: Final = frozenset(
    name
    for kind in (str, bytes, tuple, frozenset, MappingProxyType)
    for name in dir(kind)
    if not name.startswith("__")
)
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
            return not all(self._is_harmless(".".join(steps)) for steps in known)
        if isinstance(called, ast.Attribute) and called.attr in _OF_IMMUTABLES:
            return False
        return name in self._source.definitions or name not in _BUILTINS

    def _is_harmless(self, name: str) -> bool:
        top = name.partition(".")[0]
        if top == TOOLKIT:
            return not is_first_party(name, self._first_party)
        return top == "dagster" or top in sys.stdlib_module_names

    def _acts(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
            return False
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            return any(map(self.registers, statement.decorator_list))
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(map(_sets_parts, targets)):
                return True
            value = statement.value
            return value is not None and any(map(self.calls_own, _called_in(value)))
        if isinstance(statement, ast.If | ast.Try):
            return any(map(self._acts, _within(statement)))
        return not (isinstance(statement, ast.Expr) and _makes_stages(statement.value))


def _within(statement: ast.If | ast.Try) -> Iterator[ast.stmt]:
    """Yield the statements of all branches, and what is tested."""
    if isinstance(statement, ast.If):
        yield ast.Assign(targets=[], value=statement.test)
        yield from statement.body
    else:
        yield from (*statement.body, *statement.finalbody)
        for handler in statement.handlers:
            yield from handler.body
    yield from statement.orelse


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


def _called_in(value: ast.expr) -> Iterator[ast.expr]:
    """Yield what is called when an expression is evaluated, which lambdas' bodies are not."""
    waiting: list[ast.AST] = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda) or _makes_stages(node):
            continue
        if isinstance(node, ast.Call):
            yield node.func
            if isinstance(node.func, ast.Name) and node.func.id in _CALLING_BACK and node.args:
                back = node.args[0]
                if isinstance(back, ast.Lambda):
                    waiting.append(back.body)
                else:
                    yield back
        waiting.extend(ast.iter_child_nodes(node))


def _sets_parts(target: ast.expr) -> bool:
    """Whether a target has an attribute or an item of something."""
    if isinstance(target, ast.Tuple | ast.List):
        return any(_sets_parts(one) for one in target.elts)
    if isinstance(target, ast.Starred):
        return _sets_parts(target.value)
    return not isinstance(target, ast.Name)
