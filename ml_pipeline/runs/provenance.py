"""What surrounds a computation: interpreter, packages and the commit of the code.

The packages are a few that every result depends on, and those that the pipeline's own code imports,
anywhere in its modules or within functions. They are read from the code rather than from what is
loaded: a function may import something heavy only once it runs, and a process loads a hundred
packages that no result depends on.
"""

import contextlib
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from ml_pipeline.code.modules import FirstParty, own_package, sources_below
from ml_pipeline.store.record import Provenance

PYTHON: Final = sys.version.partition(" ")[0]

# Packages by the module that they are imported as.
_ALWAYS: Final = {
    "dagster": "dagster",
    "ml_pipeline": "ml_pipeline",
    "numpy": "numpy",
    "polars": "polars",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "skops": "skops",
}
_INSTALLED: Final = ("site-packages", "dist-packages")


def provenance(dagster_run_id: str | None, code: Path, first_party: FirstParty = ()) -> Provenance:
    """Describe this process, naming no host, user or directory.

    Args:
        dagster_run_id: Dagster's id of the run, if there is one.
        code: a directory in the checkout whose commit counts, and whose modules' imports do.
        first_party: what the pipeline says is its own.
    """
    commit, dirty = _commit(code)
    return Provenance(
        dagster_run_id=dagster_run_id,
        git_commit=commit,
        git_dirty=dirty,
        python=PYTHON,
        packages=_packages(code, first_party),
    )


@cache
def version_of(package: str) -> str | None:
    """Return the version of an installed package, or None where there is none."""
    # A name of nothing is refused in another way than one of nothing installed.
    with contextlib.suppress(metadata.PackageNotFoundError, ValueError):
        return metadata.version(package)
    return None


@cache
def versions_of(modules: frozenset[str]) -> dict[str, str | None]:
    """Return the versions of the packages that hold some top-level modules, by package.

    A module of which no package is found is named as if it were one, without a version.
    """
    named = {
        _ALWAYS.get(module, module): version_of(_ALWAYS.get(module, module)) for module in modules
    }
    nowhere = {name for name, version in named.items() if version is None}
    return named | _distributed_as_another(nowhere)


@cache
def _packages(code: Path, first_party: FirstParty) -> dict[str, str]:
    """Return the versions of the installed packages that results depend on."""
    versions = versions_of(frozenset(_ALWAYS) | _imported(code, first_party))
    return {name: version for name, version in sorted(versions.items()) if version is not None}


def _imported(code: Path, first_party: FirstParty) -> set[str]:
    """Return the top-level names of what first-party modules import and do not hold themselves.

    Args:
        code: the modules that are loaded from below it are where to begin.
        first_party: what the pipeline says is its own.
    """
    names: set[str] = set()
    for module in _loaded_from(code):
        for source in sources_below([module], first_party or own_package(module)):
            names |= source.libraries(first_party or own_package(module))
    return names


def _loaded_from(code: Path) -> list[str]:
    """Return the loaded modules that lie below a directory and were not installed there."""
    if code.absolute().name in _INSTALLED:
        return []
    places = {f"{code.absolute()}/", f"{code.resolve()}/"}
    loaded = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__") or ""
        for place in places:
            below = file.removeprefix(place)
            if below != file and not any(part in below.split("/") for part in _INSTALLED):
                loaded.append(name)
                break
    return loaded


def _distributed_as_another(names: set[str]) -> dict[str, str]:
    """Return packages that hold modules of some names: PyYAML holds `yaml`."""
    found: dict[str, str] = {}
    if not names:
        return found
    for place in filter(None, sys.path):
        for listing in Path(place).glob("*.dist-info/RECORD"):
            with contextlib.suppress(OSError):
                files = b"\n" + listing.read_bytes()
                if any(
                    f"\n{name}{module},".encode() in files
                    for name in names
                    for module in ("/__init__.py", ".py")
                ):
                    distribution = metadata.Distribution.at(listing.parent)
                    found[distribution.name] = distribution.version
    return found


@cache
def _commit(directory: Path) -> tuple[str | None, bool | None]:
    """Return the commit and whether code differs from it; None outside a checkout.

    Tracked files count, and Python files that nobody has added yet.
    """
    if "site-packages" in directory.parts:
        return None, None
    try:
        commit = _git(directory, "rev-parse", "HEAD").strip()
        changes = _git(directory, "status", "--porcelain", "--untracked-files=no", "--", ".")
        # No module lies in a hidden folder or in one such as run=0, where stores keep thousands.
        hidden = ("--exclude=.*", "--exclude=*=*", "--exclude=site-packages")
        new = _git(directory, "ls-files", "--others", "--exclude-standard", *hidden, "--", "*.py")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(changes.strip() or new.strip())


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
