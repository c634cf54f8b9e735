"""The process of `ml-pipeline`: what makes a short command short."""

import atexit
import gc
import os
import sys
from typing import Final, NoReturn

_ALLOCATIONS: Final = 200_000
"""New objects before garbage is looked for."""


def console() -> NoReturn:
    """Run the command that was typed, in a process that does nothing else."""
    # Imports make a million objects that stay: with Python's own threshold, looking for garbage
    # among them again and again takes a tenth of a short command.
    gc.set_threshold(_ALLOCATIONS)
    ending = _Ending()
    # The first one that is registered is called last.
    atexit.register(ending)
    from ml_pipeline.cli.main import main

    try:
        main()
    except SystemExit as leaving:
        ending.code = leaving.code if isinstance(leaving.code, int) else 1
        raise


class _Ending:
    """Ends the process without freeing everything in it, which takes as long as reusing a run."""

    code: int | None = None

    def __call__(self) -> None:
        if self.code is None:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            # Whoever reads the output has gone.
            self.code = self.code or 1
        os._exit(self.code)
