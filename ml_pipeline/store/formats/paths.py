"""Files and folders as they are: what a stage has written somewhere comes back as a path to it.

A stage returns the path, and what is there stays. Whoever reads gets a path to the stored files,
the store's own, so they must not be changed there. Names and content count; times, owners and
permissions don't.
"""

import shutil
from pathlib import Path
from typing import Any

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats.folders import members_of
from ml_pipeline.store.formats.format import Format


class FileFormat(Format):
    """One file, under the name that it has."""

    name = "file"
    filename = "file"
    is_directory = True
    needs_file = True
    types = (Path,)

    def accepts(self, value: Any) -> bool:
        """Whether `value` is the path of a file."""
        return isinstance(value, Path) and not value.is_dir()

    def write(self, value: Any, path: Path) -> None:
        """Copy the file.

        Raises:
            PipelineError: if there is none.
        """
        if not value.is_file():
            raise PipelineError(
                f"A path must be that of a file or folder, but there is none at {value}. Write it"
                " before you return it."
            )
        shutil.copyfile(value, path / value.name)

    def read(self, path: Path, lazy: bool) -> Path:
        """Return the path of the stored file."""
        (file,) = path.iterdir()
        return file

    def prove(self, path: Path) -> None:
        """Nothing to prove: a copy is what was copied."""


class FolderFormat(Format):
    """A folder of files, under the names that they have in it."""

    name = "folder"
    filename = "folder"
    is_directory = True
    needs_file = True
    types = (Path,)

    def accepts(self, value: Any) -> bool:
        """Whether `value` is the path of a folder."""
        return isinstance(value, Path) and value.is_dir()

    def write(self, value: Any, path: Path) -> None:
        """Copy the files one by one, never held in memory whole.

        Raises:
            PipelineError: if the folder holds what would not come back as it is.
        """
        for name, file in members_of(value).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, path / name)

    def read(self, path: Path, lazy: bool) -> Path:
        """Return the path of the stored folder."""
        return path

    def prove(self, path: Path) -> None:
        """Nothing to prove: a copy is what was copied."""

    def describe(self, value: Any) -> dict[str, int]:
        """Return how many files there are."""
        return {"files": len(members_of(value))}
