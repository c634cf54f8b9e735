"""First-party source files: what each module defines and imports, found without importing.

First-party is what the pipeline says (by default the top-level package or module of the stage,
wherever it is installed), and any other module that lies in no folder of installed packages. The
toolkit is nobody's, however it is installed, but for the modules of its own that a pipeline names.
"""

import ast
import contextlib
import importlib.util
import os
import symtable
import sys
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Final, TypeAlias

Steps: TypeAlias = tuple[str, ...]
"""A module, and the attributes to take from it one after the other."""

FirstParty: TypeAlias = tuple[str, ...]
"""Modules and packages that a pipeline says are its own."""

TOOLKIT: Final = __name__.partition(".")[0]

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS: Final = (ast.stmt, ast.excepthandler, ast.match_case)
"""What statements are made of, besides expressions."""


class Source:
    """One module, as far as fingerprints need it.

    Attributes:
        module: its dotted name.
        is_package: whether it is the `__init__` of a package.
        text: its bytes.
        statements: what is executed when it is imported, in order; a docstring is left out.
        definitions: the statements that bind each name.
        imports: what each imported name may stand for; more than one where imports compete.
        executed: modules that may be executed when this one is.
    """

    def __init__(self, module: str, path: Path) -> None:
        """Read a module.

        Args:
            module: its dotted name.
            path: its file.
        """
        self.module = module
        self.is_package = path.name == "__init__.py"
        self.text = path.read_bytes()
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, list[Steps]] = {}
        # Whoever imports a module executes the packages above it.
        self.executed: list[str] = [module.rpartition(".")[0]]
        self._path = path
        self.statements = list(self._executed(ast.parse(self.text, filename=str(path)).body))
        for statement in self.statements:
            self._take(statement)

    def bound_by(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Steps]]:
        """Yield each name that an import binds, and what it stands for."""
        for alias in statement.names:
            if isinstance(statement, ast.ImportFrom):
                yield alias.asname or alias.name, (self._base(statement), alias.name)
            elif alias.asname:
                yield alias.asname, tuple(alias.name.split("."))
            else:
                top = alias.name.partition(".")[0]
                yield top, (top,)

    def _base(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parents = self.module.split(".")
        kept = parents[: len(parents) - statement.level + self.is_package]
        return ".".join([*kept, *([statement.module] if statement.module else [])])

    def modules_of(self, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
        """Yield what an import may execute; attributes may look like modules."""
        if isinstance(statement, ast.ImportFrom):
            yield self._base(statement)
            yield from (".".join(steps) for _, steps in self.bound_by(statement))
        else:
            yield from (alias.name for alias in statement.names)

    def all_imports(self) -> Iterator[str]:
        """Yield what the module imports anywhere, within functions as well."""
        for statement in self.statements:
            for found in imports_in(statement, within_functions=True):
                yield from self.modules_of(found)

    def libraries(self, first_party: FirstParty) -> frozenset[str]:
        """Return the top-level names of what the module imports that is not first-party."""
        return (
            frozenset(
                name.partition(".")[0]
                for name in self.all_imports()
                if name and not is_first_party(name.partition(".")[0], first_party)
            )
            - sys.stdlib_module_names
        )

    def name_at(self, line: int) -> str | None:
        """Return a name that is bound by the statement at a line, if any is."""
        for name, statements in self.definitions.items():
            if any(first <= line <= last for first, last in map(lines_of, statements)):
                return name
        return None

    def names_read(self, first: int, last: int) -> frozenset[str]:
        """Return the names of the module that functions and classes within some lines read."""
        return frozenset(
            name for line, names in self._tables if first <= line <= last for name in names
        )

    @cached_property
    def _tables(self) -> list[tuple[int, frozenset[str]]]:
        """The names of the module that each function and class reads, by its line.

        The compiler's own tables tell a local name from a name of the module.
        """
        top = symtable.symtable(self.text.decode(), str(self._path), "exec")
        found = []
        waiting = top.get_children()
        while waiting:
            table = waiting.pop()
            waiting += table.get_children()
            # A class may read a name of the module before it binds its own.
            in_class = table.get_type() == "class"
            names = (one.get_name() for one in table.get_symbols() if in_class or one.is_global())
            found.append((table.get_lineno(), frozenset(names)))
        return found

    def _executed(self, body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
        """Leave out docstrings, and what is executed for type checkers or scripts only."""
        for statement in body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue
            if isinstance(statement, ast.If) and self._is_never_true(statement.test):
                yield from self._executed(statement.orelse)
            else:
                yield statement

    def _is_never_true(self, test: ast.expr) -> bool:
        if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name):
            return test.left.id == "__name__" and self.module != "__main__"
        return steps_of(test)[-1:] == ("TYPE_CHECKING",)

    def _take(self, statement: ast.stmt) -> None:
        for found in imports_in(statement):
            self.executed.extend(self.modules_of(found))
            for name, steps in self.bound_by(found):
                self.imports.setdefault(name, []).append(steps)
                if found is not statement:
                    # Whether it is executed depends on the statement around it.
                    self._define(statement, [name])
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            self._define(statement, _names_bound(statement))
            if b"global" in self.text:
                nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Global)]
                self._define(statement, (name for node in nodes for name in node.names))

    def _define(self, statement: ast.stmt, names: Iterable[str]) -> None:
        for name in names:
            statements = self.definitions.setdefault(name, [])
            if statement not in statements:
                statements.append(statement)


