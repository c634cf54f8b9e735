"""Global names that a piece of code reads: an argument is no module's name."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ml_pipeline.code.modules import FUNCTIONS

Import: TypeAlias = ast.Import | ast.ImportFrom


@dataclass
class NamesUsed:
    """What a piece of code refers to outside itself.

    Attributes:
        found: every global name that is read, with the chain of attributes after it.
        imports: every import, wherever it stands.
        of_classes: imports that make attributes of classes.
    """

    found: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    of_classes: list[Import] = field(default_factory=list)


def names_used(tree: ast.AST) -> NamesUsed:
    """Return what a tree refers to outside itself."""
    visitor = _Visitor()
    visitor.visit(tree)
    return visitor.used


class _Visitor(ast.NodeVisitor):
    """Collects names that a function does not bind itself."""

    def __init__(self) -> None:
        self.used = NamesUsed()
        self.local: frozenset[str] = frozenset()
        self.in_class = False

    def visit_Name(self, node: ast.Name) -> None:
        self._chain(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._chain(node)

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self.in_class = self.in_class, True
        self.generic_visit(node)
        self.in_class = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, [node.body])

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def _chain(self, node: ast.expr) -> None:
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            self.visit(node)
        elif node.id not in self.local:
            self.used.found.append((node.id, tuple(reversed(attributes))))

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.used.imports.append(node)
        if self.in_class:
            self.used.of_classes.append(node)

    def _function(self, node: Any, body: Iterable[ast.AST]) -> None:
        outer, self.in_class = self.in_class, False
        self._all(getattr(node, "decorator_list", ()))
        self._all(node.args.defaults)
        self._all(default for default in node.args.kw_defaults if default is not None)
        arguments = arguments_of(node.args)
        self._all(one.annotation for one in arguments if one.annotation is not None)
        body = list(body)
        self._within({one.arg for one in arguments} | _bound_within(body), body)
        self.in_class = outer

    def _comprehension(self, node: Any) -> None:
        self.visit(node.generators[0].iter)
        targets = {
            name.id
            for generator in node.generators
            for name in ast.walk(generator.target)
            if isinstance(name, ast.Name)
        }
        self._within(targets, list(ast.iter_child_nodes(node)))

    def _within(self, names: set[str], parts: Iterable[ast.AST]) -> None:
        outer, self.local = self.local, self.local | names
        self._all(parts)
        self.local = outer

    def _all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


_SCOPES: Final = (
    *FUNCTIONS,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


_NAMING: Final = (
    *FUNCTIONS,
    ast.ClassDef,
    ast.ExceptHandler,
    ast.MatchAs,
    ast.MatchStar,
)


def _bound_within(body: list[ast.AST]) -> set[str]:
    """Return the names that a function's own statements bind, those of inner scopes left out."""
    bound: set[str] = set()
    not_local: set[str] = set()
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                bound.add(node.id)
            continue
        if isinstance(node, _NAMING):
            if node.name:
                bound.add(node.name)
        elif isinstance(node, ast.Global):
            not_local.update(node.names)
        if not isinstance(node, _SCOPES):
            waiting.extend(ast.iter_child_nodes(node))
    return bound - not_local


def arguments_of(arguments: ast.arguments) -> list[ast.arg]:
    """Return all arguments of a function, of whichever kind."""
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return found + [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
