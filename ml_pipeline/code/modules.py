"""First-party source files: what each module defines and imports, found without importing.

First-party is what the pipeline says (by default the top-level package or module of the stage,
wherever it is installed), and any other module that lies in no folder of installed packages. The
toolkit is nobody's, however it is installed, but for the modules of its own that a pipeline names.
"""

import ast
import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Final, TypeAlias

from ml_pipeline.code.normal import FUNCTIONS, IMPORTS, nodes_of, normal_statements

Steps: TypeAlias = tuple[str, ...]
"""A module, and the attributes to take from it one after the other."""

FirstParty: TypeAlias = tuple[str, ...]
"""Modules and packages that a pipeline says are its own."""

_IMPORTING: Final = ("import_module", "__import__")
TOOLKIT: Final = __name__.partition(".")[0]


class Source:
    """One module, as far as fingerprints need it.

    Attributes:
        module: its dotted name.
        is_package: whether it is the `__init__` of a package.
        text: its bytes.
        statements: what is executed when it is imported, in order and in normal form.
        definitions: the statements that bind each name, but for plain imports.
        imports: what each imported name may stand for; more than one where imports compete.
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
        self.statements = list(normal_statements(self.text, module))
        self._nodes: dict[ast.AST, list[ast.AST]] = {}
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, list[Steps]] = {}
        for statement in self.statements:
            if not isinstance(statement, FUNCTIONS):
                for name, steps in self.bound_by(statement):
                    self.imports.setdefault(name, []).append(steps)
            if not isinstance(statement, IMPORTS):
                for name in dict.fromkeys(self._names_bound(statement)):
                    self.definitions.setdefault(name, []).append(statement)

    def nodes(self, tree: ast.AST) -> list[ast.AST]:
        """Return the nodes of a tree, each after the one that it is in; walked once for all."""
        if tree not in self._nodes:
            self._nodes[tree] = nodes_of(tree)
        return self._nodes[tree]

    def bound_by(self, tree: ast.AST) -> Iterator[tuple[str, Steps]]:
        """Yield each name that the imports in a tree bind, and what it stands for."""
        for node in self.nodes(tree):
            if isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield from ((one.asname or one.name, (base, one.name)) for one in node.names)
            elif isinstance(node, ast.Import):
                for one in node.names:
                    steps = tuple(one.name.split("."))
                    yield (one.asname, steps) if one.asname else (steps[0], steps[:1])

    def called_for(self, node: ast.AST) -> str | None:
        """Return the module that a call such as ``import_module("a.b")`` imports, if it is one."""
        match node:
            case ast.Call(
                ast.Name(called) | ast.Attribute(_, called), [ast.Constant(str(name)), *_]
            ):
                if called in _IMPORTING:
                    level = len(name) - len(name.lstrip("."))
                    return self._base(ast.ImportFrom(name.lstrip("."), [], level))
        return None

    @cached_property
    def all_imports(self) -> frozenset[str]:
        """What imports anywhere in the module may execute; attributes may look like it."""
        found: set[str] = set()
        for statement in self.statements:
            for node in self.nodes(statement):
                if isinstance(node, ast.Import):
                    found.update(one.name for one in node.names)
                    found.update(one.name.partition(".")[0] for one in node.names)
                elif isinstance(node, ast.ImportFrom):
                    base = self._base(node)
                    found.add(base)
                    found.update(f"{base}.{one.name}" for one in node.names)
                elif (called_for := self.called_for(node)) is not None:
                    found.add(called_for)
        return frozenset(found)

    def libraries(self, first_party: FirstParty) -> frozenset[str]:
        """Return the top-level names of what the module imports that is not first-party."""
        tops = {name.partition(".")[0] for name in self.all_imports} - {""}
        return (
            frozenset(top for top in tops if not is_first_party(top, first_party))
            - sys.stdlib_module_names
        )

    def name_at(self, line: int) -> str | None:
        """Return a name that is bound by the statement at a line, if any is."""
        for name, statements in self.definitions.items():
            for one in statements:
                heads = [one, *getattr(one, "decorator_list", [])]
                if min(head.lineno for head in heads) <= line <= (one.end_lineno or 0):
                    return name
        return None

    def _base(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parents = self.module.split(".")
        kept = parents[: len(parents) - statement.level + self.is_package]
        return ".".join([*kept, *([statement.module] if statement.module else [])])

    def _names_bound(self, statement: ast.stmt) -> Iterator[str]:
        is_definition = isinstance(statement, (*FUNCTIONS, ast.ClassDef))
        for node in self.nodes(statement):
            if isinstance(node, ast.Global):
                yield from node.names
            elif is_definition and node is not statement:
                continue
            elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                yield node.name
            elif isinstance(node, IMPORTS):
                yield from (name for name, _ in self.bound_by(node))
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name is not None:
                yield node.name


@cache
def source_of(module: str, first_party: FirstParty) -> Source | None:
    """Return a module's source if it is first-party.

    Args:
        module: its dotted name.
        first_party: what the pipeline says is its own.
    """
    file = _file_of(module) if module and is_first_party(module, first_party) else None
    return Source(module, file) if file is not None else None


def sources_below(modules: Iterable[str], first_party: FirstParty) -> Iterator[Source]:
    """Yield first-party modules and all that they import, anywhere in them, as far as readable."""
    waiting = list(modules)
    seen = set(waiting)
    while waiting:
        module = waiting.pop()
        # Whoever imports a module executes the packages above it.
        found = {module.rpartition(".")[0]}
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            source = source_of(module, first_party)
            if source is not None:
                yield source
                found.update(source.all_imports)
        waiting += found - seen
        seen |= found


def own_package(module: str) -> FirstParty:
    """Return what is first-party where a pipeline does not say: the module's top-level package.

    The toolkit is nobody's.
    """
    top = module.partition(".")[0]
    return () if top == TOOLKIT else (top,)


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
