"""The normal form of code: its syntax tree without what cannot change a result.

Layout, comments, docstrings and the decorators that make stages are left out, and so are
annotations of arguments and variables, unless a decorator may read them: nothing is computed with
them. Those of a class's own variables stay, because they make data classes and models what they
are. Fields and validators of parameter groups are left out: their values are part of identity.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ml_pipeline.code.effects import Effects
from ml_pipeline.code.modules import FUNCTIONS, Steps, makes_a_stage, steps_of


@dataclass
class NormalForm:
    """Code in normal form, and what it refers to.

    Attributes:
        text: the code.
        names: names that are read outside functions, each with the attributes after it; also those
            that arguments are annotated with, whose methods a function may call.
        inner: the same within functions, where a name may be one of the function's own.
        imports: every import, wherever it stands.
    """

    text: str = ""
    names: list[Steps] = field(default_factory=list)
    inner: list[Steps] = field(default_factory=list)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)


def normal_form(node: ast.AST, effects: Effects, is_group: bool = False) -> NormalForm:
    """Bring code into normal form.

    Args:
        node: the code.
        effects: tells which decorators may read annotations.
        is_group: whether it is the class of a parameter group.
    """
    writer = _Writer(effects, is_group)
    writer.form.text = writer.write(node)
    return writer.form


class _Writer:
    """Writes a tree, and collects what it refers to on the way."""

    def __init__(self, effects: Effects, is_group: bool) -> None:
        self.form = NormalForm()
        self._effects = effects
        self._is_group = is_group
        self._depth = 0

    def write(self, node: Any) -> str:
        if isinstance(node, list):
            return f"[{', '.join(map(self.write, node))}]"
        if not isinstance(node, ast.AST):
            return repr(node)
        steps = () if isinstance(node, ast.Subscript) else steps_of(node)
        if steps:
            (self.form.inner if self._depth else self.form.names).append(steps)
            return f"{'.'.join(steps)}:{type(node.ctx).__name__}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.form.imports.append(node)
        if isinstance(node, FUNCTIONS):
            return self._function(node)
        if isinstance(node, ast.Lambda):
            return f"Lambda({self._arguments(node.args)}, {self._inside(node.body)})"
        if isinstance(node, ast.ClassDef):
            return self._class(node)
        if isinstance(node, ast.AnnAssign):
            value = "" if node.value is None else self.write(node.value)
            return f"Assign([{self.write(node.target)}], {value})" if value else ""
        if isinstance(node, ast.Assign):
            return f"Assign({self.write(node.targets)}, {self.write(node.value)})"
        fields = (
            f"{name}={self.write(value)}"
            for name, value in ast.iter_fields(node)
            if value is not None and value != []
        )
        return f"{type(node).__name__}({', '.join(fields)})"

    def _function(self, node: Any) -> str:
        decorators = [one for one in node.decorator_list if not makes_a_stage(one)]
        annotated = any(map(self._effects.registers, decorators))
        head = self.write(decorators), self._arguments(node.args, annotated)
        body = self._inside(_without_docstring(node))
        return f"{type(node).__name__}({node.name}, {', '.join(head)}, {body})"

    def _arguments(self, arguments: ast.arguments, annotated: bool = False) -> str:
        written = []
        for name, value in ast.iter_fields(arguments):
            given = value if isinstance(value, list) else [value]
            parts = [self._argument(one, annotated) for one in given if one is not None]
            written.append(f"{name}={parts}")
        return ", ".join(written)

    def _argument(self, node: Any, annotated: bool) -> str:
        if not isinstance(node, ast.arg):
            return self.write(node)
        self.form.names.extend(_names_in(node.annotation))
        return (
            f"{node.arg}:{ast.dump(node.annotation)}" if annotated and node.annotation else node.arg
        )

    def _inside(self, body: Any) -> str:
        self._depth += 1
        text = self.write(body)
        self._depth -= 1
        return text

    def _class(self, node: ast.ClassDef) -> str:
        head = [one for one in node.decorator_list if not makes_a_stage(one)]
        body = _without_docstring(node)
        if self._is_group:
            body = [part for part in body if not _is_of_identity(part)]
        written = []
        for part in body:
            written.append(self.write(part))
            if isinstance(part, ast.AnnAssign):
                written.append(self.write(part.annotation))
        given = [self.write(one) for one in (head, node.bases, node.keywords)]
        return f"ClassDef({node.name}, {', '.join([*given, *written])})"


def _without_docstring(node: Any) -> list[ast.stmt]:
    has_docstring = ast.get_docstring(node, clean=False) is not None
    return list(node.body[1:] if has_docstring else node.body)


def _names_in(annotation: ast.expr | None) -> Iterator[Steps]:
    """Yield the names in an annotation, in those that are written as texts as well."""
    waiting: list[ast.AST] = [] if annotation is None else [annotation]
    while waiting:
        node = waiting.pop()
        steps = steps_of(node)
        if steps:
            yield steps
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                waiting.append(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                # It is a text of its own, as in Literal["a b"].
                continue
        elif isinstance(node, ast.Subscript) or not steps:
            waiting.extend(ast.iter_child_nodes(node))


def _is_of_identity(part: ast.stmt) -> bool:
    """Whether a part of a group's class only shapes values, which identity has."""
    if isinstance(part, ast.FunctionDef):
        return part.name == "resolved" or any(
            "validator" in ast.dump(decorator) for decorator in part.decorator_list
        )
    return isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.dump(part.annotation)
