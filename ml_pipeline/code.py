"""Fingerprints of code: a function and every first-party definition that it can reach.

What counts is the syntax tree without comments, docstrings and layout, so only a change that could
change a result gives a new fingerprint. Reach is by name: a definition reaches what its names stand
for, through imports, re-exports and attributes of modules; a module that is used as a value is
reached whole. With any of its definitions a module's loose statements count as well (calls, loops,
registrations), because they may have changed what the definition sees.

Fields and validators of parameter groups don't count: their values are part of identity. Neither do
annotations of arguments and variables, since nothing is computed with them.
"""

import ast
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import FunctionType
from typing import Any, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.identity import ID_DIGITS
from ml_pipeline.params import ParamGroup
from ml_pipeline.source_code import LOOSE, Source, Steps, source_of

WHOLE: Final = "*"

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS: Final = (ast.stmt, ast.excepthandler, ast.match_case)


def fingerprint_of(function: Callable[..., Any]) -> str:
    """Return the fingerprint of a function and what it reaches: 16 hexadecimal digits.

    Args:
        function: a stage, or any other function.

    Raises:
        PipelineError: if the function's source cannot be found, as in an interactive session.
    """
    root = function.__module__.partition(".")[0]
    trees: dict[tuple[str, str], str] = {}
    waiting: list[tuple[str, str]] = []
    for part in _functions(function):
        module, name = part.__module__, part.__qualname__
        source = source_of(module, root)
        if source is not None and name in source.definitions:
            waiting.append((module, name))
        else:
            tree = _tree_of(part)
            if source is not None:
                waiting.extend(_groups_taken(tree, source, root))
            tree = _Strip().visit(tree)
            trees[module, f"{name}:{len(trees)}"] = ast.dump(tree)
            if source is not None:
                waiting.extend(_reached(tree, source, root))
    while waiting:
        key = waiting.pop()
        if key not in trees:
            trees[key], reached = _definition(*key, root)
            waiting.extend(reached)
    parts = [f"{module}.{name}:{tree}" for (module, name), tree in sorted(trees.items()) if tree]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_DIGITS]


def _functions(function: Callable[..., Any]) -> Iterator[FunctionType]:
    """Yield a function and those that it closes over, as one that a decorator made does."""
    seen: set[int] = set()
    waiting: list[Any] = [inspect.unwrap(function), function]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or not isinstance(part, FunctionType):
            continue
        seen.add(id(part))
        yield part
        waiting.extend(cell.cell_contents for cell in part.__closure__ or () if _is_filled(cell))
    if not seen:
        raise PipelineError(
            f"A stage must be a plain function, but {function!r} is a {type(function).__name__}."
            " Write a function, or declare a code_version."
        )


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _tree_of(function: FunctionType) -> ast.Module:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise PipelineError(
            f"The code of '{function.__qualname__}' must be readable to tell when it changes, but"
            " its source cannot be found. Put it in a file, or declare a code_version."
        ) from error


