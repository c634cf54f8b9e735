"""Statements that may change what others defined: calls, loops, registrations.

What is built in, the standard library, the toolkit and Dagster change nothing that a stage computes
with. Whatever else is called may.
"""

import ast
import builtins
import sys
from collections.abc import Iterator
from typing import Final

from ml_pipeline.code.modules import TOOLKIT, FirstParty, Source, is_first_party
from ml_pipeline.code.normal import FUNCTIONS, IMPORTS, makes_a_check, makes_a_stage

_APPLYING: Final = frozenset(
    {"setattr", "delattr", "exec", "eval", "__import__", "map", "filter", "partial", "reduce"}
)
"""They call or change what they are given."""
_SUBCLASS_HOOKS: Final = (b"__subclasses__", b"__init_subclass__", b"metaclass")


def watches_subclasses(source: Source) -> bool:
    """Whether a module may ask classes for those that are derived from them."""
    return any(hook in source.text for hook in _SUBCLASS_HOOKS)


def effects_of(source: Source, watched: bool, first_party: FirstParty) -> Iterator[ast.stmt]:
    """Yield the statements of a module that may change what others defined.

    Args:
        source: the module.
        watched: whether a class may be known to those that it is derived from.
        first_party: what the pipeline says is its own.
    """
    for statement in source.statements:
        if watched and isinstance(statement, ast.ClassDef):
            bases_are_known = all(_is_harmless(one, source, first_party) for one in statement.bases)
            if statement.keywords or not bases_are_known:
                yield statement
                continue
        if _acts(statement, source, first_party):
            yield statement


def _acts(node: ast.AST, source: Source, first_party: FirstParty) -> bool:
    if isinstance(node, (*IMPORTS, ast.Pass)):
        return False
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return not all(
            makes_a_check(one) or _is_harmless(one, source, first_party)
            for one in node.decorator_list
        )
    if isinstance(node, ast.If | ast.Try | ast.excepthandler):
        return any(_acts(part, source, first_party) for part in ast.iter_child_nodes(node))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts = [one for target in targets for one in ast.walk(target)]
        sets_parts = any(isinstance(one, ast.Attribute | ast.Subscript) for one in parts)
        return sets_parts or (node.value is not None and _acts(node.value, source, first_party))
    if isinstance(node, ast.expr):
        called = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
        return not _is_declared(node) and not all(
            _is_harmless(one, source, first_party) for one in called
        )
    return not (isinstance(node, ast.Expr) and _is_declared(node.value))


def _is_declared(node: ast.AST) -> bool:
    return makes_a_stage(node) or makes_a_check(node)


def _is_harmless(called: ast.expr, source: Source, first_party: FirstParty) -> bool:
    """Whether what an expression such as ``Path("a").parent.joinpath`` calls changes nothing."""
    node, attributes = called, []
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(node, ast.Attribute):
            attributes.append(node.attr)
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Constant):
        return True
    if not isinstance(node, ast.Name) or node.id in source.definitions:
        return False
    known = source.imports.get(node.id)
    named = {node.id, *attributes, *(steps[-1] for steps in known or ())}
    if named & _APPLYING:
        return False
    if known is None:
        return hasattr(builtins, node.id)
    return all(_is_known(".".join(steps), first_party) for steps in known)


def _is_known(name: str, first_party: FirstParty) -> bool:
    top = name.partition(".")[0]
    if top == TOOLKIT:
        return not is_first_party(name, first_party)
    return top == "dagster" or top in sys.stdlib_module_names
