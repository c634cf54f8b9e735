"""What a definition reaches: by name in modules that define stages or groups, else whole modules.

A stage does not change with the stage beside it, so in a module that defines stages or parameter
groups, or the function that is asked for, a definition reaches what its names stand for. Any other
first-party module is reached as a whole, with everything that it imports. So is each that does more
than define when it is imported; in a module that defines stages, the statements that do.
"""

import ast
import symtable
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final, TypeAlias

from ml_pipeline.code.effects import effects_of, watches_subclasses
from ml_pipeline.code.groups import classes_of_fields, group_of, without_fields
from ml_pipeline.code.modules import FirstParty, Source, Steps, source_of, sources_below
from ml_pipeline.code.normal import FUNCTIONS, IMPORTS, parts_of

WHOLE: Final = "*"
LOOSE: Final = ""
"""Stands for the statements of a module that define no function or class."""

_BY_ANY_NAME: Final = ("eval", "exec", "globals")
_MODULES: Final = ("sys", "modules")
"""What these find in a module, its text does not tell."""

Definition: TypeAlias = tuple[str, str]
"""A module, and a name that it defines."""


def reached_from(
    definitions: Iterable[Definition], home: str, first_party: FirstParty
) -> dict[str, dict[str, str]]:
    """Return the code of some definitions and of all that they reach, by name, by module.

    Args:
        definitions: where to begin.
        home: the module of which only what is reached by name counts.
        first_party: what the pipeline says is its own.
    """
    waiting = list(dict.fromkeys(definitions))
    modules = frozenset({home, *(module for module, _ in waiting)})
    active, watched = _active_below(modules, first_party)
    waiting += [(module, LOOSE) for module in active]
    seen = set(waiting)
    parts: dict[str, dict[str, str]] = {}
    while waiting:
        module, name = waiting.pop()
        found, reached = _expanded(module, name, module == home, watched, first_party)
        kept = parts.get(module, {})
        if found:
            # A statement on its own may have other neighbours there than in the whole.
            parts[module] = kept | found if name == WHOLE else found | kept
        waiting += reached - seen
        seen |= reached
    return parts


@cache
def _active_below(modules: frozenset[str], first_party: FirstParty) -> tuple[tuple[str, ...], bool]:
    """Return the modules that do more than define, and whether some ask for derived classes."""
    sources = list(sources_below(modules, first_party))
    watched = any(map(watches_subclasses, sources))
    active = [one.module for one in sources if any(effects_of(one, watched, first_party))]
    return tuple(active), watched


@cache
def _expanded(
    module: str, name: str, is_home: bool, watched: bool, first_party: FirstParty
) -> tuple[dict[str, str], frozenset[Definition]]:
    """Return the parts of a module that a definition is, and what these reach."""
    source = source_of(module, first_party)
    if source is None:
        return {}, frozenset()
    reach = _Reach(source, first_party)
    by_name = is_home or b".asset" in source.text or _has_groups(source)
    defined, imported = source.definitions.get(name, []), source.imports.get(name, [])
    if name == WHOLE:
        reach.add_all()
    elif name == LOOSE and by_name:
        reach.add(LOOSE, effects_of(source, watched, first_party))
    elif defined and by_name:
        reach.add(name, defined)
        reach.follow((name,))
    elif imported and not defined:
        reach.follow((name,))
    else:
        reach.reached.add((module, WHOLE))
    return reach.parts, frozenset(reach.reached)


