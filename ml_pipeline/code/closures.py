"""What functions hold that their text does not tell, such as closures."""

import ast
import hashlib
import inspect
import re
import textwrap
from collections import deque
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
    SimpleNamespace,
)
from typing import Any, Final

from ml_pipeline.code.modules import is_foreign, is_known, source_of
from ml_pipeline.code.reach import Definition, groups_taken, reached_by, resolved
from ml_pipeline.code.stripped import stripped
from ml_pipeline.errors import PipelineError


class Held:
    """Describes what functions hold that their text does not tell, such as closures.

    Attributes:
        root: top-level package of the stage.
        reached: the definitions that count for what was described.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.reached: list[Definition] = []
        self._opaque = False
        self._depth = 0
        # The values are kept, so that no other gets the same id.
        self._known: dict[int, tuple[str, bool, Any]] = {}

    def text_of(self, value: Any) -> str:
        """Return what a value is, the same in every process."""
        kind = type(value)
        for plain in _PLAIN:
            if issubclass(kind, plain) and not issubclass(kind, Enum):
                return str(plain.__repr__(value))
        if id(value) not in self._known:
            outer, self._opaque = self._opaque, False
            self._depth += 1
            # What refers to itself is told by its place.
            self._known[id(value)] = f"#{self._depth}", False, value
            self._known[id(value)] = self._described(value, kind), self._opaque, value
            self._depth -= 1
            self._opaque = outer
        text, opaque, _ = self._known[id(value)]
        self._opaque |= opaque
        return text

    def _described(self, value: Any, kind: type) -> str:
        if issubclass(kind, FunctionType):
            return self._function(value)
        if issubclass(kind, type):
            return self._class(value)
        if issubclass(kind, ModuleType):
            self.reached.extend(resolved(value.__name__, (), self.root))
            return str(value.__name__)
        if issubclass(kind, MethodType):
            return f"{self.text_of(value.__func__)} of {self.text_of(value.__self__)}"
        if issubclass(kind, partial):
            given = [value.func, value.args, dict(sorted(value.keywords.items()))]
            return f"partial{self._all(given)}"
        if issubclass(kind, BuiltinFunctionType) and isinstance(value.__self__, ModuleType):
            return f"{value.__module__}.{value.__qualname__}"
        own = self._class(kind)
        if issubclass(kind, re.Pattern):
            return f"{own}{(value.pattern, value.flags)}"
        if issubclass(kind, Enum):
            return f"{own}.{value.name}={self.text_of(value.value)}"
        if issubclass(kind, dict | MappingProxyType):
            return f"{own}{self._all(part for item in value.items() for part in item)}"
        if issubclass(kind, set | frozenset):
            return f"{own}{sorted(map(self.text_of, value))}"
        if issubclass(kind, tuple | list | deque):
            return f"{own}{self._all(value)}"
        return f"{own}({self._state(value, kind)})"

    def _all(self, values: Iterable[Any]) -> str:
        return f"[{', '.join(map(self.text_of, values))}]"

    def _class(self, kind: type) -> str:
        self._reach(kind.__module__, kind.__qualname__)
        return f"{kind.__module__}.{kind.__qualname__}"

    def _reach(self, module: str, name: str) -> None:
        """Count a definition, or the one that it is part of."""
        source = source_of(module, self.root)
        top = name.partition(".")[0]
        if source is not None and top in source.definitions:
            self.reached.append((module, top))

    def _state(self, value: Any, kind: type) -> str:
        """Return what tells an object from others of its class."""
        if is_known(kind.__module__) and kind is not SimpleNamespace:
            inner = getattr(value, "__wrapped__", None)
            attributes = {} if inner is None else {"__wrapped__": inner}
        else:
            attributes = _attributes_of(value, kind)
        content = "" if attributes else _content_of(value) or _name_of(value, kind)
        if not attributes and not content and is_foreign(kind.__module__, self.root):
            self._opaque = True
        return content + ", ".join(
            f"{name}={self.text_of(attributes[name])}" for name in attributes
        )

    def _function(self, function: FunctionType) -> str:
        module, name = function.__module__, function.__qualname__
        text = f"{module}.{name}"
        source = source_of(module, self.root)
        if source is not None and name in source.definitions:
            self.reached.append((module, name))
        elif not is_foreign(module, self.root):
            tree: ast.AST = _tree_of(function)
            if source is not None:
                self.reached.extend(groups_taken(tree, source, self.root))
            tree = stripped(tree, source)
            if source is not None:
                self.reached.extend(reached_by(tree, source, self.root))
            text += f":{ast.dump(tree)}"
        given = self._given(function)
        if function.__code__.co_qualname != name:
            # A wrapper that bears the name of what it wraps.
            self._reach_maker(function)
        return f"{text}{given}" if given else text

    def _given(self, function: FunctionType) -> list[str]:
        """Return what a function that another one made closes over, and its defaults."""
        if "<" not in function.__code__.co_qualname:
            return []
        # Libraries keep caches and counters.
        by_library = is_known(_home_of(function))
        given = []
        names = function.__code__.co_freevars
        for name, cell in zip(names, function.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:
                # It will be bound later, by the function around.
                self._opaque |= name != function.__name__
                continue
            if content is not function and (isinstance(content, FunctionType) or not by_library):
                given.append(f"{name}={self.text_of(content)}")
        if not by_library:
            defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
            given += map(self.text_of, defaults)
        if self._opaque:
            self._reach_maker(function)
            self._opaque = False
        return given

    def _reach_maker(self, function: FunctionType) -> None:
        """Count the function within which a function was made."""
        self._reach(_home_of(function), function.__code__.co_qualname)


_PLAIN: Final[tuple[Any, ...]] = (
    type(None), type(...), bool, int, float, complex, str, bytes, datetime, date, time, timedelta,
    Decimal, Fraction, PurePath, range, slice,
)  # fmt: skip


def _home_of(function: FunctionType) -> str:
    """Return the module that a function's code is in, whatever name it bears."""
    return str(function.__globals__.get("__name__", ""))


def _content_of(value: Any) -> str:
    """Return what the buffer of an array or number holds, if it has one."""
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError):
        return ""
    # The buffer of an array of objects holds addresses.
    if "O" in view.format:
        return ""
    return f"{view.format}{view.shape}{hashlib.sha256(view.tobytes()).hexdigest()}"


def _name_of(value: Any, kind: type) -> str:
    """Return the name of what a library compiled, such as a function of arrays."""
    return "" if is_known(kind.__module__) else str(getattr(value, "__name__", ""))


def _attributes_of(value: Any, kind: type) -> dict[str, Any]:
    found = dict(getattr(value, "__dict__", {}))
    for name in ("__doc__", "__annotations__"):
        found.pop(name, None)
    for cls in kind.__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if not slot.startswith("__") and hasattr(value, slot):
                found[slot] = getattr(value, slot)
    return dict(sorted(found.items()))


def _tree_of(function: FunctionType) -> ast.Module:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise PipelineError(
            f"The code of '{function.__qualname__}' must be readable to tell when it changes, but"
            " its source cannot be found. Put it in a file, or declare a code_version."
        ) from error
