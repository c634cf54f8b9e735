"""Fingerprints of code: a function and every first-party definition that it can reach.

What counts is the syntax tree without comments, docstrings and layout, so only a change that could
change a result gives a new fingerprint. Reach is by name: a definition reaches what its names stand
for, through imports, re-exports and attributes of modules; a module that is used as a value is
reached whole, with all that it imports. With any of its definitions a module's loose statements
count as well (calls, loops, registrations), because they may have changed what the definition sees.
Calls of what is built in, of the standard library and of this toolkit are no registrations. A class
that is derived from a first-party one is, where any module that counts asks for subclasses.

A function that was made by another counts with what it closes over, its defaults and the arguments
bound by `functools.partial`. Numbers, texts, dates, enumerations, paths, buffers and collections of
these count by value, in sets without order; functions, modules and classes by what they reach; any
other object by its class and its attributes, or where it shows none, as many of the standard
library's, by its class and the function that closed over it. What is never the same in two
processes (a time, a temporary path) makes a fingerprint that is never found again: declare a
code_version then.

Fields and validators of parameter groups don't count: their values are part of identity. Neither do
annotations of arguments and variables, since nothing is computed with them, unless a decorator may
read them.

What is not seen, so that a code_version must tell it: modules imported and code run by computed
text (`importlib.import_module`, `exec`, entry points); values that a running program gives to the
globals of another module or to attributes of classes and modules; calls in class bodies and in
defaults of arguments that register something elsewhere; what libraries do with subclasses of their
classes; the content of an object without attributes that a factory was given; two imports that
swap their names (``a as b, b as a``), or definitions that move in or out of a module's ``if`` or
``try``, where all that is reached stays the same; files; and what is installed, in whichever
version.
"""

import ast
import hashlib
import inspect
import re
import sys
import textwrap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache, partial
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, Final, TypeAlias

from ml_pipeline.errors import PipelineError
from ml_pipeline.identity import ID_DIGITS
from ml_pipeline.params import ParamGroup
from ml_pipeline.source_code import (
    LOOSE,
    Source,
    Steps,
    is_foreign,
    is_known,
    makes_a_stage,
    source_of,
)

WHOLE: Final = "*"
DERIVED: Final = "<"
"""Stands for the classes of a module that may register themselves with first-party ones."""

Definition: TypeAlias = tuple[str, str]
"""A module, and a name that it defines."""

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS: Final = (ast.stmt, ast.excepthandler, ast.match_case)


