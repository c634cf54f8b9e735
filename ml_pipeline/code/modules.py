"""First-party source files: what each module defines, imports and does, found without importing."""

import ast
import builtins
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

LOOSE: Final = ""
"""Stands for the statements of a module that define no name by themselves."""

Steps: TypeAlias = tuple[str, ...]
"""A module, and the attributes to take from it one after the other."""

Registration: TypeAlias = tuple[ast.stmt, tuple[Steps, ...]]
"""A statement, and the names whose calls or bases may make it change what others defined."""

_TOOLKIT: Final = __name__.partition(".")[0]
_REFERENCE_PIPELINE: Final = (f"{_TOOLKIT}.pipeline", f"{_TOOLKIT}.defs")

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS: Final = (ast.stmt, ast.excepthandler, ast.match_case)
"""What statements are made of, besides expressions."""
_COMPOUND: Final = (
    ast.With,
    ast.AsyncWith,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Match,
    ast.TryStar,
)

_CALLING_BACK: Final = frozenset({"map", "filter"})
_BUILTINS: Final = frozenset(dir(builtins)) - {"setattr", "delattr", "exec", "eval", "__import__"}
_OF_IMMUTABLES: Final = frozenset(
    name
    for kind in (str, bytes, tuple, frozenset, MappingProxyType)
    for name in dir(kind)
    if not name.startswith("__")
)
_SUBCLASS_HOOKS: Final = frozenset({"__subclasses__", "__init_subclass__", "metaclass"})


class Source:
    """One module, as far as fingerprints need it.

    Attributes:
        module: its dotted name.
        definitions: the statements that bind each name.
        imports: what each imported name may stand for; more than one where imports compete.
        stars: modules whose names are all imported.
        loose: statements that may change what others defined.
        calling: statements that define names, but call what may change what others defined.
        derived: classes with bases, which may register themselves with these.
        watches_subclasses: whether the module asks classes for those derived from them.
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
        self.calling: list[Registration] = []
        self.derived: list[Registration] = []
        self.imported_modules: list[str] = []
        text = path.read_bytes()
        tree = ast.parse(text, filename=str(path))
        # Walking whole trees takes its time, and few modules have anything to be found.
        self._sets_globals = b"global" in text
        self.watches_subclasses = any(
            name.encode() in text for name in _SUBCLASS_HOOKS
        ) and _watches_subclasses(tree)
        for statement in self._flattened(tree.body):
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
            self._import(statement)
            return
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return
        for name in _names_bound(statement):
            self.definitions.setdefault(name, []).append(statement)
        if isinstance(statement, _COMPOUND):
            for imported in _imports_within(statement):
                self._import(imported)
        elif isinstance(statement, ast.ClassDef):
            for imported in _imports_within(statement):
                self.imported_modules.extend(self._executed_by(imported))
            makers = [one.value for one in statement.keywords if one.arg == "metaclass"]
            self.derived.append((statement, tuple(map(steps_of, [*statement.bases, *makers]))))
        if self._sets_globals:
            self._take_globals(statement)
        if self._has_effects(statement):
            self.loose.append(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            calls = tuple(steps_of(one) for one in _called_in(statement.value) if self.acts(one))
            if calls:
                self.calling.append((statement, calls))

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        for name, steps in self.bound_by(statement):
            self.imports.setdefault(name, []).append(steps)
        self.imported_modules.extend(self._executed_by(statement))
        if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
            self.stars.append(self._base(statement))

    @property
    def submodules(self) -> list[str]:
        """Modules below this one that it imports, and so has as attributes."""
        return [one for one in self.imported_modules if one.startswith(f"{self.module}.")]

    def _executed_by(self, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
        for _, steps in self.bound_by(statement):
            yield ".".join(steps)
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        else:
            yield self._base(statement)

    def _take_globals(self, statement: ast.stmt) -> None:
        """Let a statement define the names that functions in it declare as global."""
        nodes = list(ast.walk(statement))
        names = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
        for name in sorted(names):
            self.definitions.setdefault(name, []).append(statement)
        for node in nodes:
            if names and isinstance(node, ast.Import | ast.ImportFrom):
                for name, steps in self.bound_by(node):
                    if name in names:
                        self.imports.setdefault(name, []).append(steps)

    def _has_effects(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return any(self.registers(one) for one in statement.decorator_list)
        if isinstance(statement, ast.Assign):
            return any(_sets_parts(target) for target in statement.targets)
        if isinstance(statement, ast.AnnAssign):
            return not isinstance(statement.target, ast.Name)
        return not (
            isinstance(statement, ast.Pass)
            or (isinstance(statement, ast.Expr) and _is_call_for_stage(statement.value))
        )

    def registers(self, decorator: ast.expr) -> bool:
        """Whether a decorator may do more than wrap: those of the standard library do not."""
        if makes_a_stage(decorator):
            return False
        if not isinstance(decorator, ast.Call):
            return self.acts(decorator)
        steps = steps_of(decorator.func)
        if steps and steps[-1] == "partial" and decorator.args:
            return self.acts(decorator.args[0])
        return self.acts(decorator.func)

    def acts(self, called: ast.expr) -> bool:
        """Whether a call may change what others defined.

        What is built in, the standard library and the toolkit don't; nor do the methods that
        texts, tuples and mappings have.
        """
        name = _root_of(called)
        known = self.imports.get(name, ())
        if known:
            return not all(is_known(".".join(steps)) for steps in known)
        if isinstance(called, ast.Attribute) and called.attr in _OF_IMMUTABLES:
            return False
        return name in self.definitions or name not in _BUILTINS

    def holds_values(self, name: str) -> bool:
        """Whether a name stands for a class of which objects are made without any own code."""
        return all(
            isinstance(statement, ast.ClassDef)
            and not statement.keywords
            and not any(self.acts(base) for base in statement.bases)
            and not any(self.registers(one) for one in statement.decorator_list)
            and not any(
                isinstance(part, FUNCTIONS)
                and part.name in ("__init__", "__new__", "__post_init__")
                for part in statement.body
            )
            for statement in self.definitions.get(name, [])
        )

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


def _is_own_metaclass(keyword: ast.keyword) -> bool:
    known = (("ABCMeta",), ("EnumMeta",), ("EnumType",))
    return keyword.arg == "metaclass" and steps_of(keyword.value)[-1:] not in known


def steps_of(node: ast.expr) -> Steps:
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


def makes_a_stage(decorator: ast.expr) -> bool:
    """Whether a decorator is a pipeline's own."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr == "asset"


