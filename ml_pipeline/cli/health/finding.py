"""What a check finds, and many checks asked at the same time, none for long."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ml_pipeline.addresses import masked
from ml_pipeline.errors import MlPipelineError, told

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        check: what was looked at.
        level: how it is.
        found: what was found.
        remedy: what to do; empty where that stands in what was found, or nothing is to be done.
    """

    check: str
    level: Level
    found: str
    remedy: str = ""


Check = Callable[[], Iterator[Finding]]
"""Yields what it finds, and may raise anything."""


def asked(checks: Mapping[str, Check], within_s: float) -> list[Finding]:
    """Ask checks at the same time; one that fails or hangs hides no other, nor what it had found.

    Args:
        checks: by name.
        within_s: how long all are waited for together, in seconds.

    Returns:
        What they find, in the order of the checks.
    """
    found: dict[str, list[Finding]] = {name: [] for name in checks}
    threads = {
        name: threading.Thread(target=_ask, args=(name, check, found[name]), daemon=True)
        for name, check in checks.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + within_s
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            silent = f"it did not answer within {within_s:.0f} s"
            found[name] = [
                *found[name],
                Finding(name, "problem", silent, "Look whether what it names is up, and busy."),
            ]
    return [finding for findings in found.values() for finding in findings]


def _ask(name: str, check: Check, found: list[Finding]) -> None:
    try:
        for finding in check():
            found.append(finding)
    except MlPipelineError as error:
        found.append(Finding(name, "problem", masked(str(error))))
    except Exception as error:  # noqa: BLE001 - whatever it is, others are to be told as well
        found.append(Finding(name, "problem", masked(f"{type(error).__name__}: {told(error)}")))
