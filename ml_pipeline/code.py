"""Fingerprints of code: a function and every first-party definition that it reaches.

What counts is the syntax tree without comments, docstrings and layout, so only a change that could
change a result gives a new fingerprint. Reach is by name: a definition reaches the module-level
definitions whose names its body uses, through imports and through attributes of imported modules.
Fields of parameter groups don't count, since their values are part of identity; annotations don't
count, since nothing is computed with them.
"""

import ast
import copy
import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.identity import ID_DIGITS

_TOOLKIT: Final = __package__
_REFERENCE_PIPELINE: Final = (f"{_TOOLKIT}.pipeline", f"{_TOOLKIT}.defs")


def fingerprint_of(function: Callable[..., Any]) -> str:
    """Return the fingerprint of a function and what it reaches: 16 hexadecimal digits.

    Raises:
        PipelineError: if the function's source cannot be found, as in an interactive session.
    """
    module, name = function.__module__, function.__qualname__
    root = module.partition(".")[0]
    source = _source(module, root)
    if source is None or name not in source.definitions:
        lines = _interactive_source(function)
        return _hash([ast.dump(_stripped(statement)) for statement in ast.parse(lines).body])
    reached: dict[tuple[str, str], str] = {}
    waiting = [(module, name)]
    while waiting:
        key = waiting.pop()
        if key in reached:
            continue
        definition = _definition(*key, root, is_stage=key == (module, name))
        reached[key] = definition.tree
        waiting.extend(definition.reaches)
    return _hash([f"{where}.{what}:{tree}" for (where, what), tree in sorted(reached.items())])


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_DIGITS]


class _Source:
    """Module-level definitions and imports of one module.

    Attributes:
        definitions: statements by the name that they define.
        imports: ``(module, attribute or None)`` by the name that an import binds.
    """

    def __init__(self, module: str, path: Path) -> None:
        self.module = module
        self.is_package = path.name == "__init__.py"
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, tuple[str, str | None]] = {}
        for statement in _top_level(ast.parse(path.read_bytes(), filename=str(path)).body):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imports.update(self.bound_by(statement))
            else:
                for name in _names_defined(statement):
                    self.definitions.setdefault(name, []).append(statement)

    def bound_by(self, statement: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str | None]]:
        """Return what an import statement binds, by name."""
        if isinstance(statement, ast.Import):
            return {
                alias.asname or alias.name.partition(".")[0]: (
                    alias.name if alias.asname else alias.name.partition(".")[0],
                    None,
                )
                for alias in statement.names
            }
        base = statement.module or ""
        if statement.level:
            parents = self.module.split(".")
            keep = len(parents) - statement.level + self.is_package
            base = ".".join([*parents[:keep], *([base] if base else [])])
        return {alias.asname or alias.name: (base, alias.name) for alias in statement.names}


class _Definition:
    """The stripped tree of a name's definition, and the first-party names that it reaches."""

    def __init__(self, tree: str, reaches: list[tuple[str, str]]) -> None:
        self.tree = tree
        self.reaches = reaches


@cache
def _source(module: str, root: str) -> _Source | None:
    """Return a module's source if it is first-party: of the stage's package, or not installed."""
    file = _file_of(module)
    if file is None:
        return None
    if module == _TOOLKIT or module.startswith(f"{_TOOLKIT}."):
        first_party = module.startswith(_REFERENCE_PIPELINE)
    else:
        first_party = module.partition(".")[0] == root or not _is_installed(file)
    return _Source(module, file) if first_party else None


def _file_of(module: str) -> Path | None:
    """Find a module's file without importing anything, not even the packages above it."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        return Path(loaded) if loaded.endswith(".py") else None
    top, *below = module.split(".")
    for place in _places_of(top):
        path = place.joinpath(*below)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


@cache
def _places_of(top: str) -> tuple[Path, ...]:
    if top in sys.stdlib_module_names:
        return ()
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations is not None:
        return tuple(Path(place) for place in spec.submodule_search_locations)
    return (Path(spec.origin).with_suffix(""),) if spec.origin else ()


def _is_installed(file: Path) -> bool:
    return bool({"site-packages", "dist-packages"} & set(file.parts)) or file.is_relative_to(
        Path(os.__file__).parent
    )


@cache
def _definition(module: str, name: str, root: str, is_stage: bool) -> _Definition:
    source = _source(module, root)
    if source is None:
        return _Definition("", [])
    if name not in source.definitions:
        return _Definition("", list(_targets(source, root, source.imports, name, ())))
    trees: list[str] = []
    reaches: list[tuple[str, str]] = []
    for statement in source.definitions[name]:
        stripped = _stripped(statement, without_decorators=is_stage)
        trees.append(ast.dump(stripped))
        bound = dict(source.imports)
        for node in ast.walk(stripped):
            if isinstance(node, ast.Import | ast.ImportFrom):
                bound.update(source.bound_by(node))
        for used, attributes in _names_used(stripped):
            if used != name:
                reaches.extend(_targets(source, root, bound, used, attributes))
    return _Definition("\n".join(trees), reaches)


def _targets(
    source: _Source,
    root: str,
    bound: dict[str, tuple[str, str | None]],
    name: str,
    attributes: tuple[str, ...],
) -> Iterator[tuple[str, str]]:
    """Yield the first-party definitions that a name, with the attributes after it, stands for."""
    if name in bound:
        module, attribute = bound[name]
        path = ((attribute,) if attribute is not None else ()) + attributes
        for step in path:
            here = _source(module, root)
            if here is not None and (step in here.definitions or step in here.imports):
                yield module, step
                return
            module = f"{module}.{step}"
    elif name in source.definitions:
        yield source.module, name


def _top_level(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield module-level statements, those inside `if`, `try` and `with` included."""
    for statement in statements:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            yield from _top_level(statement.orelse)
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            for block in ("body", "handlers", "orelse", "finalbody"):
                for inner in getattr(statement, block, []):
                    yield from _top_level(
                        inner.body if isinstance(inner, ast.ExceptHandler) else [inner]
                    )
        else:
            yield statement


def _names_defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name):
                    yield node.id


def _names_used(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every name that is read, with the chain of attributes after it."""
    for node in ast.walk(tree):
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id, tuple(reversed(attributes))


def _stripped(statement: ast.stmt, without_decorators: bool = False) -> ast.stmt:
    copied: ast.stmt = _Strip().visit(copy.deepcopy(statement))
    if without_decorators and isinstance(copied, ast.FunctionDef | ast.AsyncFunctionDef):
        copied.decorator_list = []
    return copied


class _Strip(ast.NodeTransformer):
    """Remove what cannot change a result."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if any("ParamGroup" in ast.dump(base) for base in node.bases):
            node.body = [part for part in node.body if isinstance(part, ast.FunctionDef)]
        return self._without_docstring(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if node.value is None:
            return node
        return ast.Assign(targets=[node.target], value=node.value, lineno=0)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def _without_docstring(self, node: Any) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        if not node.body:
            node.body = [ast.Pass()]
        if hasattr(node, "returns"):
            node.returns = None
        self.generic_visit(node)
        return node  # type: ignore[no-any-return]


def _interactive_source(function: Callable[..., Any]) -> str:
    try:
        return inspect.cleandoc(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise PipelineError(
            f"The code of '{function.__qualname__}' must be readable to tell when it changes, but"
            " its source cannot be found. Put it in a file, or declare a code_version."
        ) from error
