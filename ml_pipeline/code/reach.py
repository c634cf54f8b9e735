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
from ml_pipeline.code.modules import FUNCTIONS, FirstParty, Source, Steps, source_of
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
    if name == WHOLE:
        expansion.add_all()
    elif name in source.definitions and not by_name:
        expansion.reached.append((module, WHOLE))
    else:
        expansion.add(name, source.definitions.get(name, []))
        if name in source.imports:
            expansion.parts[name] = f"{expansion.parts[name]}{source.imports[name]}"
    return expansion.parts, tuple(dict.fromkeys(expansion.reached))


class _Expansion:
    """Collects parts of a module, and what they reach."""

    def __init__(self, source: Source, first_party: FirstParty) -> None:
        self.parts: dict[str, str] = {}
        self.reached: list[Definition] = []
        self._source = source
        self._first_party = first_party
        self._effects = Effects(source, first_party)
        self._used: set[str] = set()

    def add(self, name: str, statements: Iterable[ast.stmt], is_whole: bool = False) -> None:
        """Count statements by a name."""
        texts = []
        for statement in statements:
            is_group = isinstance(statement, ast.ClassDef) and _is_group(
                self._source.module, statement.name
            )
            form = normal_form(statement, self._effects, is_group)
            texts.append(form.text)
            self._used |= {name for name, *_ in (*form.names, *form.inner)}
            self.reached.extend(
                reached_by(form, statement, self._source, self._first_party, is_whole)
            )
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
        # Tools sort and merge imports, and remove those that nobody uses.
        pairs = [pair for one in imported for pair in source.bound_by(one)]
        bound = sorted({repr(pair) for pair in pairs if pair[0] in self._used})
        self.parts[LOOSE] += "\n".join([*bound, *sorted(source.stars)])
        self.reached.extend(_imported(imported, source, self._first_party))

    def execute(self, modules: Iterable[str]) -> None:
        """Count what happens when modules are imported."""
        self.reached.extend((module, LOOSE) for module in modules)


def _is_group(module: str, name: str) -> bool:
    defined = getattr(sys.modules.get(module), name, None)
    return isinstance(defined, type) and issubclass(defined, ParamGroup)


def reached_by(
    form: NormalForm,
    node: ast.AST,
    source: Source,
    first_party: FirstParty,
    is_whole: bool = False,
) -> Iterator[Definition]:
    """Yield the first-party definitions that the names in a piece of code stand for.

    Args:
        form: the code in normal form.
        node: where it stands in its module.
        source: the module.
        first_party: what the pipeline says is its own.
        is_whole: whether all other definitions of the module count anyway.
    """
    within = {name: steps for one in form.imports for name, steps in source.bound_by(one)}
    inner = form.inner
    if not is_whole:
        lines = [one.lineno for one in ast.walk(node) if hasattr(one, "lineno")]
        read = source.names_read(min(lines), max(lines))
        inner = [steps for steps in inner if steps[0] in read or steps[0] in within]
    for name, *attributes in (*form.names, *inner):
        targets: list[Steps] = [(source.module, name)]
        if is_whole:
            targets = list(source.imports.get(name, ()))
        if name in within:
            targets.append(within[name])
        for target, *steps in targets:
            yield from resolved(target, (*steps, *attributes), first_party)
    yield from _imported(form.imports, source, first_party)


def _imported(
    imports: Iterable[ast.Import | ast.ImportFrom], source: Source, first_party: FirstParty
) -> Iterator[Definition]:
    """Yield what imports bring in, whether it is used by its name or not."""
    for one in imports:
        for module in source.modules_of(one):
            yield module, LOOSE
        if isinstance(one, ast.Import):
            for alias in one.names:
                yield from resolved(alias.name, (), first_party)
        elif one.names[0].name == "*":
            yield from resolved(source.base(one), (), first_party)
        else:
            for _, (target, *inner) in source.bound_by(one):
                yield from resolved(target, tuple(inner), first_party)


def resolved(
    module: str,
    steps: Steps,
    first_party: FirstParty,
    seen: frozenset[tuple[str, Steps]] = frozenset(),
) -> Iterator[Definition]:
    """Yield the definitions that attributes, taken one after the other from a module, stand for."""
    source = source_of(module, first_party)
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
        if first in source.definitions or first in source.imports:
            yield module, first
        for target, *inner in source.imports.get(first, ()):
            yield from resolved(target, (*inner, *rest), first_party, seen)
        if first not in source.definitions and first not in source.imports:
            for star in source.stars:
                yield from resolved(star, steps, first_party, seen)
    below = f"{module}.{first}"
    if (source is None or source.is_package) and source_of(below, first_party) is not None:
        yield from resolved(below, rest, first_party, seen)
