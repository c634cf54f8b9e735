"""Where files of a store elsewhere stay on this machine for as long as the process lives.

A deferred frame and a folder are read from after they were loaded.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path


def folder_for_good(name: str) -> Path:
    """Return a folder of this process that goes when it ends.

    Args:
        name: tells its content from that of others; the same name is the same folder.
    """
    return _top(os.getpid()) / name


@cache
def _top(process: int) -> Path:
    """Make the folder of a process; a fork of it gets another."""
    top = Path(tempfile.mkdtemp(prefix="ml_pipeline-"))

    def remove() -> None:
        if os.getpid() == process:
            shutil.rmtree(top, ignore_errors=True)

    atexit.register(remove)
    return top
