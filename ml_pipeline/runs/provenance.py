"""What surrounds a computation: interpreter, packages and the commit of the code.

The packages are a few that every result depends on, and those that the pipeline's own code imports,
anywhere in its modules or within functions. They are read from the code rather than from what is
loaded: a function may import something heavy only once it runs, and a process loads a hundred
packages that no result depends on.
"""

import ast
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from ml_pipeline.code.modules import BLOCKS, Source, source_of
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


def provenance(dagster_run_id: str | None, code: Path) -> Provenance:
    """Describe this process, naming no host, user or directory.

    Args:
        dagster_run_id: Dagster's id of the run, if there is one.
        code: a directory in the checkout whose commit counts, and whose modules' imports do.
    """
    commit, dirty = _commit(code)
    return Provenance(
        dagster_run_id=dagster_run_id,
        git_commit=commit,
        git_dirty=dirty,
        python=PYTHON,
        packages=_packages(code),
    )


def version_of(package: str) -> str | None:
    """Return the version of an installed package, or None where there is none."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


@cache
def _packages(code: Path) -> dict[str, str]:
    """Return the versions of the installed packages that results depend on."""
    imported = _imported(code) - _ALWAYS.keys()
    versions = {name: version_of(name) for name in sorted([*_ALWAYS.values(), *imported])}
    found = {name: version for name, version in versions.items() if version is not None}
    return found | _distributed_as_another(imported - found.keys())


def _imported(code: Path) -> set[str]:
    """Return the top-level names of what first-party modules import and do not hold themselves.

    Args:
        code: the modules that are loaded from below it are where to begin.
    """
    waiting = [(module, module.partition(".")[0]) for module in _loaded_from(code)]
    seen = set(waiting)
    names: set[str] = set()
    own: set[str] = set()
    while waiting:
        module, root = waiting.pop()
        source = _readable_source(module, root)
        if source is None:
            names.add(module.partition(".")[0])
            continue
        own.add(module.partition(".")[0])
        found = {(name, root) for name in _modules_imported(source)} - seen
        seen |= found
        waiting += found
    return names - own - sys.stdlib_module_names - {""}


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


def _readable_source(module: str, root: str) -> Source | None:
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        return source_of(module, root)
    return None


def _modules_imported(source: Source) -> Iterator[str]:
    """Yield what a module imports, also within functions; attributes may look like modules."""
    yield from source.imported_modules
    waiting: list[ast.AST] = [part for parts in source.definitions.values() for part in parts]
    waiting += source.loose
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for _, steps in source.bound_by(node):
                yield steps[0]
                yield ".".join(steps)
        # There are no imports within expressions.
        waiting += [part for part in ast.iter_child_nodes(node) if isinstance(part, BLOCKS)]


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
