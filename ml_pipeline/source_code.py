"""First-party source files: what each module defines, imports and does, found without importing."""

import ast
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

LOOSE: Final = ""
"""Stands for the statements of a module that define no name by themselves."""

Steps: TypeAlias = tuple[str, ...]
"""A module, and the attributes to take from it one after the other."""

_TOOLKIT: Final = __package__
_REFERENCE_PIPELINE: Final = (f"{_TOOLKIT}.pipeline", f"{_TOOLKIT}.defs")


class Source:
    """One module, as far as fingerprints need it.

    Attributes:
        module: its dotted name.
        definitions: the statements that bind each name.
        imports: what each imported name may stand for; more than one where imports compete.
        stars: modules whose names are all imported.
        loose: statements that may change what others defined.
        imported_modules: modules that are executed when this one is imported.
    """

    def __init__(self, module: str, path: Path) -> None:
        """Read a module.

        Args:
            module: its dotted name.
            path: its file.
        """
        self.module = module
        self.is_package = path.name == "__init__.py"
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, list[Steps]] = {}
        self.stars: list[str] = []
        self.loose: list[ast.stmt] = []
        self.imported_modules: list[str] = []
        body = ast.parse(path.read_bytes(), filename=str(path)).body
        for statement in self._flattened(body):
            self._take(statement)

    def bound_by(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Steps]]:
        """Yield each name that an import binds, and what it stands for."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if alias.asname is not None:
                    yield alias.asname, (alias.name,)
                else:
                    top = alias.name.partition(".")[0]
                    yield top, (top,)
            return
        for alias in statement.names:
            if alias.name != "*":
                yield alias.asname or alias.name, (self._base(statement), alias.name)

    def _base(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parents = self.module.split(".")
        kept = parents[: len(parents) - statement.level + self.is_package]
        return ".".join([*kept, *([statement.module] if statement.module else [])])

    def _take(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, steps in self.bound_by(statement):
                self.imports.setdefault(name, []).append(steps)
                self.imported_modules.append(".".join(steps))
            if isinstance(statement, ast.Import):
                self.imported_modules.extend(alias.name for alias in statement.names)
            else:
                self.imported_modules.append(self._base(statement))
                if any(alias.name == "*" for alias in statement.names):
                    self.stars.append(self._base(statement))
            return
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return
        for name in _names_bound(statement):
            self.definitions.setdefault(name, []).append(statement)
        if self._has_effects(statement):
            self.loose.append(statement)

    def _has_effects(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return any(self._registers(one) for one in statement.decorator_list)
        if isinstance(statement, ast.Assign):
            return not all(isinstance(target, ast.Name | ast.Tuple) for target in statement.targets)
        if isinstance(statement, ast.AnnAssign):
            return not isinstance(statement.target, ast.Name)
        return not isinstance(statement, ast.Pass)

    def _registers(self, decorator: ast.expr) -> bool:
        """Whether a decorator may do more than wrap: those of the standard library do not."""
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Attribute) and called.attr == "asset":
            return False
        while isinstance(called, ast.Attribute):
            called = called.value
        name = called.id if isinstance(called, ast.Name) else ""
        known = self.imports.get(name, ())
        return not (known and all(s[0].partition(".")[0] in sys.stdlib_module_names for s in known))

    def _flattened(self, statements: list[ast.stmt]) -> Iterator[ast.stmt]:
        """Yield module-level statements, those in branches included, conditions as loose ones."""
        for statement in statements:
            if isinstance(statement, ast.If):
                if not _is_for_type_checkers(statement.test):
                    yield ast.Expr(statement.test)
                    yield from self._flattened(statement.body)
                yield from self._flattened(statement.orelse)
            elif isinstance(statement, ast.Try):
                for block in (statement.body, statement.orelse, statement.finalbody):
                    yield from self._flattened(block)
                for handler in statement.handlers:
                    yield from self._flattened(handler.body)
            else:
                yield statement


def _is_for_type_checkers(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.MatchAs | ast.MatchStar):
            if node.name is not None:
                yield node.name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


@cache
def source_of(module: str, root: str) -> Source | None:
    """Return a module's source if it is first-party.

    Args:
        module: its dotted name.
        root: top-level package of the stage; it is first-party wherever it is installed.
    """
    if module == _TOOLKIT or module.startswith(f"{_TOOLKIT}."):
        if not module.startswith(_REFERENCE_PIPELINE):
            return None
        file = _file_of(module)
        return Source(module, file) if file is not None else None
    file = _file_of(module)
    if file is None or (module.partition(".")[0] != root and _is_installed(file)):
        return None
    return Source(module, file)


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
    if not top or top in sys.stdlib_module_names:
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
