"""The files of a folder, and what about a folder would not come back as it is."""

from pathlib import Path
from typing import Final

from ml_pipeline.errors import PipelineError

_MOST_FILES: Final = 10_000
_SHOWN: Final = 3


def members_of(folder: Path) -> dict[str, Path]:
    """Return the files below a folder by their path in it, in order of these paths.

    Raises:
        PipelineError: if it holds none, too many, or anything that would not come back as it is.
    """
    found: dict[str, Path] = {}
    problems: list[str] = []
    top = folder.resolve()
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if "\\" in name or not name.isprintable():
            problems.append(f"{name!r} has a character that not every store can keep in a name")
        elif file.is_symlink() and not (file.is_file() and file.resolve().is_relative_to(top)):
            problems.append(f"{name!r} is a link to something other than a file within it")
        elif file.is_file():
            found[name] = file.resolve()
        elif not file.is_dir():
            problems.append(f"{name!r} is neither a file nor a folder")
        elif not any(file.iterdir()):
            problems.append(f"{name!r} is an empty folder")
    if not found and not problems:
        problems.append("there is none")
    if len(found) > _MOST_FILES:
        problems.append(f"there are {len(found)} files: pack what belongs together into one")
    if problems:
        more = len(problems) - _SHOWN
        listed = "; ".join(problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise PipelineError(
            f"A folder must hold plain files and folders of them, at most {_MOST_FILES}, but"
            f" {listed}."
        )
    return dict(sorted(found.items()))
