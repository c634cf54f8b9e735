"""Fingerprints of code: a function and every first-party definition that it can reach.

What counts is the syntax tree without comments, docstrings and layout, so only a change that could
change a result gives a new fingerprint. Reach is by name: a definition reaches what its names stand
for, through imports, re-exports and attributes of modules; a module that is used as a value is
reached whole, with all that it imports. With any of its definitions a module's loose statements
count as well (calls, loops, registrations), because they may have changed what the definition sees.
Calls of what is built in, of the standard library and of this toolkit are no registrations. A class
that is derived from a first-party one is, where any module that counts asks for subclasses.

A function that was made by another counts with what it closes over, its defaults and the arguments
bound by `functools.partial`. Numbers, texts, dates, enumerations, paths, buffers and collections of
these count by value, in sets without order; functions, modules and classes by what they reach; any
other object by its class and its attributes, or where it shows none, as many of the standard
library's, by its class and the function that closed over it. What is never the same in two
processes (a time, a temporary path) makes a fingerprint that is never found again: declare a
code_version then.

Fields and validators of parameter groups don't count: their values are part of identity. Neither do
annotations of arguments and variables, since nothing is computed with them, unless a decorator may
read them.

What is not seen, so that a code_version must tell it: modules imported and code run by computed
text (`importlib.import_module`, `exec`, entry points); values that a running program gives to the
globals of another module or to attributes of classes and modules; calls in class bodies and in
defaults of arguments that register something elsewhere; what libraries do with subclasses of their
classes; the content of an object without attributes that a factory was given; two imports that
swap their names (``a as b, b as a``), or definitions that move in or out of a module's ``if`` or
``try``, where all that is reached stays the same; files; and what is installed, in whichever
version.
"""

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

from ml_pipeline.code.closures import Held
from ml_pipeline.code.reach import trees_reached
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.identity import ID_DIGITS


def fingerprint_of(function: Callable[..., Any]) -> str:
    """Return the fingerprint of a function and what it reaches: 16 hexadecimal digits.

    Args:
        function: a stage, or any other function.

    Raises:
        PipelineError: if the function's source cannot be found, as in an interactive session.
    """
    innermost = _innermost(function)
    if not isinstance(innermost, FunctionType):
        raise PipelineError(
            f"A stage must be a plain function, but {function!r} is a {type(function).__name__}."
            " Write a function, or declare a code_version."
        )
    held = Held(innermost.__module__.partition(".")[0])
    texts = [held.text_of(function), held.text_of(inspect.unwrap(function))]
    trees = trees_reached(held.reached, held.root)
    names = {f"{module}.{name}" for module, name in trees}
    parts = [f"{module}.{name}:{tree}" for (module, name), tree in sorted(trees.items()) if tree]
    # Of a function that a module defines, there is no more to tell than its tree.
    parts += [text for text in texts if text not in names]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_DIGITS]


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what remains of a function without its wrappers and its bound arguments."""
    inner = inspect.unwrap(function)
    return _innermost(inner.func) if isinstance(inner, partial) else inner
