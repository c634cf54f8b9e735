"""Files that artifacts share: each is kept once, beside the artifacts, and known by its content.

    .shared/{asset}/{shelf}/{what decides its content}-{digest}.parquet

A shelf is of one stage's code and parameters, at all dates. What an artifact wants of it is written
into its own directory before anything is put or counted on there, so that who tidies up knows, and
stays there with the record. Nothing is overwritten, and a file goes when nothing wants it.
"""

import contextlib
import json
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from ml_pipeline.ages import SETTLED_S
from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.params.identity import digest_of
from ml_pipeline.store.fetched import folder_for_good
from ml_pipeline.store.files import Files, digest_of_bytes, digest_of_file
from ml_pipeline.store.record import Content
from ml_pipeline.store.slots import Slot, asset_directory

SHARED: Final = ".shared"
_WANTED: Final = re.compile(r"/rev=[^/]+/shared-[0-9a-f]{32}\.json\Z")
_SUFFIX: Final = ".parquet"
_KEY: Final = 32
_seen: Final[dict[tuple[str, str], tuple[int, ...]]] = {}
"""Files that this process has compared with their digest, and what the disk said of them then."""


class SharedFiles(Files):
    """Files below one root that artifacts share."""

    def on_shelf(self, shelf: str) -> dict[str, tuple[str, int]]:
        """Return name and size of what is on a shelf by what decides its content."""
        found: dict[str, tuple[str, int]] = {}
        for entry in self.entries(shelf):
            one = entry["path"].rpartition("/")[2], entry["size"]
            key = one[0][:_KEY]
            # Of two that should be the same, whoever looks takes the same one.
            found[key] = min(found.get(key, one), one)
        return found

    def want(self, directory: str, shelf: str, names: Iterable[str]) -> str:
        """Write down what an artifact counts on, and return the name of what it is written in.

        Args:
            directory: the artifact's directory.
            shelf: where it is.
            names: what decides the content of each.
        """
        text = json.dumps([f"{shelf}/{key_of(name)}" for name in names], indent=0).encode()
        name = f"shared-{digest_of_bytes(text)}.json"
        self.put_if_absent(f"{directory}/{name}", text)
        return name

    def view(self, content: Content, here: Path) -> None:
        """Have the files of an artifact on this machine, in one folder, their bytes compared.

        Args:
            content: what its record says.
            here: the folder to make.

        Raises:
            ArtifactDamaged: if one is missing or has other bytes.
        """
        digests = {shared_path(content, name): one.digest for name, one in content.files.items()}
        brought = self.each(lambda path: self._brought(path, digests[path]), digests)
        for name, file in zip(content.files, brought, strict=True):
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            # Another thread of this process may make the same.
            with contextlib.suppress(FileExistsError):
                (here / name).symlink_to(file)

    def view_first(self, content: Content, here: Path) -> None:
        """Have the first file of an artifact on this machine, as `view` has all."""
        name, member = next(iter(content.files.items()))
        self.view(content.model_copy(update={"files": {name: member}}), here)

    def _brought(self, path: str, digest: str) -> Path:
        """Return where a file is on this machine, its bytes compared."""
        if self.directory is not None:
            here = self.directory / path
        else:
            here = folder_for_good(digest_of([self.uri, path])) / path.rpartition("/")[2]
            if not here.is_file():
                self._fetch(path, here, digest)
        key = (str(here), digest)
        try:
            now = here.stat()
            stamp = (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)
            if _seen.get(key) != stamp:
                self._compare(path, digest, digest_of_file(here))
                if time.time() - now.st_ctime > SETTLED_S:
                    _seen[key] = stamp
        except FileNotFoundError:
            self._compare(path, digest, None)
        return here

    def _fetch(self, path: str, here: Path, digest: str) -> None:
        raise NotImplementedError

    def _compare(self, path: str, digest: str, found: str | None) -> None:
        if found is None:
            raise ArtifactDamaged(
                f"{self.address(path)} must be there, since its record is, but is missing."
            )
        if found != digest:
            raise ArtifactDamaged(
                f"{self.address(path)} must have the digest {digest}, but has {found}: the bytes"
                " have changed since they were published. It is not used."
            )

    def missing_of(self, content: Content) -> dict[str, int | None]:
        """Return those of an artifact's files that are not there, or of another size."""
        wanted = {shared_path(content, name): one.bytes for name, one in content.files.items()}
        there: Mapping[str, int | None]
        if self.directory is None:
            there = {entry["path"]: entry["size"] for entry in self.entries(content.shared or "")}
        else:
            there = {path: self._size(path) for path in wanted}
        return {path: there.get(path) for path, size in wanted.items() if there.get(path) != size}

    def remove_damaged(self, content: Content) -> None:
        """Take those of an artifact's shared files away that are not what they were."""
        for name, member in content.files.items() if content.shared else ():
            path = shared_path(content, name)
            if self._digest(path) not in (None, member.digest):
                self.remove(path)
                folder = folder_for_good(digest_of([self.uri, path]))
                (folder / path.rpartition("/")[2]).unlink(missing_ok=True)

    def wanted(self, markers: Iterable[str]) -> set[str]:
        """Return what artifacts count on: shelf and what decides the content, of each.

        Args:
            markers: paths of what they have written it in.

        Raises:
            ArtifactDamaged: if one cannot be read, so that it cannot be told what is wanted.
        """
        found: set[str] = set()
        for path, text in self.each(lambda marker: (marker, self.read(marker)), markers):
            try:
                found.update(map(str, json.loads(text) if text is not None else ()))
            except ValueError as error:
                raise ArtifactDamaged(
                    f"{self.address(path)} must tell which shared files its artifact has, but"
                    " cannot be read. Remove its directory: the next run makes it again."
                ) from error
        return found

    def markers(self, assets: Collection[str]) -> Iterator[str]:
        """Yield where the artifacts of some assets say what they count on."""
        for asset in assets:
            for entry in self.entries(asset_directory(asset)):
                if is_marker(entry["path"]):
                    yield entry["path"]


