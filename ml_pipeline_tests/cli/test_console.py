"""The process of `ml-pipeline`: it ends quickly, but leaves nothing undone."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.server import tool

FULL = Path("/dev/full")

BESIDE = """
import atexit, sys, threading, time
import ml_pipeline.cli.console
import ml_pipeline.cli.main

def main():
    atexit.register(print, "left by a library")
    threading.Thread(target=lambda: (time.sleep(0.3), print("a thread's last words"))).start()
    print("not flushed yet", end="; ")
    {ends}

ml_pipeline.cli.main.main = main
ml_pipeline.cli.console.console()
"""


def ended(ends: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BESIDE.format(ends=ends)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def listed(line: CommandLine, output: IO[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("ml-pipeline"), "runs", "list"],
        cwd=line.folder,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_console_ends_with_the_code_after_threads_and_exit_handlers(code: int) -> None:
    done = ended(f"sys.exit({code})")
    assert done.returncode == code, done.stderr
    assert done.stdout == "not flushed yet; a thread's last words\nleft by a library\n"


def test_console_with_a_bug_shows_the_traceback() -> None:
    done = ended("raise LookupError('a bug')")
    assert done.returncode == 1
    assert "LookupError: a bug" in done.stderr
    assert "left by a library" in done.stdout


def test_console_looks_for_garbage_as_usual_once_something_is_run(
    run_python: Callable[..., str],
) -> None:
    told = run_python(
        "import gc\n"
        "from ml_pipeline.cli.console import look_for_garbage\n"
        "usual = gc.get_threshold()\n"
        "gc.set_threshold(1_000_000)\n"
        "look_for_garbage()\n"
        "print(gc.get_threshold() == usual, gc.get_freeze_count() > 1000)"
    )
    assert told.split() == ["True", "True"]


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")
def test_output_that_cannot_be_written_is_told_in_one_line(used: CommandLine) -> None:
    with FULL.open("w") as full:
        done = listed(used, full)
    assert done.returncode == 1
    assert done.stderr == "Error: the output could not be written: No space left on device.\n"


def test_output_whose_reader_has_gone_ends_in_silence(used: CommandLine) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = listed(used, gone)
    assert (done.returncode, done.stderr) == (1, "")


def test_output_that_is_closed_costs_nothing(used: CommandLine) -> None:
    shell = f"{tool('ml-pipeline')} runs show nothing <&- >&- 2>&-; echo $?"
    done = subprocess.run(
        ["sh", "-c", shell], cwd=used.folder, capture_output=True, check=False, timeout=60
    )
    assert done.stdout == b"2\n"
