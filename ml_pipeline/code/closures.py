"""Values that functions hold without naming them: what they close over, bound arguments, defaults.

Only what is told alike in every process is told at all: plain values, collections of these, data
classes and enumerations of them, functions, classes and modules. Anything else is refused, because
nobody could tell when it changes.
"""

import ast
import dataclasses
import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any, Final

from ml_pipeline.code.effects import Effects
from ml_pipeline.code.modules import FUNCTIONS, FirstParty, Source, is_first_party, source_of
from ml_pipeline.code.normal import normal_form
from ml_pipeline.code.reach import WHOLE, Definition, reached_by
from ml_pipeline.errors import PipelineError

_PLAIN: Final = frozenset(
    {
        *(type(None), type(...), bool, int, float, complex, str, bytes, range, slice),
        *(datetime, date, time, timedelta, Decimal, Fraction),
    }
)


class Held:
    """Tells what a function is that its text does not tell.

    Attributes:
        reached: the definitions that count for what was told.
    """

    def __init__(self, name: str, first_party: FirstParty) -> None:
        """Begin with nothing.

        Args:
            name: what to call the function in errors.
            first_party: what the pipeline says is its own.
        """
        self.reached: list[Definition] = []
        self._name = name
        self._first_party = first_party
        self._around: list[int] = []

    def text_of(self, value: Any, place: str) -> str:
        """Return what a value is, the same in every process.

        Args:
            value: the value.
            place: how the function comes by it, for the error.

        Raises:
            PipelineError: if it cannot be told, or the source of a function cannot be found.
        """
        if type(value) in _PLAIN:
            return repr(value)
        if id(value) in self._around:
            if isinstance(value, FunctionType):
                return f"#{self._around.index(id(value))}"
            raise self._refusal(value, place, "holds itself")
        self._around.append(id(value))
        text = self._described(value, place)
        self._around.pop()
        return text

    def _described(self, value: Any, place: str) -> str:
        kind = type(value)
        if isinstance(value, FunctionType):
            return self._function(value, place)
        if isinstance(value, type):
            return self._defined(value.__module__, value.__qualname__)
        if isinstance(value, ModuleType):
            self.reached.append((value.__name__, WHOLE))
            return value.__name__
        if isinstance(value, MethodType):
            method = self._defined(value.__func__.__module__, value.__func__.__qualname__)
            return f"{method} of {self.text_of(value.__self__, place)}"
        if kind is partial:
            given = [value.func, value.args, dict(sorted(value.keywords.items()))]
            return f"partial{self._all(given, place)}"
        if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType):
            return f"{value.__module__}.{value.__qualname__}"
        if hasattr(value, "__wrapped__") and kind.__module__ == "functools":
            return f"{kind.__qualname__} of {self.text_of(value.__wrapped__, place)}"
        own = self._defined(kind.__module__, kind.__qualname__)
        if isinstance(value, Enum):
            return f"{own}.{value.name}"
        if isinstance(value, PurePath):
            return f"{own}{str(value)!r}"
        if kind is re.Pattern:
            return f"{own}{(value.pattern, value.flags)}"
        if kind in (dict, MappingProxyType):
            return f"{own}{self._all((one for pair in value.items() for one in pair), place)}"
        if kind in (set, frozenset):
            return f"{own}{sorted(self.text_of(one, place) for one in value)}"
        if kind in (tuple, list) or (isinstance(value, tuple) and hasattr(kind, "_fields")):
            return f"{own}{self._all(value, place)}"
        if dataclasses.is_dataclass(value):
            names = [one.name for one in dataclasses.fields(value)]
            # Whatever else it holds would go unseen.
            if getattr(value, "__dict__", {}).keys() <= set(names):
                return f"{own}{self._all((getattr(value, name) for name in names), place)}"
        raise self._refusal(value, place, "cannot be told from another of its kind")

    def _all(self, values: Iterable[Any], place: str) -> str:
        return f"[{', '.join(self.text_of(one, place) for one in values)}]"

    def _refusal(self, value: Any, place: str, why: str) -> PipelineError:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        return PipelineError(
            f"What '{self._name}' holds must be plain values, data classes, enumerations,"
            " functions, classes or collections of these, so that a change is noticed, but"
            f" {place} is an object of type {kind}, which {why}. Make it within the function or"
            " name it at the top of the module, pass it as a parameter, or declare a code_version"
            " and give a new one whenever it changes."
        )

    def _defined(self, module: str, name: str) -> str:
        """Count a definition, or the one that it is part of."""
        source = source_of(module, self._first_party)
        top = name.partition(".")[0]
        if source is not None and top in source.definitions:
            self.reached.append((module, top))
        elif is_first_party(module, self._first_party):
            self._unreadable(name)
        return f"{module}.{name}"

    def _unreadable(self, name: str) -> None:
        raise PipelineError(
            f"The code of '{name}' must be readable to tell when it changes, but its source cannot"
            " be found. Put it in a file, or declare a code_version."
        )

    def _function(self, function: FunctionType, place: str) -> str:
        module, name = function.__module__, function.__qualname__
        code = function.__code__
        home = str(function.__globals__.get("__name__", ""))
        source = source_of(module, self._first_party)
        top = name.partition(".")[0]
        is_made = "<" in code.co_qualname
        text = f"{module}.{name}"
        if source is not None and top in source.definitions and "<locals>" not in name:
            self.reached.append((module, top))
            if not is_made and home == module:
                return text
        elif is_first_party(module, self._first_party) and not is_made:
            self._unreadable(name)
        by_decorator = any(
            getattr(one, "decorator_list", ())
            for one in (source.definitions.get(name, ()) if source is not None else ())
        )
        return text + self._made(function, home, place, by_decorator)

    def _made(self, function: FunctionType, home: str, place: str, by_decorator: bool) -> str:
        """Tell what a function is that another one made.

        Args:
            function: the function.
            home: the module that its code is in, whatever name it bears.
            place: how it is come by.
            by_decorator: whether the text of a definition tells how it was made.
        """
        code = function.__code__
        source = source_of(home, self._first_party)
        if source is not None:
            text = self._text_within(function, source)
        elif is_first_party(home, self._first_party):
            self._unreadable(code.co_name)
        else:
            text = f" by {home}.{code.co_qualname}"
        given = {f"'{name}', its default,": one for name, one in _defaults(function)}
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                given[f"'{name}', which it closes over,"] = cell.cell_contents
            except ValueError as error:
                raise PipelineError(
                    f"What '{self._name}' closes over must be bound when it is defined, but"
                    f" '{name}' is not yet. Bind it before, or declare a code_version."
                ) from error
        for which, one in given.items():
            # A decorator's text tells what it was given; libraries keep caches and counters.
            if by_decorator and not isinstance(one, FunctionType) and source is None:
                continue
            text += f"\n{which}={self.text_of(one, which)}"
        return text

    def _text_within(self, function: FunctionType, source: Source) -> str:
        """Return the text of a function that stands within another, and count what it reaches."""
        code = function.__code__
        effects = Effects(source, self._first_party)
        self.reached.append((source.module, ""))
        texts = []
        for statement in source.statements:
            for node in ast.walk(statement):
                if _is_code_of(node, code.co_name, code.co_firstlineno):
                    form = normal_form(node, effects)
                    self.reached.extend(reached_by(form, node, source, self._first_party))
                    texts.append(form.text)
        if not texts:
            self._unreadable(code.co_name)
        return "\n".join(texts)


def _defaults(function: FunctionType) -> Iterable[tuple[str, Any]]:
    code = function.__code__
    defaults = function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults) :]
    return [*zip(names, defaults, strict=True), *(function.__kwdefaults__ or {}).items()]


def _is_code_of(node: ast.AST, name: str, line: int) -> bool:
    """Whether a node is the function of a name whose code, decorators included, begins at a line.

    Lambdas of one line cannot be told apart: each of them counts.
    """
    if isinstance(node, ast.Lambda):
        return name == "<lambda>" and node.lineno == line
    if not isinstance(node, FUNCTIONS):
        return False
    lines = [node.lineno, *(one.lineno for one in node.decorator_list)]
    return node.name == name and min(lines) == line