def shelf_of(slot: Slot, code: str) -> str:
    """Return where the shared files of a stage's code and parameters are, at all dates.

    Args:
        slot: an artifact's place.
        code: the stage's fingerprint.
    """
    told = {name: value for name, value in slot.identity.items() if name != "as_of"}
    return f"{SHARED}/{asset_directory(slot.asset)}/{digest_of({'code': code, 'of': told})}"


def key_of(name: str) -> str:
    """Return what a name is in those of files: 32 hexadecimal digits."""
    return digest_of_bytes(name.encode())


def file_name(name: str, digest: str) -> str:
    """Return what the file of a part is called.

    Args:
        name: what decides its content.
        digest: of its bytes.
    """
    return f"{key_of(name)}-{digest}{_SUFFIX}"


def digest_in(file: str) -> str:
    """Return the digest of the bytes that a file is named for."""
    return file[_KEY + 1 :].removesuffix(_SUFFIX)


def shared_path(content: Content, name: str) -> str:
    """Return the path of a shared file below the root.

    Args:
        content: what the record of an artifact says.
        name: of one of its files.
    """
    return f"{content.shared}/{name.rpartition('/')[2]}"


def is_shared(path: str) -> bool:
    """Whether a path is of a shared file."""
    return path.startswith(f"{SHARED}/")


def is_marker(path: str) -> bool:
    """Whether a path is of what an artifact says in which shared files it counts on."""
    return _WANTED.search(path) is not None


def is_wanted(path: str, wanted: Collection[str]) -> bool:
    """Whether something counts on a shared file.

    Args:
        path: of the file.
        wanted: what `SharedFiles.wanted` has found.
    """
    shelf, _, name = path.rpartition("/")
    return f"{shelf}/{name[:_KEY]}" in wanted
