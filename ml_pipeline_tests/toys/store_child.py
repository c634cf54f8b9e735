"""Publishes artifacts in processes that die, race, or run out of space.

Started as a script by the tests of the store; prints JSON. Everything is imported once, then each
attempt is a fork: a kill costs a few milliseconds instead of an interpreter.
"""

import itertools
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Content, Record
from ml_pipeline.store.slots import Slot, slot_for


class Group(ParamGroup):
    """The one group of what is published here."""

    depth: int = 3


SLOT = slot_for("table", ParamModel(group=Group).defaults, ["group"], date(2020, 1, 1))


def describe(revision: str, slot: Slot = SLOT) -> Callable[[Content], Record]:
    """Return what makes the record of a revision."""
    return lambda content: Record(
        asset=slot.asset,
        run_id=slot.run_id,
        revision=revision,
        as_of=slot.as_of,
        identity=slot.identity,
        params={},
        code="code",
        content=content,
        started_at=datetime.now(UTC),
        duration_s=0.0,
    )


def payload(revision: str) -> dict[str, Any]:
    """Return the value that belongs to a revision."""
    return {"revision": revision, "filler": ["x" * 100] * 500}


def publish(root: str, revision: str) -> None:
    """Publish the value of a revision."""
    ArtifactStore(root).publish(SLOT, revision, payload(revision), describe(revision))


def discard(root: str, revision: str) -> None:
    """Take a revision out of the store."""
    ArtifactStore(root).discard(SLOT, revision)


def fork(work: Callable[[], object]) -> int:
    """Run `work` in a new process and return its id."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            work()
        except BaseException:  # noqa: BLE001 - the status tells
            os._exit(1)
        os._exit(0)
    return child


def die_at_any_time(root: str, kills: str) -> dict[str, Any]:
    """Publish one revision after another, killed after a different time in every attempt."""
    killed = 0
    for attempt in range(int(kills)):
        ready, started = os.pipe()

        def loop(attempt: int = attempt, started: int = started) -> None:
            publish(root, f"{attempt}-warm")
            os.write(started, b"x")
            for number in itertools.count():
                publish(root, f"{attempt}-{number}")

        child = fork(loop)
        os.read(ready, 1)
        time.sleep(random.Random(attempt).uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        os.close(ready)
        os.close(started)
    return {"killed": killed}


def killer(root: str, last: int, writer: int) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that kills the process before the `last` step on files below `root`."""
    steps = ("open", "os.mkdir", "os.link", "os.remove", "os.rmdir")
    seen = itertools.count(1)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in steps and root in str(arguments[0]) and next(seen) == last:
            os.write(writer, event.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    return watch


def die_at_every_step(root: str) -> dict[str, Any]:
    """Publish in one new root after another, killed before the 1st, 2nd ... step on files."""
    steps = []
    for last in itertools.count(1):
        reader, writer = os.pipe()

        def work(last: int = last, writer: int = writer) -> None:
            sys.addaudithook(killer(root, last, writer))
            publish(f"{root}/{last}", "step")

        child = fork(work)
        os.close(writer)
        event = os.read(reader, 100).decode()
        os.close(reader)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            return {"steps": steps, "last_status": status}
        steps.append(event)
    raise AssertionError


def die_within_a_write(root: str) -> dict[str, Any]:
    """Publish small values with large records, killed after so many bytes of a file."""
    killed, finished = 0, 0
    for limit in (*range(8), *range(50, 20_000, 997), 1_000_000):

        def work(limit: int = limit) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            made = describe(f"bytes-{limit}")
            large = {"origins": {f"group.depth{n}": "x" * 100 for n in range(100)}}
            ArtifactStore(root).publish(
                SLOT,
                f"bytes-{limit}",
                {"limit": limit},
                lambda content: made(content).model_copy(update=large),
            )

        status = os.waitpid(fork(work), 0)[1]
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXFSZ
        finished += status == 0
    return {"killed": killed, "finished": finished}


def race(root: str, rounds: str, same: str) -> list[list[dict[str, Any]]]:
    """Publish each of many revisions in two processes at the same moment."""
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()

    def runner(name: int) -> None:
        store = ArtifactStore(root)
        for number in range(int(rounds)):
            revision = f"race-{number}"
            value = payload(revision) | ({} if same == "same" else {"writer": name})
            barrier.wait()
            done = store.publish(SLOT, revision, value, describe(revision))
            results.put(
                {
                    "round": number,
                    "writer": name,
                    "adopted": done.adopted,
                    "deterministic": done.deterministic,
                    "digest": done.record.content.digest,
                }
            )

    runners = [context.Process(target=runner, args=(name,)) for name in (1, 2)]
    for process in runners:
        process.start()
    collected = [results.get() for _ in range(2 * int(rounds))]
    for process in runners:
        process.join()
        assert process.exitcode == 0
    return [
        sorted((r for r in collected if r["round"] == n), key=lambda r: r["adopted"])
        for n in range(int(rounds))
    ]


def run_out_of_space(root: str, limit: str) -> dict[str, str]:
    """Publish values of several types where no file may be larger than `limit` bytes."""
    import polars as pl

    frame = pl.DataFrame({"a": [random.random() for _ in range(20_000)]})
    values = {
        "json": payload("json"),
        "bytes": b"x" * 100_000,
        "frame": frame,
        "lazy": frame.lazy(),
        "record": {},
    }
    store = ArtifactStore(root)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    outcomes = {}
    for name, value in values.items():
        try:
            store.publish(SLOT, name, value, describe(name))
        except StoreUnreachable as error:
            outcomes[name] = str(error)
        except Exception as error:  # noqa: BLE001 - handed to the test, whichever it is
            outcomes[name] = f"{type(error).__name__}: {error}"
        else:
            outcomes[name] = "published"
    return outcomes


COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__: command
    for command in (die_at_any_time, die_at_every_step, die_within_a_write, race, run_out_of_space)
}


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    if name in ("publish", "discard"):
        {"publish": publish, "discard": discard}[name](*arguments)
    else:
        Path(arguments[0]).mkdir(parents=True, exist_ok=True)
        print(json.dumps(COMMANDS[name](*arguments)))
