"""Values that functions hold without naming them: what they close over, bound arguments, defaults.

Only what is told alike in every process is told at all: plain values, collections of these, data
classes and enumerations of them, functions, classes and modules. Anything else is refused, because
nobody could tell when it changes.
"""

import dataclasses
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

from ml_pipeline.code.modules import FirstParty, is_first_party, source_of
from ml_pipeline.code.reach import WHOLE, Definition
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
            return self._function(value)
        if isinstance(value, type):
            return self._defined(value.__module__, value.__qualname__)
        if isinstance(value, ModuleType):
            self.reached.append((value.__name__, WHOLE))
            return value.__name__
        if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType):
            return f"{value.__module__}.{value.__qualname__}"
        if hasattr(value, "__wrapped__") and kind.__module__ == "functools":
            return f"{kind.__qualname__} of {self.text_of(value.__wrapped__, place)}"
        own = self._defined(kind.__module__, kind.__qualname__)
        if kind is partial:
            given = [value.func, value.args, dict(sorted(value.keywords.items()))]
            return f"{own}{self._all(given, place)}"
        if isinstance(value, Enum):
            return f"{own}.{value.name}"
        if isinstance(value, PurePath):
            return f"{own}{str(value)!r}"
        if kind is dict:
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
        elif "<" not in name and is_first_party(module, self._first_party):
            raise self._unreadable(name)
        return f"{module}.{name}"

    def _unreadable(self, name: str) -> PipelineError:
        return PipelineError(
            f"The code of '{name}' must be readable to tell when it changes, but its source cannot"
            " be found. Put it in a file, or declare a code_version."
        )

    def _function(self, function: FunctionType) -> str:
        module, name = function.__module__, function.__qualname__
        home = str(function.__globals__.get("__name__", ""))
        code = function.__code__
        source = source_of(home, self._first_party)
        self._defined(module, name)
        if home == module and "<" not in code.co_qualname:
            return f"{module}.{name}"
        # Another function made it, maybe as a wrapper that bears the name of what it wraps.
        around = None if source is None else source.name_at(code.co_firstlineno)
        if around is not None:
            self.reached.append((home, around))
        elif is_first_party(home, self._first_party):
            raise self._unreadable(code.co_name)
        own = source_of(module, self._first_party)
        texts = () if own is None or source is not None else own.definitions.get(name, ())
        is_told = any(getattr(one, "decorator_list", ()) for one in texts)
        return f"{module}.{name} by {home}.{code.co_qualname}{self._held(function, is_told)}"

    def _held(self, function: FunctionType, is_told: bool) -> str:
        """Tell what a function closes over, and its defaults.

        Args:
            function: the function.
            is_told: whether a text tells what a library made it of. Libraries keep caches and
                counters beside, so that only functions count then.
        """
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        given = {f"the default of '{name}'": one for name, one in _defaults(function).items()}
        for name, cell in cells:
            try:
                given[f"'{name}', which it closes over,"] = cell.cell_contents
            except ValueError as error:
                raise PipelineError(
                    f"What '{self._name}' closes over must be bound when it is defined, but"
                    f" '{name}' is not yet. Bind it before, or declare a code_version."
                ) from error
        text = ""
        for place, one in given.items():
            if not is_told or isinstance(one, FunctionType):
                text += f"\n{place}={self.text_of(one, place)}"
        return text


def _defaults(function: FunctionType) -> dict[str, Any]:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    by_place = dict(zip(reversed(names), reversed(defaults), strict=False))
    return by_place | (function.__kwdefaults__ or {})
