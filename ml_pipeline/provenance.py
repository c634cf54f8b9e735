"""What surrounds a computation: interpreter, packages and the commit of the code."""

import contextlib
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from ml_pipeline.record import Provenance

_PACKAGES: Final = ("dagster", "ml_pipeline", "numpy", "polars", "scikit-learn", "scipy", "skops")


def provenance(dagster_run_id: str | None, code: Path) -> Provenance:
    """Describe this process, naming no host, user or directory.

    Args:
        dagster_run_id: Dagster's id of the run, if there is one.
        code: a directory in the checkout whose commit counts.
    """
    commit, dirty = _commit(code)
    return Provenance(
        dagster_run_id=dagster_run_id,
        git_commit=commit,
        git_dirty=dirty,
        python=sys.version.partition(" ")[0],
        packages=versions(),
    )


@cache
def versions() -> dict[str, str]:
    """Return the versions of the installed packages that results depend on."""
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@cache
def _commit(directory: Path) -> tuple[str | None, bool | None]:
    """Return the commit and whether tracked files differ from it; None outside a checkout."""
    if "site-packages" in directory.parts:
        return None, None
    git = ["git", "-C", str(directory)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", str(directory)],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(changes.strip())
