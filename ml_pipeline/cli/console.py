"""The process of `ml-pipeline`: what makes a short command short."""

import atexit
import gc
import os
import sys
from typing import Final, NoReturn

_USUAL: Final = gc.get_threshold()
_STARTING: Final = 1_000_000
"""New objects before garbage is looked for: a command that only reads or reuses makes fewer."""


def console() -> NoReturn:
    """Run the command that was typed, in a process that does nothing else."""
    # What imports make stays: looking for garbage in it again and again takes a tenth of a command.
    gc.set_threshold(_STARTING)
    ending = _Ending()
    # The first one that is registered is called last.
    atexit.register(ending)
    _fill_gaps()
    from ml_pipeline.cli.main import main

    try:
        main()
    except SystemExit as leaving:
        ending.code = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
        raise


def _fill_gaps() -> None:
    """Let a process that was started with some of its three streams closed have all of them.

    The next file that is opened, such as a database, would get the number of what lacks.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def look_for_garbage() -> None:
    """Look for garbage as Python usually does, but not in what is there by now.

    To be called before anything that may make large things that refer to one another, like models.
    """
    gc.freeze()
    gc.set_threshold(*_USUAL)


class _Ending:
    """Ends the process without freeing everything in it, which takes as long as reusing a run.

    Threads and exit handlers of what the command has imported have had their turn by then; not so
    those of tools that have hooked into the interpreter before.
    """

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
