"""Whose run is whose: runs of processes that are gone are ended by whoever comes next.

Of a run that a command executes Dagster only knows that it was started, so a command that was
killed would leave it started for ever, and each such run takes a place in the queue. Hence the run
says in a tag which process executes it, and that process touches a file now and then, since of a
process on another machine nothing else can be known.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import dagster as dg

from ml_pipeline.store import owner

OWNER_TAG: Final = "ml_pipeline/owner"
"""Tag of a run: its id, and the machine and the process that execute it. The id tells it from the
tag of an earlier run, which Dagster copies where that one is executed again."""

_ALIVE: Final = "alive"
_BEAT_S: Final = 60.0
_LONGEST_SILENCE_S: Final = 600.0
_UNENDED: Final = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@contextlib.contextmanager
def owned(instance: dg.DagsterInstance, dagster_run_id: str) -> Iterator[Mapping[str, str]]:
    """Show that this process executes a run, for as long as the context lasts.

    Yields:
        The tags that the run gets.
    """
    sign = _sign_of_life(instance, dagster_run_id)
    sign.parent.mkdir(parents=True, exist_ok=True)
    sign.touch()
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(sign, stop), daemon=True)
    beating.start()
    try:
        yield {OWNER_TAG: _tag(dagster_run_id)}
    finally:
        stop.set()
        beating.join()
        sign.unlink(missing_ok=True)


def end_abandoned(instance: dg.DagsterInstance) -> list[str]:
    """End the runs whose process is gone; they show as failed, with that reason.

    Returns:
        Dagster's ids of the runs.
    """
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=list(_UNENDED))):
        sign = _sign_of_life(instance, run.run_id)
        reason = _why_gone(run, sign)
        # Another command may have been quicker.
        now = instance.get_run_by_id(run.run_id) if reason is not None else None
        if now is not None and now.status in _UNENDED:
            instance.report_run_failed(run, reason)
            sign.unlink(missing_ok=True)
            ended.append(run.run_id)
    return ended


def _sign_of_life(instance: dg.DagsterInstance, dagster_run_id: str) -> Path:
    return Path(instance.root_directory) / _ALIVE / dagster_run_id


def _beat(sign: Path, stop: threading.Event) -> None:
    while not stop.wait(_BEAT_S):
        # A disk that is full, or a network that is down, says nothing about the run.
        with contextlib.suppress(OSError):
            sign.touch()


def _tag(dagster_run_id: str) -> str:
    return f"{dagster_run_id} {socket.gethostname()} {owner.token()}"


def _why_gone(run: dg.DagsterRun, sign: Path) -> str | None:
    run_id, _, rest = run.tags.get(OWNER_TAG, "").partition(" ")
    host, _, token = rest.partition(" ")
    if run_id != run.run_id:
        return None
    if owner.is_gone(token):
        return (
            "The process that executed this run has ended without a word: it was killed, or the"
            " machine was. What was published stays; the same command goes on from there."
        )
    silence_s = None if owner.is_here(token) else _silence_s(sign)
    if silence_s is None or silence_s < _LONGEST_SILENCE_S:
        return None
    return (
        f"The process on {host} that executed this run has given no sign of life for"
        f" {silence_s / 60:.0f} minutes: it was killed, or the machine was. What was published"
        " stays; the same command goes on from there."
    )


def _silence_s(sign: Path) -> float | None:
    """Return for how long a process has been silent, or None where it never said anything.

    Clocks of two machines are not compared: both times are those of whoever keeps the files.
    """
    probe = sign.with_name(f".{sign.name}.{os.getpid()}")
    try:
        said = sign.stat().st_mtime
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)
    except OSError:
        return None
    return now - said
