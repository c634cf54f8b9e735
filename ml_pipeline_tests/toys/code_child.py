"""Answers requests for code fingerprints, each in a process of its own.

Started as a script. Every line on stdin is a request, ``{"path": directory for sys.path, "module":
..., "name": ..., "first": modules to import before, "first_party": what is first-party}``; every
line on stdout is the answer. One fork for each request: nothing that one of them imports or caches
is seen by the next, and none pays for the start of an interpreter.
"""

import functools
import importlib
import json
import os
import sys
from typing import Any

from ml_pipeline.code.fingerprint import fingerprint_of


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Import what is asked for and return its fingerprint, or the error."""
    sys.path.insert(0, request["path"])
    for module in request["first"]:
        importlib.import_module(module)
    module = importlib.import_module(request["module"])
    function: Any = functools.reduce(getattr, request["name"].split("."), module)
    try:
        made = fingerprint_of(function, tuple(request["first_party"]))
    except Exception as error:  # noqa: BLE001 - handed to the test, whichever it is
        return {"error": f"{type(error).__name__}: {error}"}
    return {"fingerprint": made.digest, "parts": made.parts}


def main() -> None:
    """Serve until stdin closes."""
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                reply = answer(json.loads(line))
            except BaseException as error:  # noqa: BLE001 - handed to the test
                reply = {"error": f"{type(error).__name__}: {error}"}
            with os.fdopen(writer, "w") as out:
                json.dump(reply, out)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as replies:
            print(replies.read(), flush=True)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
