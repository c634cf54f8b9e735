"""The normal form of code: its syntax tree without what cannot change a result.

Layout, comments, docstrings and the decorators that make stages are left out, and so is what a
function is said to return, unless a decorator may read it. Fields and validators of parameter
groups are, too: their values are part of identity.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Final

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS: Final = (ast.Import, ast.ImportFrom)

_OF_IDS: Final = ("formerly", "retired", "rules")
"""What a group says of names and values, before and now: results depend on the values alone."""


def normal_statements(body: Iterable[ast.stmt], is_script: bool = False) -> Iterator[ast.stmt]:
    """Yield what a module executes, in normal form; the statements are changed.

    Args:
        body: statements of the module.
        is_script: whether it is the script that was started.
    """
    for one in body:
        if isinstance(one, ast.If) and _is_never_true(one.test, is_script):
            yield from normal_statements(one.orelse, is_script)
        elif not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)):
            _normalise(one)
            yield one


def without_fields(group: ast.ClassDef) -> ast.ClassDef:
    """Return the class of a parameter group without what only shapes its values."""
    body = [part for part in group.body if not _is_of_identity(part)] or [ast.Pass()]
    return ast.ClassDef(group.name, group.bases, group.keywords, body, group.decorator_list)


def makes_a_stage(node: ast.AST) -> bool:
    """Whether a decorator, or a call such as ``p.asset(kinds=[...])(f)``, is a pipeline's own."""
    return _made_by(node) == "asset"


def makes_a_check(node: ast.AST) -> bool:
    """Whether a decorator, or a call such as ``p.asset_check("a")(f)``, is a pipeline's own."""
    return _made_by(node) == "asset_check"


def _made_by(node: ast.AST) -> str | None:
    while isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else None


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """Return the nodes of a tree, each after the one that it is in."""
    nodes = [tree]
    for node in nodes:
        nodes += parts_of(node)
    return nodes


def parts_of(node: ast.AST) -> list[ast.AST]:
    """Return the nodes right below a node, but for those without parts of their own.

    The start of every code location pays for this: the iterators of `ast` cost three times as much.
    """
    parts: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            parts += [one for one in value if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST) and value._fields:
            parts.append(value)
    return parts


def _normalise(tree: ast.AST) -> None:
    for node in nodes_of(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            node.decorator_list = [one for one in node.decorator_list if not makes_a_stage(one)]
        if isinstance(node, FUNCTIONS) and not node.decorator_list:
            node.returns = None
        if isinstance(node, ast.arg) and node.annotation is not None:
            node.annotation = _Unquoted().visit(node.annotation)


class _Unquoted(ast.NodeTransformer):
    """Reads annotations that are written as texts: they name what a function may call."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, str):
            return node
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            # It is a text of its own, as in Literal["a b"].
            return node


def _is_never_true(test: ast.expr, is_script: bool) -> bool:
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name):
        return test.left.id == "__name__" and not is_script
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def _is_of_identity(part: ast.stmt) -> bool:
    if isinstance(part, ast.FunctionDef):
        return part.name == "resolved" or any(
            "validator" in ast.dump(decorator) for decorator in part.decorator_list
        )
    targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
    if any(isinstance(one, ast.Name) and one.id in _OF_IDS for one in targets):
        return True
    return isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.dump(part.annotation)
