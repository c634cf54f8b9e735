"""The project that somebody is in: the nearest `pyproject.toml` that names a code location.

    [tool.ml_pipeline]
    module = "houses.definitions"

`[tool.dg.project]` does as well. Home, settings and store belong to the project, in whichever of
its folders a command is typed.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from ml_pipeline.errors import SettingsError, nearest

_FILE: Final = "pyproject.toml"
_MODULE: Final = "module"
_served: Final[list["ProjectFile"]] = []


@dataclass(frozen=True)
class ProjectFile:
    """What a `pyproject.toml` says of a project.

    Attributes:
        folder: where it stands.
        module: the code location, as ``MODULE`` or ``MODULE:PIPELINE``.
    """

    folder: Path
    module: str


def project_file() -> ProjectFile | None:
    """Return the project that this process works in, if it is in one.

    Raises:
        SettingsError: if a `pyproject.toml` cannot be read, or does not say what it should.
    """
    return _nearest(Path.cwd()) or (_served[0] if _served else None)


def work_for(package: str, code: Path) -> None:
    """Let a process that was started in no project work in that of the code that it loads.

    A workspace of `dg` starts the processes of all its projects in its own folder.

    Args:
        package: name of the package that is loaded; a project that names another one is not its.
        code: folder of its code.
    """
    found = _nearest(code)
    if found is not None and found.module.partition(".")[0] == package and not _served:
        _served.append(found)


def placed(root: str) -> str:
    """Return a directory or URI, where a relative directory is one of the project.

    Args:
        root: as it was set.
    """
    project = project_file()
    is_relative = ":" not in root and not Path(root).expanduser().is_absolute()
    return str(project.folder / root) if project is not None and is_relative else root


@cache
def _nearest(start: Path) -> ProjectFile | None:
    for folder in (start, *start.parents):
        file = folder / _FILE
        if file.is_file() and (module := _module_of(file)) is not None:
            return ProjectFile(folder, module)
    return None


def _module_of(file: Path) -> str | None:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} must be a TOML file, but cannot be read: {error}") from error
    own = _table(document, "tool", "ml_pipeline")
    if own is not None:
        for name in own:
            if name != _MODULE:
                raise SettingsError(
                    f"[tool.ml_pipeline] of {file} takes '{_MODULE}' alone, but has '{name}'."
                    f"{nearest(name, [_MODULE])} Settings stand in the home folder's settings.toml."
                )
        return _name(own.get(_MODULE), "[tool.ml_pipeline] module", file)
    project = _table(document, "tool", "dg", "project")
    if project is None:
        return None
    target = project.get("code_location_target_module")
    if target is None and "root_module" in project:
        target = f"{project['root_module']}.definitions"
    return _name(target, "[tool.dg.project] code_location_target_module", file)


def _table(document: Mapping[str, Any], *path: str) -> Mapping[str, Any] | None:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _name(value: Any, setting: str, file: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(
            f"{setting} of {file} must name a code location such as houses.definitions, but is"
            f" {'not there' if value is None else repr(value)}."
        )
    return value.strip()
