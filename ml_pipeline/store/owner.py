"""Who works on what: a token for this process, and whether the one of another is gone.

Only a process of the same boot and process namespace can be told to be gone; of any other, nothing
is known.
"""

import contextlib
import os
from functools import cache
from pathlib import Path


@cache
def _place() -> str:
    """Name the running kernel and process namespace, without naming the machine."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    return ""


def _started(process: int) -> str | None:
    """Return when a process started, in ticks since boot, or None where none is running."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    # The command's name, in brackets, may hold spaces.
    fields = status.rpartition(")")[2].split()
    # What has ended may wait long for its parent to notice.
    return None if fields[0] in "ZX" else fields[19]


def token() -> str:
    """Return a token of this process."""
    process = os.getpid()
    return f"{_place()}|{process}|{_started(process)}"


def is_gone(other: str) -> bool:
    """Whether the process of a token has certainly ended."""
    _, _, rest = other.partition("|")
    process, _, started = rest.partition("|")
    if not is_here(other) or not (process.isascii() and process.isdigit()):
        return False
    return _started(int(process)) != started


def is_here(other: str) -> bool:
    """Whether the process of a token is, or was, one that this process could see."""
    place = other.partition("|")[0]
    return bool(place) and place == _place()