def lines_of(node: ast.AST) -> tuple[int, int]:
    """Return the first and last line of a statement, its decorators included."""
    lines = [one.lineno for one in ast.walk(node) if isinstance(one, ast.stmt | ast.expr)]
    return min(lines), max(lines)


def imports_in(
    tree: ast.AST, within_functions: bool = False
) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports in a tree: those executed with it, or those within functions as well."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif within_functions or not isinstance(node, FUNCTIONS):
            # There are no imports within expressions.
            waiting += [part for part in ast.iter_child_nodes(node) if isinstance(part, _BLOCKS)]


def steps_of(node: ast.AST) -> Steps:
    """Return a name and the attributes after it, or nothing for any other expression.

    Of a generic class with its parameters, it is the class that counts.
    """
    attributes: list[str] = []
    if isinstance(node, ast.Subscript):
        node = node.value
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else ()


def makes_a_stage(node: ast.AST) -> bool:
    """Whether a decorator, or a call of it, is a pipeline's own."""
    called = node.func if isinstance(node, ast.Call) else node
    return isinstance(called, ast.Attribute) and called.attr == "asset"


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.MatchAs | ast.MatchStar):
            if node.name is not None:
                yield node.name
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name


@cache
def source_of(module: str, first_party: FirstParty) -> Source | None:
    """Return a module's source if it is first-party.

    Args:
        module: its dotted name.
        first_party: what the pipeline says is its own.
    """
    file = _file_of(module) if is_first_party(module, first_party) else None
    return Source(module, file) if file is not None else None


def sources_below(modules: Iterable[str], first_party: FirstParty) -> Iterator[Source]:
    """Yield first-party modules and all that they import, anywhere in them, as far as readable."""
    waiting = list(modules)
    seen = set(waiting)
    while waiting:
        source = None
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            source = source_of(waiting.pop(), first_party)
        if source is not None:
            yield source
            found = set(source.all_imports()) - seen
            seen |= found
            waiting += found


@cache
def is_first_party(module: str, first_party: FirstParty) -> bool:
    """Whether a module is of the pipeline's own code.

    Args:
        module: its dotted name.
        first_party: what the pipeline says is its own.
    """
    if any(f"{module}.".startswith(f"{own}.") for own in first_party):
        return True
    top = module.partition(".")[0]
    if top == TOOLKIT or top in sys.stdlib_module_names:
        return False
    file = _file_of(module)
    return file is None or not _is_installed(file)


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
