"""Syntax trees without what cannot change a result."""

import ast
from typing import Any

from ml_pipeline.code.modules import FUNCTIONS, Source, makes_a_stage
from ml_pipeline.code.names import arguments_of


def stripped(tree: ast.AST, source: Source | None, of_group: bool = False) -> ast.AST:
    """Strip a tree, in place, and return it.

    Args:
        tree: the tree.
        source: the module that it is from, if that can be read.
        of_group: whether it is the class of a parameter group.
    """
    return _Strip(source, of_group).visit(tree) or ast.Pass()


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
        if isinstance(node, FUNCTIONS):
            node.returns = None
            if not self._are_read(node):
                for argument in arguments_of(node.args):
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