@cache
def _definition(module: str, name: str, root: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the stripped tree of a definition, and what it reaches."""
    source = source_of(module, root)
    if source is None:
        return "", ()
    reached: list[tuple[str, str]] = [(module, LOOSE)]
    if name == WHOLE:
        reached += [(module, defined) for defined in source.definitions]
        return "", tuple(reached)
    if name == LOOSE:
        statements = source.loose
        reached += [(imported, LOOSE) for imported in source.imported_modules]
    else:
        statements = source.definitions.get(name, [])
    trees = []
    for statement in statements:
        reached.extend(_groups_taken(statement, source, root))
        stripped = _Strip(_is_group(module, name)).once(statement)
        trees.append(ast.dump(stripped))
        reached.extend(_reached(stripped, source, root))
    return "\n".join(trees), tuple(dict.fromkeys(reached))


def _is_group(module: str, name: str) -> bool:
    defined = getattr(sys.modules.get(module), name, None)
    return isinstance(defined, type) and issubclass(defined, ParamGroup)


def _groups_taken(tree: ast.AST, source: Source, root: str) -> Iterator[tuple[str, str]]:
    """Yield the parameter groups that arguments are annotated with: their methods count."""
    for annotation in _annotations(tree):
        used = _GlobalNames()
        used.visit(annotation)
        for name, attributes in used.found:
            for found in _resolved(source.module, (name, *attributes), root):
                if _is_group(*found):
                    yield found


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield what arguments are annotated with, in functions within functions as well."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _FUNCTIONS):
            yield from (
                argument.annotation
                for argument in _arguments(node.args)
                if argument.annotation is not None
            )
        # Lambdas have no annotations, so there are none within expressions.
        waiting.extend(part for part in ast.iter_child_nodes(node) if isinstance(part, _BLOCKS))


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return found + [one for one in (arguments.vararg, arguments.kwarg) if one is not None]


def _reached(tree: ast.AST, source: Source, root: str) -> Iterator[tuple[str, str]]:
    """Yield the first-party definitions that the names in a tree stand for."""
    used = _GlobalNames()
    used.visit(tree)
    local: dict[str, list[Steps]] = {}
    for statement in used.imports:
        for name, steps in source.bound_by(statement):
            local.setdefault(name, []).append(steps)
    for name, attributes in used.found:
        for imported in local.get(name, ()):
            yield from _resolved(imported[0], (*imported[1:], *attributes), root)
        yield from _resolved(source.module, (name, *attributes), root)


def _resolved(
    module: str,
    steps: tuple[str, ...],
    root: str,
    seen: frozenset[tuple[str, tuple[str, ...]]] = frozenset(),
) -> Iterator[tuple[str, str]]:
    """Yield the definitions that attributes, taken one after the other from a module, stand for."""
    source = source_of(module, root)
    key = (module, steps)
    if key in seen:
        return
    seen |= {key}
    if not steps:
        if source is not None:
            yield module, WHOLE
        return
    first, rest = steps[0], steps[1:]
    if source is not None:
        if first in source.definitions:
            yield module, first
        for target, *inner in source.imports.get(first, ()):
            yield from _resolved(target, (*inner, *rest), root, seen)
        if first not in source.definitions and first not in source.imports:
            for star in source.stars:
                yield from _resolved(star, steps, root, seen)
    below = f"{module}.{first}"
    if (source is None or source.is_package) and source_of(below, root) is not None:
        yield from _resolved(below, rest, root, seen)


class _GlobalNames(ast.NodeVisitor):
    """Collects names that a function does not bind itself: an argument is no module's name.

    Attributes:
        found: every global name that is read, with the chain of attributes after it.
        imports: every import, wherever it stands.
    """

    def __init__(self) -> None:
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.local: frozenset[str] = frozenset()

    def visit_Name(self, node: ast.Name) -> None:
        self._chain(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._chain(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.imports.append(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imports.append(node)

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
            self.found.append((node.id, tuple(reversed(attributes))))

    def _function(self, node: Any, body: Iterable[ast.AST]) -> None:
        self._all(getattr(node, "decorator_list", ()))
        self._all(node.args.defaults)
        self._all(default for default in node.args.kw_defaults if default is not None)
        body = list(body)
        self._within({one.arg for one in _arguments(node.args)} | _bound_within(body), body)

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
    *_FUNCTIONS,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


_NAMING: Final = (
    *_FUNCTIONS,
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


class _Strip(ast.NodeTransformer):
    """Remove what cannot change a result."""

    def __init__(self, of_group: bool = False) -> None:
        self.of_group = of_group

    def once(self, statement: Any) -> ast.AST:
        """Strip a statement in place, unless that was done under another of its names."""
        if not hasattr(statement, "stripped"):
            statement.stripped = self.visit(statement) or ast.Pass()
        return statement.stripped  # type: ignore[no-any-return]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._bare(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._bare(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        # The annotations of a class's own variables make data classes and models what they are.
        kept = [part for part in node.body if not (self.of_group and _is_of_identity(part))]
        fields = [part for part in kept if isinstance(part, ast.AnnAssign)]
        node.body = [part for part in kept if not isinstance(part, ast.AnnAssign)]
        self._bare(node)
        node.body = [*fields, *node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value, lineno=0)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def _bare(self, node: Any) -> ast.AST:
        node.decorator_list = [one for one in node.decorator_list if not _makes_a_stage(one)]
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        if hasattr(node, "returns"):
            node.returns = None
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node  # type: ignore[no-any-return]


def _is_of_identity(part: ast.stmt) -> bool:
    """Whether a part of a group's class only shapes values, which identity has."""
    if isinstance(part, ast.FunctionDef):
        return part.name == "resolved" or any(
            "validator" in ast.dump(decorator) for decorator in part.decorator_list
        )
    return isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.dump(part.annotation)


def _makes_a_stage(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr == "asset"
