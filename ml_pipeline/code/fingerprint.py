"""Fingerprints of code: a function and the first-party code that it can reach.

What counts is the syntax tree in normal form: layout, comments, docstrings and the order of
definitions don't. In the modules that define stages or parameter groups, what a function reaches by
its names counts; any other first-party module that it uses counts as a whole, with all that it
imports. So do modules that do more than define when they are imported, such as registering
something, and the statements of a stage's module that do: they may have changed what a definition
sees.

A function that was made by another counts with the whole of that other, what it closes over, its
defaults and the arguments bound by `functools.partial`. What of these cannot be told is refused
when the stage is defined, with the advice to declare a code_version.

What is not seen, so that a code_version must tell it: modules imported by a computed name, code
that is kept elsewhere as text, entry points; values that a running program gives to the
globals of another module or to attributes of classes and modules; calls in class bodies and in
defaults of arguments that register something elsewhere; what libraries do with the classes and
functions that they are given; and what is installed or read from files, unless the stage declares
it.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any, Final

from ml_pipeline.code.closures import Held
from ml_pipeline.code.modules import (
    FirstParty,
    is_first_party,
    own_package,
    source_of,
    sources_below,
)
from ml_pipeline.code.reach import reached_from
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.identity import ID_DIGITS

SCHEME: Final = 3
"""Counts the ways of fingerprinting that there have been."""

_PART_DIGITS: Final = 6


@dataclass(frozen=True)
class Fingerprint:
    """What the code of a function is.

    Attributes:
        digest: 16 hexadecimal digits.
        parts: a short digest of everything that counts, by name, by module; for explaining alone.
    """

    digest: str
    parts: dict[str, dict[str, str]]


def fingerprint_of(
    function: Callable[..., Any],
    first_party: FirstParty = (),
    besides: Iterable[Callable[..., Any]] = (),
) -> Fingerprint:
    """Return the fingerprint of a function and what it reaches.

    Args:
        function: a stage, or any other function.
        first_party: modules and packages that are first-party wherever they are installed; the
            function's own top-level package or module if omitted.
        besides: classes and functions that count as if the function used them.

    Raises:
        PipelineError: if the source of a function cannot be found, as in an interactive session, or
            a function holds what nobody can tell from another of its kind.
    """
    innermost = _innermost(function)
    if not isinstance(innermost, FunctionType):
        raise PipelineError(
            f"A stage must be a plain function, but {function!r} is a {type(function).__name__}."
            " Write a function, or declare a code_version."
        )
    home = innermost.__module__
    first_party = first_party or own_package(home)
    held = Held(innermost.__qualname__, first_party)
    told = [held.text_of(one, f"'{innermost.__qualname__}'") for one in (function, innermost)]
    named = [(one.__module__, one.__qualname__.partition(".")[0]) for one in besides]
    reached = reached_from([*held.reached, *named], home, first_party)
    parts = {module: dict(named) for module, named in reached.items()}
    text = "\n".join(dict.fromkeys(told))
    if text != f"{home}.{innermost.__qualname__}":
        # Of a function that a module defines, there is no more to tell than its code.
        parts.setdefault(home, {})[f"what {innermost.__qualname__} holds"] = text
    return Fingerprint(
        digest=_digest("\n".join(_lines(parts)))[:ID_DIGITS],
        parts={
            module: {name: _digest(text)[:_PART_DIGITS] for name, text in sorted(named.items())}
            for module, named in sorted(parts.items())
        },
    )


def fingerprint_of_class(
    kind: type | Callable[..., Any], first_party: FirstParty = (), state: object = None
) -> str | None:
    """Return the fingerprint of a class or function that stored values hold.

    Args:
        kind: the class or function.
        first_party: as for `fingerprint_of`.
        state: what else its results depend on, such as the attributes of the only instance.

    Returns:
        16 hexadecimal digits, or None if it is not first-party.

    Raises:
        PipelineError: if its source cannot be found, or its state cannot be told.
    """
    home = kind.__module__
    first_party = first_party or own_package(home)
    if not is_first_party(home, first_party):
        return None
    held = Held(kind.__qualname__, first_party)
    told = [held.text_of(kind, f"'{kind.__qualname__}'"), held.text_of(state, "an attribute")]
    parts = reached_from(held.reached, home, first_party)
    return _digest("\n".join([*told, *_lines(parts)]))[:ID_DIGITS]


def libraries_of(
    function: Callable[..., Any], fingerprint: Fingerprint | None, first_party: FirstParty = ()
) -> frozenset[str]:
    """Return the top-level names of what a function's code imports that is not first-party.

    Args:
        function: the function.
        fingerprint: its fingerprint; without one, all modules below the function's own count.
        first_party: as for `fingerprint_of`.
    """
    home = inspect.unwrap(function).__module__
    first_party = first_party or own_package(home)
    if fingerprint is not None:
        sources = [source_of(module, first_party) for module in fingerprint.parts]
    else:
        sources = list(sources_below([home], first_party))
    found = [one.libraries(first_party) for one in sources if one is not None]
    return frozenset().union(*found)


def _lines(parts: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"{module}.{name}:{text}"
        for module, named in sorted(parts.items())
        for name, text in sorted(named.items())
        if text
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what remains of a function without its wrappers and its bound arguments."""
    inner = inspect.unwrap(function)
    return _innermost(inner.func) if isinstance(inner, partial) else inner
