"""How the command line is called here, so that what a message recommends works as it stands."""

import os
import shlex
from typing import Final

MODULE_VARIABLE: Final = "ML_PIPELINE_MODULE"
"""Names the code location that commands serve; processes that they start inherit it."""

PAGES_VARIABLE: Final = "ML_PIPELINE_PAGES"
"""Names the pages that a webserver has beside its own; its command sets it for what it starts."""


def typed(words: str, pipeline: str | None = None, is_usual: bool = True) -> str:
    """Return a command as it has to be typed for what this process serves.

    Args:
        words: all but the program, such as ``params --json``.
        pipeline: which pipeline of the code location has to be named where one is.
        is_usual: whether commands mean that pipeline where none is named.
    """
    module = os.environ.get(MODULE_VARIABLE, "")
    if pipeline is not None and (module or not is_usual):
        module = f"{module.partition(':')[0]}:{pipeline}"
    served = f"-m {shlex.quote(module)} " if module else ""
    return f"ml-pipeline {served}{words}"
