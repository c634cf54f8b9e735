"""The normal form of code: its syntax tree without what cannot change a result.

Layout, comments, docstrings and the decorators that make stages are left out, and so is what a
function is said to return, unless a decorator may read it. What the module reads of itself, such as
its docstrings, counts.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Final

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS: Final = (ast.Import, ast.ImportFrom)

_READING_DOCS: Final = (b"__doc__", b"getdoc")
_READING_RETURNS: Final = (b"get_type_hints", b"__annotations__", b"get_annotations", b"signature(")


def normal_statements(text: bytes, module: str) -> Iterator[ast.stmt]:
    """Yield what a module executes, in normal form.

    Args:
        text: the module.
        module: its name.
    """
    reads_docs = any(word in text for word in _READING_DOCS)
    reads_returns = any(word in text for word in _READING_RETURNS)
    tree = ast.parse(text)
    if reads_docs and (told := ast.get_docstring(tree, clean=False)) is not None:
        (said,) = ast.parse(f"__doc__ = {told!r}").body
        tree.body[0] = ast.copy_location(said, tree.body[0])
    for one in _executed(tree.body, module):
        _normalise(one, reads_docs, reads_returns)
        yield one


def _executed(body: Iterable[ast.stmt], module: str) -> Iterator[ast.stmt]:
    for one in body:
        if isinstance(one, ast.If) and _is_never_true(one.test, module):
            yield from _executed(one.orelse, module)
        elif not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)):
            yield one


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


def _normalise(tree: ast.AST, reads_docs: bool, reads_returns: bool) -> None:
    for node in nodes_of(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            if not reads_docs and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            node.decorator_list = [one for one in node.decorator_list if not makes_a_stage(one)]
        if isinstance(node, FUNCTIONS) and not (node.decorator_list or reads_returns):
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


def _is_never_true(test: ast.expr, module: str) -> bool:
    match test:
        case ast.Compare(ast.Name("__name__"), [ast.Eq()], [ast.Constant(str(name))]):
            return name != module
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"
