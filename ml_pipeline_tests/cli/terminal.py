"""A terminal of a given width, as far as a program can tell."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline_tests.e2e.server import tool

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass(frozen=True)
class Seen:
    """What a command has written to its terminal.

    Attributes:
        raw: everything.
        code: how the command ended.
    """

    raw: str
    code: int

    @property
    def text(self) -> str:
        """What stays on the screen, colours left out; of lines written over, the last."""
        plain = _SEQUENCE.sub("", self.raw.replace("\r\n", "\n"))
        return "\n".join(line.rpartition("\r")[2] for line in plain.split("\n"))


def seen(folder: Path, width: int, *arguments: str) -> Seen:
    """Run `ml-pipeline` in a terminal."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    hidden = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in hidden and not name.startswith("ML_PIPELINE_")
    }
    with subprocess.Popen(
        [tool("ml-pipeline"), *arguments],
        cwd=folder,
        env={**environment, "TERM": "xterm-256color"},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    ) as process:
        os.close(its)
        parts = []
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:
                break
            if not part:
                break
            parts.append(part)
    os.close(ours)
    return Seen(b"".join(parts).decode(), process.returncode)
