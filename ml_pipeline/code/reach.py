"""What a definition reaches: by name, through imports, re-exports and attributes of modules."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from typing import Final, TypeAlias

from ml_pipeline.code.modules import BLOCKS, FUNCTIONS, LOOSE, Source, Steps, source_of
from ml_pipeline.code.names import arguments_of, names_used
from ml_pipeline.code.stripped import stripped
from ml_pipeline.params.group import ParamGroup

WHOLE: Final = "*"
DERIVED: Final = "<"
"""Stands for the classes of a module that may register themselves with first-party ones."""

Definition: TypeAlias = tuple[str, str]
"""A module, and a name that it defines."""


def trees_reached(waiting: list[Definition], root: str) -> dict[Definition, str]:
    """Return the stripped trees of some definitions and of all that they reach.

    Args:
        waiting: the definitions.
        root: top-level package of the stage.
    """
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


@cache
def _definition(module: str, name: str, root: str) -> tuple[str, tuple[Definition, ...]]:
    """Return the stripped tree of a definition, and what it reaches."""
    source = source_of(module, root)
    if source is None:
        return "", ()
    reached: list[Definition] = [(module, LOOSE)]
    if name == WHOLE:
        for bound in (*source.definitions, *source.imports):
            reached.extend(resolved(module, (bound,), root))
        for star in (*source.stars, *source.submodules):
            reached.extend(resolved(star, (), root))
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
    groups = tuple(groups_taken(statement, source, root))
    of_group = isinstance(statement, ast.ClassDef) and _is_group(source.module, statement.name)
    bare = stripped(statement, source, of_group)
    return ast.dump(bare), (*groups, *reached_by(bare, source, root))


def _registering(source: Source, root: str) -> Iterator[ast.stmt]:
    """Yield definitions whose calls do more than make an object that holds values."""
    for statement, calls in source.calling:
        for steps in calls:
            found = list(resolved(source.module, steps, root)) if steps else []
            if not found or not all(_holds_values(*key, steps, root) for key in found):
                yield statement
                break


def _holds_values(module: str, name: str, steps: Steps, root: str) -> bool:
    source = source_of(module, root)
    return source is not None and steps[-1] == name and source.holds_values(name)


def _derived(source: Source, root: str) -> Iterator[ast.stmt]:
    """Yield classes that first-party classes can know of."""
    for statement, bases in source.derived:
        if any(list(resolved(source.module, base, root)) for base in bases if base):
            yield statement


def _is_group(module: str, name: str) -> bool:
    defined = getattr(sys.modules.get(module), name, None)
    return isinstance(defined, type) and issubclass(defined, ParamGroup)


def groups_taken(tree: ast.AST, source: Source, root: str) -> Iterator[Definition]:
    """Yield the parameter groups that arguments are annotated with: their methods count."""
    for annotation in _annotations(tree):
        for name, attributes in names_used(annotation).found:
            for found in resolved(source.module, (name, *attributes), root):
                if _is_group(*found):
                    yield found


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield what arguments are annotated with, in functions within functions as well."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, FUNCTIONS):
            yield from (
                argument.annotation
                for argument in arguments_of(node.args)
                if argument.annotation is not None
            )
        # Lambdas have no annotations, so there are none within expressions.
        waiting.extend(part for part in ast.iter_child_nodes(node) if isinstance(part, BLOCKS))


def reached_by(tree: ast.AST, source: Source, root: str) -> Iterator[Definition]:
    """Yield the first-party definitions that the names in a tree stand for."""
    used = names_used(tree)
    local: dict[str, list[Steps]] = {}
    for statement in used.imports:
        for name, steps in source.bound_by(statement):
            local.setdefault(name, []).append(steps)
    for name, attributes in used.found:
        for imported in local.get(name, ()):
            yield from resolved(imported[0], (*imported[1:], *attributes), root)
        yield from resolved(source.module, (name, *attributes), root)
    for statement in used.of_classes:
        for _, steps in source.bound_by(statement):
            yield from resolved(steps[0], steps[1:], root)
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield from resolved(alias.name, (), root)


def resolved(
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
            yield from resolved(target, (*inner, *rest), root, seen)
        if first not in source.definitions and first not in source.imports:
            for star in source.stars:
                yield from resolved(star, steps, root, seen)
    below = f"{module}.{first}"
    if (source is None or source.is_package) and source_of(below, root) is not None:
        yield from resolved(below, rest, root, seen)