def fingerprint_of(function: Callable[..., Any]) -> str:
    """Return the fingerprint of a function and what it reaches: 16 hexadecimal digits.

    Args:
        function: a stage, or any other function.

    Raises:
        PipelineError: if the function's source cannot be found, as in an interactive session.
    """
    innermost = _innermost(function)
    if not isinstance(innermost, FunctionType):
        raise PipelineError(
            f"A stage must be a plain function, but {function!r} is a {type(function).__name__}."
            " Write a function, or declare a code_version."
        )
    held = _Held(innermost.__module__.partition(".")[0])
    texts = [held.text_of(function), held.text_of(inspect.unwrap(function))]
    trees = _trees_reached(held.reached, held.root)
    names = {f"{module}.{name}" for module, name in trees}
    parts = [f"{module}.{name}:{tree}" for (module, name), tree in sorted(trees.items()) if tree]
    # Of a function that a module defines, there is no more to tell than its tree.
    parts += [text for text in texts if text not in names]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_DIGITS]


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what remains of a function without its wrappers and its bound arguments."""
    inner = inspect.unwrap(function)
    return _innermost(inner.func) if isinstance(inner, partial) else inner


def _trees_reached(waiting: list[Definition], root: str) -> dict[Definition, str]:
    trees: dict[Definition, str] = {}
    watched = False
    while waiting:
        key = waiting.pop()
        if key not in trees:
            trees[key], reached = _definition(*key, root)
            waiting.extend(reached)
            if key[1] == LOOSE and not watched:
                source = source_of(key[0], root)
                watched = source is not None and source.watches_subclasses
        if not waiting and watched:
            loose = [module for module, name in trees if name == LOOSE]
            waiting = [(one, DERIVED) for one in loose if (one, DERIVED) not in trees]
    return trees


def _tree_of(function: FunctionType) -> ast.Module:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise PipelineError(
            f"The code of '{function.__qualname__}' must be readable to tell when it changes, but"
            " its source cannot be found. Put it in a file, or declare a code_version."
        ) from error


class _Held:
    """Describes what functions hold that their text does not tell, such as closures.

    Attributes:
        root: top-level package of the stage.
        reached: the definitions that count for what was described.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.reached: list[Definition] = []
        self._opaque = False
        self._depth = 0
        # The values are kept, so that no other gets the same id.
        self._known: dict[int, tuple[str, bool, Any]] = {}

    def text_of(self, value: Any) -> str:
        """Return what a value is, the same in every process."""
        kind = type(value)
        for plain in _PLAIN:
            if issubclass(kind, plain) and not issubclass(kind, Enum):
                return str(plain.__repr__(value))
        if id(value) not in self._known:
            outer, self._opaque = self._opaque, False
            self._depth += 1
            # What refers to itself is told by its place.
            self._known[id(value)] = f"#{self._depth}", False, value
            self._known[id(value)] = self._described(value, kind), self._opaque, value
            self._depth -= 1
            self._opaque = outer
        text, opaque, _ = self._known[id(value)]
        self._opaque |= opaque
        return text

    def _described(self, value: Any, kind: type) -> str:
        if issubclass(kind, FunctionType):
            return self._function(value)
        if issubclass(kind, type):
            return self._class(value)
        if issubclass(kind, ModuleType):
            self.reached.extend(_resolved(value.__name__, (), self.root))
            return str(value.__name__)
        if issubclass(kind, MethodType):
            return f"{self.text_of(value.__func__)} of {self.text_of(value.__self__)}"
        if issubclass(kind, partial):
            given = [value.func, value.args, dict(sorted(value.keywords.items()))]
            return f"partial{self._all(given)}"
        if issubclass(kind, BuiltinFunctionType) and isinstance(value.__self__, ModuleType):
            return f"{value.__module__}.{value.__qualname__}"
        own = self._class(kind)
        if issubclass(kind, re.Pattern):
            return f"{own}{(value.pattern, value.flags)}"
        if issubclass(kind, Enum):
            return f"{own}.{value.name}={self.text_of(value.value)}"
        if issubclass(kind, dict | MappingProxyType):
            return f"{own}{self._all(part for item in value.items() for part in item)}"
        if issubclass(kind, set | frozenset):
            return f"{own}{sorted(map(self.text_of, value))}"
        if issubclass(kind, tuple | list | deque):
            return f"{own}{self._all(value)}"
        return f"{own}({self._state(value, kind)})"

    def _all(self, values: Iterable[Any]) -> str:
        return f"[{', '.join(map(self.text_of, values))}]"

    def _class(self, kind: type) -> str:
        self._reach(kind.__module__, kind.__qualname__)
        return f"{kind.__module__}.{kind.__qualname__}"

    def _reach(self, module: str, name: str) -> None:
        """Count a definition, or the one that it is part of."""
        source = source_of(module, self.root)
        top = name.partition(".")[0]
        if source is not None and top in source.definitions:
            self.reached.append((module, top))

    def _state(self, value: Any, kind: type) -> str:
        """Return what tells an object from others of its class."""
        if is_known(kind.__module__) and kind is not SimpleNamespace:
            inner = getattr(value, "__wrapped__", None)
            attributes = {} if inner is None else {"__wrapped__": inner}
        else:
            attributes = _attributes_of(value, kind)
        content = "" if attributes else _content_of(value) or _name_of(value, kind)
        if not attributes and not content and is_foreign(kind.__module__, self.root):
            self._opaque = True
        return content + ", ".join(
            f"{name}={self.text_of(attributes[name])}" for name in attributes
        )

    def _function(self, function: FunctionType) -> str:
        module, name = function.__module__, function.__qualname__
        text = f"{module}.{name}"
        source = source_of(module, self.root)
        if source is not None and name in source.definitions:
            self.reached.append((module, name))
        elif not is_foreign(module, self.root):
            tree: ast.AST = _tree_of(function)
            if source is not None:
                self.reached.extend(_groups_taken(tree, source, self.root))
            tree = _Strip(source).visit(tree)
            if source is not None:
                self.reached.extend(_reached(tree, source, self.root))
            text += f":{ast.dump(tree)}"
        given = self._given(function)
        if function.__code__.co_qualname != name:
            # A wrapper that bears the name of what it wraps.
            self._reach_maker(function)
        return f"{text}{given}" if given else text

    def _given(self, function: FunctionType) -> list[str]:
        """Return what a function that another one made closes over, and its defaults."""
        if "<" not in function.__code__.co_qualname:
            return []
        # Libraries keep caches and counters.
        by_library = is_known(_home_of(function))
        given = []
        names = function.__code__.co_freevars
        for name, cell in zip(names, function.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:
                # It will be bound later, by the function around.
                self._opaque |= name != function.__name__
                continue
            if content is not function and (isinstance(content, FunctionType) or not by_library):
                given.append(f"{name}={self.text_of(content)}")
        if not by_library:
            defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
            given += map(self.text_of, defaults)
        if self._opaque:
            self._reach_maker(function)
            self._opaque = False
        return given

    def _reach_maker(self, function: FunctionType) -> None:
        """Count the function within which a function was made."""
        self._reach(_home_of(function), function.__code__.co_qualname)


_PLAIN: Final[tuple[Any, ...]] = (
    type(None), type(...), bool, int, float, complex, str, bytes, datetime, date, time, timedelta,
    Decimal, Fraction, PurePath, range, slice,
)  # fmt: skip


def _home_of(function: FunctionType) -> str:
    """Return the module that a function's code is in, whatever name it bears."""
    return str(function.__globals__.get("__name__", ""))


def _content_of(value: Any) -> str:
    """Return what the buffer of an array or number holds, if it has one."""
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError):
        return ""
    # The buffer of an array of objects holds addresses.
    if "O" in view.format:
        return ""
    return f"{view.format}{view.shape}{hashlib.sha256(view.tobytes()).hexdigest()}"