class _Reach:
    """Collects parts of a module, and what they reach."""

    def __init__(self, source: Source, first_party: FirstParty) -> None:
        self.parts: dict[str, str] = {}
        self.reached: set[Definition] = set()
        self._source = source
        self._first_party = first_party

    def add(self, name: str, statements: Iterable[ast.stmt], is_whole: bool = False) -> None:
        """Count statements by a name, with what the names in them stand for.

        Args:
            name: the name.
            statements: the statements.
            is_whole: whether the rest of the module counts anyway.
        """
        texts = []
        for statement in statements:
            one = self._without_fields(statement)
            text = ast.unparse(one)
            texts.append(text)
            self._import(one)
            known = self._source.imports.keys() if is_whole else _names_of_module(text)
            within = list(self._source.bound_by(one))
            for first, *attributes in _chains(one):
                if first in known:
                    self.follow((first, *attributes))
                for bound, steps in within:
                    if bound == first:
                        self._reach((*steps, *attributes))
        self.parts[name] = "\n".join(texts)

    def _without_fields(self, statement: ast.stmt) -> ast.stmt:
        """Take the fields of a group out, but count the classes that they are of."""
        group = group_of(statement, self._source) if isinstance(statement, ast.ClassDef) else None
        if group is None or not isinstance(statement, ast.ClassDef):
            return statement
        for cls in classes_of_fields(group):
            self.reached.add((cls.__module__, cls.__qualname__.partition(".")[0]))
        return without_fields(statement, group)

    def add_all(self) -> None:
        """Count the whole module: functions and classes by name, the rest in its order."""
        named: dict[str, list[ast.stmt]] = {LOOSE: []}
        for statement in self._source.statements:
            if isinstance(statement, IMPORTS):
                self._import(statement)
            elif isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
                named.setdefault(statement.name, []).append(statement)
            else:
                named[LOOSE].append(statement)
        for name, statements in named.items():
            self.add(name, statements, is_whole=True)
        self.follow((WHOLE,))

    def follow(self, chain: Steps) -> None:
        """Count what a name of the module stands for, and attributes that are taken from it."""
        name, *attributes = chain
        source = self._source
        if name in _BY_ANY_NAME and name not in (*source.definitions, *source.imports):
            self.reached.add((source.module, WHOLE))
        if name in source.definitions:
            self.reached.add((source.module, name))
        imported = source.imports.get(name, [])
        if not imported and name not in source.definitions:
            imported = source.imports.get(WHOLE, [])
        for steps in imported:
            self._reach((*steps, *attributes))
        if imported:
            self.parts[f"import {name}"] = repr(imported)

    def _import(self, tree: ast.AST) -> None:
        """Count what imports bring in, whether it is used by its name or not."""
        for node in self._source.nodes(tree):
            if isinstance(node, ast.Import):
                self.reached.update((one.name, WHOLE) for one in node.names)
            elif isinstance(node, ast.ImportFrom):
                for _, steps in self._source.bound_by(node):
                    self._reach(steps)
            elif (called_for := self._source.called_for(node)) is not None:
                self.reached.add((called_for, WHOLE))

    def _reach(self, steps: Steps) -> None:
        """Count what a module and the attributes taken from it may stand for."""
        module, *attributes = steps
        if steps[:2] == _MODULES:
            self.reached.add((self._source.module, WHOLE))
        for name in attributes:
            source = source_of(module, self._first_party)
            below = f"{module}.{name}"
            is_module = source_of(below, self._first_party) is not None
            if source is not None:
                if not is_module or name in (*source.definitions, *source.imports):
                    self.reached.add((module, name))
                if not is_module:
                    return
            module = below
        self.reached.add((module, WHOLE))


def _names_of_module(statement: str) -> set[str]:
    """Return the names in a statement that are not local to a function, as the compiler says."""
    names = set()
    tables = [symtable.symtable(statement, "", "exec")]
    for table in tables:
        tables += table.get_children()
        # A class may read a name of the module before it binds its own.
        is_open = table.get_type() != "function"
        names |= {one.get_name() for one in table.get_symbols() if is_open or one.is_global()}
    return names


def _chains(tree: ast.AST) -> Iterator[Steps]:
    """Yield the names in a tree, each with the attributes that are taken from it."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        inner, attributes = node, []
        while isinstance(inner, ast.Attribute):
            attributes.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield (inner.id, *reversed(attributes))
        else:
            waiting += parts_of(inner)


def _has_groups(source: Source) -> bool:
    return any(
        isinstance(one, ast.ClassDef) and group_of(one, source) is not None
        for one in source.statements
    )