def _is_call_for_stage(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and makes_a_stage(node.func)


def _root_of(called: ast.expr) -> str:
    """Return the name at which an expression like ``Path("a").parent.joinpath`` starts."""
    node = called
    while isinstance(node, ast.Attribute):
        node = node.value
        if isinstance(node, ast.Call):
            node = node.func
    return node.id if isinstance(node, ast.Name) else ""


def is_known(name: str) -> bool:
    """Whether a dotted name is one of the standard library's or the toolkit's."""
    top = name.partition(".")[0]
    if top == _TOOLKIT:
        return not name.startswith(_REFERENCE_PIPELINE)
    return top in sys.stdlib_module_names


def _called_in(value: ast.expr) -> Iterator[ast.expr]:
    """Yield what is called when an expression is evaluated, which lambdas' bodies are not."""
    waiting: list[ast.AST] = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda) or _is_call_for_stage(node):
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


def _imports_within(statement: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports in a statement that are executed with it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, FUNCTIONS):
            waiting.extend(part for part in ast.iter_child_nodes(node) if isinstance(part, BLOCKS))


def _watches_subclasses(tree: ast.Module) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr in _SUBCLASS_HOOKS)
        or (isinstance(node, ast.FunctionDef) and node.name in _SUBCLASS_HOOKS)
        or (isinstance(node, ast.keyword) and _is_own_metaclass(node))
        for node in ast.walk(tree)
    )


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
    file = None if is_foreign(module, root) else _file_of(module)
    return Source(module, file) if file is not None else None


@cache
def is_foreign(module: str, root: str) -> bool:
    """Whether a module is somebody else's: of the standard library, installed, or the toolkit's.

    Args:
        module: its dotted name.
        root: top-level package of the stage.
    """
    top = module.partition(".")[0]
    if top in (_TOOLKIT, root):
        return top == _TOOLKIT and is_known(module)
    file = _file_of(module)
    return is_known(module) if file is None else _is_installed(file)


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
