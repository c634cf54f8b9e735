"""What a definition reaches: by name in modules that define stages or groups, else whole modules.

A stage does not change with the stage beside it, so in a module that defines stages or parameter
groups, or the function that is asked for, a definition reaches what its names stand for. Any other
first-party module is reached as a whole, with everything that it imports.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final, TypeAlias

from ml_pipeline.code.effects import Effects, watches_subclasses
from ml_pipeline.code.modules import FUNCTIONS, FirstParty, Source, Steps, lines_of, source_of
from ml_pipeline.code.normal import NormalForm, normal_form
from ml_pipeline.params.group import ParamGroup

WHOLE: Final = "*"
LOOSE: Final = ""
"""Stands for the statements of a module that define no function or class."""

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
    waiting = list(definitions)
    seen: set[Definition] = set()
    parts: dict[str, dict[str, str]] = {}
    watched = False
    while waiting:
        key = module, name = waiting.pop()
        if key not in seen:
            seen.add(key)
            found, reached = _expanded(module, name, module == home, first_party)
            if found:
                parts.setdefault(module, {}).update(found)
            waiting.extend(reached)
        if not waiting and not watched:
            modules = sorted({module for module, name in seen if name == LOOSE})
            sources = [one for module in modules if (one := source_of(module, first_party))]
            watched = any(map(watches_subclasses, sources))
            if watched:
                waiting = [
                    (source.module, one.name)
                    for source in sources
                    for one in Effects(source, first_party).derived()
                ]
    return parts


@cache
def _expanded(
    module: str, name: str, is_home: bool, first_party: FirstParty
) -> tuple[Mapping[str, str], tuple[Definition, ...]]:
    """Return the parts of a module that a definition is, and what these reach."""
    source = source_of(module, first_party)
    if source is None:
        return {}, ()
    expansion = _Expansion(source, first_party)
    by_name = (
        is_home
        or b".asset" in source.text
        or any(
            _is_group(module, one.name)
            for one in source.statements
            if isinstance(one, ast.ClassDef)
        )
    )
    if name == LOOSE:
        loose = list(Effects(source, first_party).loose())
        if loose and by_name:
            expansion.add(LOOSE, loose)
        elif loose:
            expansion.reached.append((module, WHOLE))
        expansion.execute(source.executed)
        return expansion.parts, tuple(dict.fromkeys(expansion.reached))
    expansion.execute([module])
    is_defined, is_imported = name in source.definitions, name in source.imports
    if name == WHOLE:
        expansion.add_all()
    elif (is_defined and not by_name) or not (is_defined or is_imported):
        expansion.reached.append((module, WHOLE))
    else:
        expansion.add(name, source.definitions.get(name, []))
        expansion.pass_on(name)
    return expansion.parts, tuple(dict.fromkeys(expansion.reached))


class _Expansion:
    """Collects parts of a module, and what they reach."""

    def __init__(self, source: Source, first_party: FirstParty) -> None:
        self.parts: dict[str, str] = {}
        self.reached: list[Definition] = []
        self._source = source
        self._first_party = first_party
        self._effects = Effects(source, first_party)

    def add(self, name: str, statements: Iterable[ast.stmt], is_whole: bool = False) -> None:
        """Count statements by a name."""
        texts = []
        for statement in statements:
            is_group = isinstance(statement, ast.ClassDef) and _is_group(
                self._source.module, statement.name
            )
            form = normal_form(statement, self._effects, is_group)
            texts.append(form.text)
            self._refer(form, statement, is_whole)
        self.parts[name] = "\n".join(texts)

    def add_all(self) -> None:
        """Count the whole module: functions and classes by name, the rest in its order."""
        source = self._source
        named: dict[str, list[ast.stmt]] = {}
        rest, imported = [], []
        for statement in source.statements:
            if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
                named.setdefault(statement.name, []).append(statement)
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                imported.append(statement)
            else:
                rest.append(statement)
        for name, statements in named.items():
            self.add(name, statements, is_whole=True)
        self.add(LOOSE, rest, is_whole=True)
        self.pass_on(WHOLE)
        self._import(imported)

    def execute(self, modules: Iterable[str]) -> None:
        """Count what happens when modules are imported."""
        self.reached.extend((module, LOOSE) for module in modules)

    def pass_on(self, name: str, attributes: Steps = ()) -> None:
        """Count what a name is imported from, and attributes that are taken from it."""
        source = self._source
        imported = source.imports.get(name, ())
        if not imported and name not in source.definitions:
            imported = source.imports.get(WHOLE, ())
        for steps in imported:
            self.reached.extend(_meant((*steps, *attributes), self._first_party))
        if imported:
            self.parts[f"import {name}"] = repr(imported)

    def _refer(self, form: NormalForm, node: ast.AST, is_whole: bool) -> None:
        """Count what a piece of code refers to."""
        source = self._source
        within = {name: steps for one in form.imports for name, steps in source.bound_by(one)}
        inner = form.inner
        if not is_whole:
            read = source.names_read(*lines_of(node))
            inner = [steps for steps in inner if steps[0] in read or steps[0] in within]
        for name, *attributes in (*form.names, *inner):
            if name in within:
                steps = (*within[name], *attributes)
                self.reached.extend(_meant(steps, self._first_party))
            if name in source.definitions and not is_whole:
                self.reached.append((source.module, name))
            if not is_whole or name in source.imports:
                self.pass_on(name, tuple(attributes))
        self._import(form.imports)

    def _import(self, imports: Iterable[ast.Import | ast.ImportFrom]) -> None:
        """Count what imports bring in, whether it is used by its name or not."""
        for one in imports:
            self.execute(self._source.modules_of(one))
            for _, steps in self._source.bound_by(one):
                if isinstance(one, ast.ImportFrom):
                    self.reached.extend(_meant(steps, self._first_party))
            if isinstance(one, ast.Import):
                self.reached.extend((alias.name, WHOLE) for alias in one.names)


def _is_group(module: str, name: str) -> bool:
    defined = getattr(sys.modules.get(module), name, None)
    return isinstance(defined, type) and issubclass(defined, ParamGroup)


def _meant(steps: Steps, first_party: FirstParty) -> Iterator[Definition]:
    """Yield what a module and the attributes taken from it may stand for."""
    module, *attributes = steps
    for name in attributes:
        source = source_of(module, first_party)
        below = f"{module}.{name}"
        is_module = source_of(below, first_party) is not None
        if source is not None and (not is_module or name in (*source.definitions, *source.imports)):
            yield module, name
        if source is not None and not is_module:
            return
        module = below
    yield module, WHOLE
