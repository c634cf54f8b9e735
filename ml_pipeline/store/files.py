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
_AT_ONCE: Final = 16 << 20
_PART: Final = 8 << 20
_PARTS_AT_ONCE: Final = 4
_MOST_PARTS: Final = 9000
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
        by_content = f"{stem}-{digest}{dot}{suffix}"
        if self._is_streamed(staged):
            # Parts cannot be put in place on condition that the name is free: so under a name
            # that whoever else writes to writes the same.
            self._upload(f"{directory}/{by_content}", staged)
            return by_content
        for name in (filename, by_content):
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
                self._large_objects.put(path, staged, mode="create")
                return
            try:
                self._into_directory(path, lambda target: os.link(staged, target), staged)
            except FileExistsError as error:
                raise AlreadyExistsError(str(error)) from error

    def _is_streamed(self, staged: Path) -> bool:
        """Whether a file is too large to be held in memory on its way to an object store."""
        return self.directory is None and staged.stat().st_size > _AT_ONCE

    def _upload(self, path: str, staged: Path) -> None:
        """Write a file in parts, over what is there; it appears in one step, with the last part."""
        part = max(_PART, -(-staged.stat().st_size // _MOST_PARTS))
        with self._reaching("write to"):
            self._large_objects.put(path, staged, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)

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
        if self.listing is not None and self.listing.covers(path):
            return self.listing.sizes.get(path)
        try:
            with self._reaching("read"):
                return int(self._objects.head(path)["size"])
        except FileNotFoundError:
            return None

    def _digest(self, path: str) -> str | None:
        try:
            with self._reaching("read"):
                if self.directory is not None:
                    return digest_of_file(self.directory / path)
                seen = blake3()
                for chunk in self._large_objects.get(path).stream(min_chunk_size=_PART):
                    seen.update(chunk)
                return seen.hexdigest(length=16)
        except FileNotFoundError:
            return None


def digest_of_bytes(data: bytes) -> str:
    """Return the BLAKE3 of bytes, 32 hexadecimal digits."""
    return blake3(data).hexdigest(length=16)


def digest_of_file(path: Path) -> str:
    """Return the BLAKE3 of a file, 32 hexadecimal digits."""
    threads = blake3.AUTO if path.stat().st_size > _LARGE else 1
    return blake3(max_threads=threads).update_mmap(path).hexdigest(length=16)
