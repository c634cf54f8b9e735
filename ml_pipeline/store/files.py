"""Files below a root: made aside, put in place in one step, and known by the digest of their bytes.

Where a name is taken, what is there stays.
"""

import contextlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from blake3 import blake3
from obstore.exceptions import AlreadyExistsError

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.store.objects import Objects

STAGING: Final = ".staging"
_LARGE: Final = 1 << 20
_MOST_SWEEPS: Final = 5
_PAUSE_S: Final = 0.02


class Files(Objects):
    """Files of any size below one root."""

    def _put_file(self, directory: str, filename: str, staged: Path, digest: str) -> str:
        """Put a staged file in place and return the name that it got.

        Where the name is taken by other bytes, a writer of this revision has died, or is at work
        and not deterministic: either way those bytes are not ours to replace.
        """
        stem, dot, suffix = filename.partition(".")
        for name in (filename, f"{stem}-{digest}{dot}{suffix}"):
            try:
                self._put_if_absent(f"{directory}/{name}", staged)
            except AlreadyExistsError:
                if self._digest(f"{directory}/{name}") == digest:
                    return name
            else:
                return name
        raise StoreUnreachable(
            f"{self.address(directory)} holds a file that is named for its content but has other"
            " content. Remove the directory and run again."
        )

    def _put_if_absent(self, path: str, staged: Path) -> None:
        with self._reaching("write to"):
            if self.directory is None:
                self._objects.put(path, staged, mode="create")
                return
            try:
                self._into_directory(path, lambda target: os.link(staged, target), staged)
            except FileExistsError as error:
                raise AlreadyExistsError(str(error)) from error

    @contextlib.contextmanager
    def _staged(self, filename: str) -> Iterator[Path]:
        """Give a path for a file in the making, on the root's own disk where it is local."""
        try:
            if self.directory is None:
                staging = Path(tempfile.mkdtemp(prefix="ml_pipeline-"))
            else:
                staging = self.directory / STAGING / uuid.uuid4().hex
                staging.mkdir(parents=True)
        except OSError as error:
            raise self._unreachable("write to", error) from error
        try:
            yield staging / filename
        finally:
            # A query that fails may still be about to open the file that it would have filled.
            for _ in range(_MOST_SWEEPS):
                shutil.rmtree(staging, ignore_errors=True)
                if not staging.exists():
                    break
                time.sleep(_PAUSE_S)

    def _size(self, path: str) -> int | None:
        try:
            with self._reaching("read"):
                return int(self._objects.head(path)["size"])
        except FileNotFoundError:
            return None

    def _digest(self, path: str) -> str | None:
        if self.directory is None:
            data = self.read(path)
            return None if data is None else digest_of_bytes(data)
        try:
            with self._reaching("read"):
                return digest_of_file(self.directory / path)
        except FileNotFoundError:
            return None


def digest_of_bytes(data: bytes) -> str:
    """Return the BLAKE3 of bytes, 32 hexadecimal digits."""
    return blake3(data).hexdigest(length=16)


def digest_of_file(path: Path) -> str:
    """Return the BLAKE3 of a file, 32 hexadecimal digits."""
    threads = blake3.AUTO if path.stat().st_size > _LARGE else 1
    return blake3(max_threads=threads).update_mmap(path).hexdigest(length=16)
