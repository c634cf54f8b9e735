"""A package of one's own, written from a template that is one itself."""

import contextlib
import importlib.metadata
import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ml_pipeline.errors import SettingsError

_TEMPLATE: Final = Path(__file__).parent / "template"
_NAME: Final = "new_pipeline"
"""What the template calls itself, in files and in their names."""
_HIDDEN: Final = "gitignore"
"""A file of the template that begins with a dot once it is written."""
_USABLE: Final = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST: Final = 60
_OWN: Final = ("tests",)


def write_project(name: str, folder: Path) -> Path:
    """Write a package with parameters, stages, automation and tests of them.

    It is there as a whole, or not at all.

    Args:
        name: of the package, the pipeline and the folder.
        folder: where its folder is made.

    Returns:
        Its folder.

    Raises:
        SettingsError: if the name cannot be used, or nothing can be written there.
    """
    target = folder / name
    if (problem := _problem_with(name, target)) is not None:
        raise SettingsError(f"{problem} Nothing was written.")
    scratch = None
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder))
        # What Python makes for itself alone has other permissions than what a user makes.
        whole = scratch / name
        for file in template_files():
            place = whole / _renamed(str(file.relative_to(_TEMPLATE)), name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(_renamed(file.read_text(encoding="utf-8"), name), encoding="utf-8")
        (whole / _HIDDEN).rename(whole / f".{_HIDDEN}")
        whole.rename(target)
    except OSError as error:
        raise SettingsError(
            f"A package must be written into a folder that takes it, but {folder} does not:"
            f" {error.strerror}. Nothing was written."
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    return target


def template_files() -> Iterator[Path]:
    """Return the files of the template."""
    for file in sorted(_TEMPLATE.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def _renamed(text: str, name: str) -> str:
    return text.replace(_NAME, name)


def _problem_with(name: str, target: Path) -> str | None:
    """Return why a package cannot have a name, or None."""
    if not _USABLE.fullmatch(name) or len(name) > _LONGEST:
        words = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()[:_LONGEST]
        nearest = f" Did you mean '{words}'?" if _USABLE.fullmatch(words) else ""
        return (
            f"A package must be called by lower-case letters, digits and _, a letter first, at most"
            f" {_LONGEST}, but got {name!r}.{nearest}"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return f"A package must have a name of its own, but '{name}' is a word of Python."
    if name in _OWN:
        return f"A package must have a name of its own, but '{name}' is what its tests are in."
    if target.exists() or target.is_symlink():
        return f"{target} must not be there yet, but is. Take another name, or move it away."
    if (found := _installed(name)) is not None:
        return (
            f"A package must have a name of its own, but '{name}' is {found}, which it would hide."
            " Take another name."
        )
    return None


def _installed(name: str) -> str | None:
    """Return what has a name already, if anything that can be imported or installed has."""
    if name in sys.stdlib_module_names:
        return "a module of Python itself"
    if name in sys.modules:
        return "an installed module"
    if (found := importlib.util.find_spec(name)) is not None:
        return f"an installed module ({found.origin or 'a folder of modules'})"
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return f"an installed package (version {importlib.metadata.version(name)})"
    return None