def _name_of(value: Any, kind: type) -> str:
    """Return the name of what a library compiled, such as a function of arrays."""
    return "" if is_known(kind.__module__) else str(getattr(value, "__name__", ""))


def _attributes_of(value: Any, kind: type) -> dict[str, Any]:
    found = dict(getattr(value, "__dict__", {}))
    for name in ("__doc__", "__annotations__"):
        found.pop(name, None)
    for cls in kind.__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if not slot.startswith("__") and hasattr(value, slot):
                found[slot] = getattr(value, slot)
    return dict(sorted(found.items()))


@cache
def _definition(module: str, name: str, root: str) -> tuple[str, tuple[Definition, ...]]:
    """Return the stripped tree of a definition, and what it reaches."""
    source = source_of(module, root)
    if source is None:
        return "", ()
    reached: list[Definition] = [(module, LOOSE)]
    if name == WHOLE:
        for bound in (*source.definitions, *source.imports):
            reached.extend(_resolved(module, (bound,), root))
        for star in (*source.stars, *source.submodules):
            reached.extend(_resolved(star, (), root))
        return "", tuple(dict.fromkeys(reached))
    if name == LOOSE:
        statements = [*source.loose, *_registering(source, root)]
        reached += [(imported, LOOSE) for imported in source.imported_modules]
    elif name == DERIVED:
        statements = list(_derived(source, root))
    else:
        statements = source.definitions.get(name, [])
    trees = []
    for statement in statements:
        tree, found = _read(statement, source, root)
        trees.append(tree)
        reached.extend(found)
    return "\n".join(trees), tuple(dict.fromkeys(reached))


