"""What the processes of a sweep take together, counted from `/proc` while it runs."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

WORKERS: Final = 2
_LOOK_S: Final = 0.5
_SERVER: Final = "multiprocessing.forkserver"


def memory(scratch: Path, command: str) -> Iterator[object]:
    """Proportional set size of a sweep's processes: what several share counts once."""
    for dataset, first in {"orders": "1998-05-18", "customers": "1998-05-29"}.items():
        sweep = [command, "sweep", "--from", first, "--to", "1998-05-31"]
        sweep += ["-p", f"dataset={dataset}", "-p", "learning_rate=0.05,0.1,0.2"]
        most = _most([*sweep, "--workers", str(WORKERS)], scratch / dataset)
        workers = sum(most["worker"])
        each = ", ".join(f"{mb:.0f}" for mb in most["worker"])
        yield (
            f"{dataset}: {WORKERS} workers {workers:.0f} MB of proportional set size ({each});"
            f" with the server that they are forked from {workers + sum(most['server']):.0f} MB"
            f"   aim: under 600\n"
            f"    with the command, {sum(most['command']):.0f} MB of it, {_total(most):.0f} MB"
        )


def _most(command: list[str], home: Path) -> dict[str, list[float]]:
    """Return MB of each process, by what it is, when they took most."""
    most: dict[str, list[float]] = {"command": [], "server": [], "worker": []}
    environment = {**os.environ, "ML_PIPELINE_HOME": str(home)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        while running.poll() is None:
            found: dict[str, list[float]] = {"command": [], "server": [], "worker": []}
            parents = _parents()
            for number in _below(running.pid, parents):
                kind = "command"
                if _SERVER in _read(number, "cmdline"):
                    is_forked = _SERVER in _read(parents[number], "cmdline")
                    kind = "worker" if is_forked else "server"
                found[kind].append(_pss_mb(number))
            most = max(most, found, key=_total)
            time.sleep(_LOOK_S)
        assert running.returncode == 0
    return most


def _total(found: dict[str, list[float]]) -> float:
    return sum(map(sum, found.values()))


def _below(first: int, parents: dict[int, int]) -> list[int]:
    """Return a process and all that it has started, directly or not."""
    found = [first]
    for number in found:
        found += [child for child, parent in parents.items() if parent == number]
    return found


def _parents() -> dict[int, int]:
    numbers = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    told = {number: _read(number, "stat").rpartition(")")[2].split() for number in numbers}
    return {number: int(fields[1]) for number, fields in told.items() if fields}


def _pss_mb(number: int) -> float:
    for line in _read(number, "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _read(number: int, file: str) -> str:
    """Return a file of a process, empty where the process is gone."""
    try:
        return Path(f"/proc/{number}/{file}").read_text(errors="replace")
    except OSError:
        return ""
