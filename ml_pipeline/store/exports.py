"""Files for others below a root of their own: replaced in one step, and only if they are ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ml_pipeline.addresses import refusal
from ml_pipeline.errors import QueryError
from ml_pipeline.store.formats.parquet_footer import notes_of
from ml_pipeline.store.objects import Objects, local_directory

SUFFIX: Final = ".parquet"
_FILE: Final = f"records{SUFFIX}"


class Exports(Objects):
    """One Parquet file, at an address that somebody names.

    Attributes:
        file: its name below the root.
    """

    called = "export's folder"
    setting = "another address"

    def __init__(self, address: str) -> None:
        """Find the file that an address stands for.

        Args:
            address: a file ending in ``.parquet``, or a directory that gets one; a path or a URI.

        Raises:
            QueryError: if it carries credentials, or leads through a file.
            StoreUnreachable: if it cannot be understood.
        """
        if (problem := refusal(address)) is not None:
            raise QueryError([f"the address of an export {problem}"])
        directory, slash, name = address.rstrip("/").rpartition("/")
        self._is_directory = not name.lower().endswith(SUFFIX)
        self.file = _FILE if self._is_directory else name
        root = address if self._is_directory else directory or slash or "."
        _refuse_files(root)
        super().__init__(root)

    def refuse_others(self, notes: Mapping[str, str]) -> None:
        """Refuse to overwrite what is not an export, or to stand among what would be read with it.

        Args:
            notes: those that an export has in it.

        Raises:
            QueryError: naming what is there.
            StoreUnreachable: if that cannot be read.
        """
        others = self._others() if self._is_directory else set()
        if others:
            problem = (
                f"{self.uri} must be empty or hold an export alone, but has {min(others)!r}"
                f"{f' and {len(others) - 1} more' if len(others) > 1 else ''} in it, which might be"
                f" read as part of it. Name another directory, or a file ending in {SUFFIX}; or"
                " write there all the same with --force"
            )
            raise QueryError([problem])
        address = self.address(self.file)
        try:
            with self.opened(self.file) as file:
                size = file.seek(0, 2)
                found = notes_of(file, size)
        except FileNotFoundError:
            return
        except ValueError:
            found = {}
        if not notes.items() <= found.items():
            problem = (
                f"{address} must be free or an earlier export, but is something else. Name another"
                " file, or overwrite it with --force"
            )
            raise QueryError([problem])

    def _others(self) -> set[str]:
        return {*self.children(""), *(one["path"] for one in self.files())} - {self.file}

    def put(self, source: Path) -> None:
        """Put a file of this machine in place in one step, over what is there."""
        with self._reaching("write to"):
            self._large_objects.put(self.file, source)


def _refuse_files(root: str) -> None:
    """Refuse a local directory that is a file, or would be below one."""
    directory = local_directory(root)
    for place in () if directory is None else (directory, *directory.parents):
        if place.exists() and not place.is_dir():
            problem = (
                f"an export must go to a file ending in {SUFFIX} or to a directory, but {place} is"
                " a file of another kind. Name another place"
            )
            raise QueryError([problem])
