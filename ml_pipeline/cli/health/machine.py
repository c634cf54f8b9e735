"""What this machine has: versions, and room on its disks."""

import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from ml_pipeline.cli.health.finding import Finding, Level
from ml_pipeline.settings import Settings

_PACKAGE: Final = "ml_pipeline"
_SCARCE: Final = 2 << 30
_NONE: Final = 200 << 20


def versions() -> Iterator[Finding]:
    """Compare what is installed with the ranges that the package names."""
    wrong = []
    needed = [Requirement(text) for text in requires(_PACKAGE) or ()]
    for one in needed:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(one.name)
        except PackageNotFoundError:
            wrong.append(f"{one.name} {one.specifier} is not installed")
            continue
        if not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} must be {one.specifier}, but is {found}")
    if wrong:
        yield Finding("versions", "problem", "; ".join(wrong), f"`pip install {_PACKAGE}`.")
        return
    said = f"Python {platform.python_version()}, Dagster {version('dagster')}"
    yield Finding("versions", "ok", f"{said}, {_PACKAGE} {version(_PACKAGE)}: all within ranges")


def disks(settings: Settings, stores: Iterable[str]) -> Iterator[Finding]:
    """Look how much room is left where something is written."""
    folders = [settings.home, *map(Path, stores), Path(tempfile.gettempdir())]
    seen = set()
    for folder in folders:
        there = next(one for one in (folder, *folder.parents) if one.exists())
        device = there.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(there).free
        level: Level = "problem" if free < _NONE else "warning" if free < _SCARCE else "ok"
        remedy = (
            "" if level == "ok" else "Make room: `ml-pipeline retain` and `gc` tell what can go."
        )
        yield Finding("disk", level, f"{free / (1 << 30):.1f} GB free for {there}", remedy)