@cache
def _read(statement: ast.stmt, source: Source, root: str) -> tuple[str, tuple[Definition, ...]]:
    """Strip a statement, which may count under several names, and return what it reaches."""
    groups = tuple(_groups_taken(statement, source, root))
    of_group = isinstance(statement, ast.ClassDef) and _is_group(source.module, statement.name)
    stripped = _Strip(source, of_group).visit(statement) or ast.Pass()
    return ast.dump(stripped), (*groups, *_reached(stripped, source, root))


def _registering(source: Source, root: str) -> Iterator[ast.stmt]:
    """Yield definitions whose calls do more than make an object that holds values."""
    for statement, calls in source.calling:
        for steps in calls:
            found = list(_resolved(source.module, steps, root)) if steps else []
            if not found or not all(_holds_values(*key, steps, root) for key in found):
                yield statement
                break


def _holds_values(module: str, name: str, steps: Steps, root: str) -> bool:
    source = source_of(module, root)
    return source is not None and steps[-1] == name and source.holds_values(name)


def _derived(source: Source, root: str) -> Iterator[ast.stmt]:
    """Yield classes that first-party classes can know of."""
    for statement, bases in source.derived:
        if any(list(_resolved(source.module, base, root)) for base in bases if base):
            yield statement


def _is_group(module: str, name: str) -> bool:
    defined = getattr(sys.modules.get(module), name, None)
    return isinstance(defined, type) and issubclass(defined, ParamGroup)


def _groups_taken(tree: ast.AST, source: Source, root: str) -> Iterator[Definition]:
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


def _reached(tree: ast.AST, source: Source, root: str) -> Iterator[Definition]:
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
    for statement in used.of_classes:
        for _, steps in source.bound_by(statement):
            yield from _resolved(steps[0], steps[1:], root)
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield from _resolved(alias.name, (), root)


def _resolved(
    module: str,
    steps: tuple[str, ...],
    root: str,
    seen: frozenset[tuple[str, tuple[str, ...]]] = frozenset(),
) -> Iterator[Definition]:
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
        of_classes: imports that make attributes of classes.
    """

    def __init__(self) -> None:
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.of_classes: list[ast.Import | ast.ImportFrom] = []
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
            self.found.append((node.id, tuple(reversed(attributes))))

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imports.append(node)
        if self.in_class:
            self.of_classes.append(node)

    def _function(self, node: Any, body: Iterable[ast.AST]) -> None:
        outer, self.in_class = self.in_class, False
        self._all(getattr(node, "decorator_list", ()))
        self._all(node.args.defaults)
        self._all(default for default in node.args.kw_defaults if default is not None)
        arguments = _arguments(node.args)
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

    def __init__(self, source: Source | None, of_group: bool = False) -> None:
        self.source = source
        self.of_group = of_group

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

    def _bare(self, node: Any) -> ast.AST:
        node.decorator_list = [one for one in node.decorator_list if not makes_a_stage(one)]
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        if isinstance(node, _FUNCTIONS):
            node.returns = None
            if not self._are_read(node):
                for argument in _arguments(node.args):
                    argument.annotation = None
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node  # type: ignore[no-any-return]

    def _are_read(self, node: Any) -> bool:
        """Whether a decorator may read annotations, as functools.singledispatch does."""
        return any(self.source is None or self.source.registers(one) for one in node.decorator_list)


def _is_of_identity(part: ast.stmt) -> bool:
    """Whether a part of a group's class only shapes values, which identity has."""
    if isinstance(part, ast.FunctionDef):
        return part.name == "resolved" or any(
            "validator" in ast.dump(decorator) for decorator in part.decorator_list
        )
    return isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.dump(part.annotation)
