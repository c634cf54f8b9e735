"""The bytes of artifacts: a file or a folder each, put in place, checked, and brought to hand.

Whoever reads gets a path on this machine whose bytes have just been compared with the record. Of a
store elsewhere they are streamed to this disk, so that they are never held in memory whole.
"""

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from blake3 import blake3
from obstore.exceptions import AlreadyExistsError

from ml_pipeline.errors import ArtifactDamaged, StoreUnreachable
from ml_pipeline.store.fetched import folder_for_good
from ml_pipeline.store.files import digest_of_bytes, digest_of_file
from ml_pipeline.store.formats.folders import members_of
from ml_pipeline.store.formats.shared_parts import SharedParts, SharedPartsFormat, same_columns
from ml_pipeline.store.record import Content, Member
from ml_pipeline.store.shared import SharedFiles, digest_in, file_name, key_of, shared_path

_CHUNK: Final = 8 << 20
_WRITERS: Final = 4
_SHOWN: Final = 3


class Payloads(SharedFiles):
    """The files and folders that artifacts are."""

    def _put_payload(self, directory: str, staged: Path, kept_as: str) -> Content:
        """Put what was staged in place.

        The files of a folder are put one by one, so it is named for its content: whoever else
        writes into it writes the same.

        Args:
            directory: the artifact's directory.
            staged: a file or a folder, named as it is to be.
            kept_as: name of the format that wrote it.

        Raises:
            PipelineError: if the folder holds what cannot be kept.
        """
        if not staged.is_dir():
            size, digest = staged.stat().st_size, digest_of_file(staged)
            name = self._put_file(directory, staged.name, staged, digest)
            return Content(file=name, format=kept_as, bytes=size, digest=digest)
        files = members_of(staged)
        members = {
            name: Member(bytes=file.stat().st_size, digest=digest_of_file(file))
            for name, file in files.items()
        }
        digest = digest_of_members(members)
        folder = f"{staged.name}-{digest}"

        def put(name: str) -> None:
            self._put_member(f"{directory}/{folder}/{name}", files[name], members[name].digest)

        with ThreadPoolExecutor(_WRITERS) as writers:
            list(writers.map(put, members))
        size = sum(one.bytes for one in members.values())
        return Content(file=folder, format=kept_as, bytes=size, digest=digest, files=members)

    def _put_parts(
        self,
        directory: str,
        shelf: str,
        value: SharedParts,
        staged: Path,
        still: Callable[[], object],
    ) -> Content:
        """Make those parts of a table that are not on a shelf yet, and put them there.

        Args:
            directory: the artifact's directory.
            shelf: where its parts are.
            value: the table.
            staged: an empty folder.
            still: called when all is made, before any of it is put in place.

        Raises:
            PipelineError: if the parts do not fit together.
        """
        kept_as = SharedPartsFormat()
        marker = self.want(directory, shelf, value.names)
        keys = {name: key_of(name) for name in value.names}
        on_shelf = self.on_shelf(shelf)
        there = {key: on_shelf[key] for key in keys.values() if key in on_shelf}
        columns: dict[str, str] = {}
        made: dict[str, Path] = {}
        absent = [name for name, key in keys.items() if key not in there]
        for name, part in value.parts(absent):
            file = staged / f"{name}.parquet"
            kept_as.table.keep(part, file)
            columns = same_columns(columns, file)
            made[name] = file
        if made and there:
            path, size = min(there.values())
            with self.opened(f"{shelf}/{path}") as opened:
                same_columns(kept_as.columns(opened, size) or {}, next(iter(made.values())))
        still()
        for name, file in made.items():
            digest = digest_of_file(file)
            path = file_name(name, digest)
            self._put_member(f"{shelf}/{path}", file, digest)
            there[keys[name]] = path, file.stat().st_size
        members = {
            f"{place:05}/{path}": Member(bytes=size, digest=digest_in(path))
            for place, (path, size) in enumerate(there[keys[name]] for name in value.names)
        }
        return Content(
            file=marker,
            format=kept_as.name,
            bytes=sum(one.bytes for one in members.values()),
            digest=digest_of_members(members),
            files=members,
            shared=shelf,
        )

    def take(self, source: "Payloads", directory: str, content: Content) -> None:
        """Copy the bytes of an artifact from another store into the same directory of this one.

        Args:
            source: the other store.
            directory: the artifact's directory.
            content: what its record says.

        Raises:
            ArtifactDamaged: if its bytes are not those that were published, or their name is taken
                here by others.
        """
        with (
            source._at_hand(directory, content, stays=False) as there,
            self._staged(content.file) as staged,
        ):
            if content.shared is not None:
                self._take_shared(source, directory, content, there)
                return
            for name, member in content.files.items():
                here = staged / name
                here.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(there / name, here)
                path = f"{directory}/{content.file}/{name}"
                self._compare(path, member.digest, digest_of_file(here))
                self._put_member(path, here, member.digest)
            if content.files:
                return
            shutil.copyfile(there, staged)
            self._compare(f"{directory}/{content.file}", content.digest, digest_of_file(staged))
            if not self._take_file(f"{directory}/{content.file}", staged, content.digest):
                raise ArtifactDamaged(
                    f"{self.address(directory)}/{content.file} must be free, or hold what is copied"
                    " there, but holds other bytes: somebody makes it anew, or died while doing so."
                )

    def _take_shared(
        self, source: "Payloads", directory: str, content: Content, there: Path
    ) -> None:
        marker = f"{directory}/{content.file}"
        self.put_if_absent(marker, source.read(marker) or b"")
        absent = self.missing_of(content)
        for name, member in content.files.items():
            if (path := shared_path(content, name)) in absent:
                self._put_member(path, (there / name).resolve(), member.digest)

    def _take_file(self, path: str, staged: Path, digest: str) -> bool:
        """Put a file in place under this very name and tell whether its bytes are there then."""
        if self._is_streamed(staged):
            # Nobody but who copies the same puts what is so large under a name not of its own.
            if self._size(path) is None:
                self._upload(path, staged)
                return True
            return self._digest(path) == digest
        try:
            self._put_if_absent(path, staged)
        except AlreadyExistsError:
            return self._digest(path) == digest
        return True

    def _put_member(self, path: str, staged: Path, digest: str) -> None:
        """Put one file of a folder in place."""
        if self._is_streamed(staged):
            # Its folder is named for its content: whoever writes here writes the same.
            self._upload(path, staged)
            return
        try:
            self._put_if_absent(path, staged)
        except AlreadyExistsError:
            if self._digest(path) != digest:
                raise StoreUnreachable(
                    f"{self.address(path)} is in a folder that is named for its content but"
                    " has other content. Remove the folder and run again."
                ) from None

    def _missing(self, directory: str, content: Content) -> str | None:
        """Say what of an artifact is not there or of another size; None if all is.

        Args:
            directory: the artifact's directory.
            content: what its record says.
        """
        path = f"{directory}/{content.file}"
        if content.shared is not None:
            absent = self.missing_of(content)
            if self._size(path) is None:
                absent[path] = None
            for lost, size in absent.items():
                found = "is missing" if size is None else f"has {size} bytes"
                return f"{self.address(lost)} must be there as written, but {found}."
            return None
        if not content.files:
            size = self._size(path)
            if size == content.bytes:
                return None
            found = "it is missing" if size is None else f"it has {size}"
            return f"{self.address(path)} must have {content.bytes} bytes, but {found}."
        wanted = {name: one.bytes for name, one in content.files.items()}
        there = self._sizes(path)
        if there == wanted:
            return None
        return f"{self.address(path)} must hold its files as written, but {_other(wanted, there)}."

    @contextlib.contextmanager
    def _at_hand(self, directory: str, content: Content, stays: bool) -> Iterator[Path]:
        """Give an artifact's file or folder on this machine, its bytes compared with the record.

        The digest comes first: what a parser makes of damaged bytes may end the whole process.

        Args:
            directory: the artifact's directory.
            content: what its record says.
            stays: whether it is read from for as long as this process lives.

        Raises:
            ArtifactDamaged: if the bytes are not those that were published.
        """
        path = f"{directory}/{content.file}"
        if content.files and (missing := self._missing(directory, content)) is not None:
            raise ArtifactDamaged(f"{missing} It is not used.")
        with contextlib.ExitStack() as held:
            if self.directory is not None and content.shared is None:
                here = self.directory / path
            elif stays:
                here = folder_for_good(content.digest) / content.file
            else:
                temporary = tempfile.TemporaryDirectory(prefix="ml_pipeline-")
                here = Path(held.enter_context(temporary)) / content.file
            if not content.files:
                self._bring(path, here, content.digest)
            if content.shared is not None:
                self.view(content, here)
            for name, member in () if content.shared else content.files.items():
                self._bring(f"{path}/{name}", here / name, member.digest)
            try:
                yield here
            except FileNotFoundError:
                if here.exists():
                    raise
                self._compare(path, content.digest, None)

    def _bring(self, path: str, here: Path, digest: str) -> None:
        """Have a file on this machine and compare its bytes."""
        if self.directory is not None:
            self._compare(path, digest, self._digest(path))
        elif not (here.is_file() and digest_of_file(here) == digest):
            self._fetch(path, here, digest)

    def _fetch(self, path: str, here: Path, digest: str) -> None:
        """Stream an object into a file in one step, its bytes compared."""
        here.parent.mkdir(parents=True, exist_ok=True)
        part = here.with_name(f"{uuid.uuid4().hex}.part")
        self._compare(path, digest, self._streamed(path, part))
        part.replace(here)

    def _streamed(self, path: str, here: Path) -> str | None:
        """Stream an object into a file and return its digest; None where there is none."""
        seen = blake3()
        try:
            with self._reaching("read"):
                chunks = self._large_objects.get(path).stream(min_chunk_size=_CHUNK)
                with here.open("wb") as file:
                    for chunk in chunks:
                        seen.update(chunk)
                        file.write(chunk)
        except FileNotFoundError:
            return None
        return seen.hexdigest(length=16)

    def _sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of all files below a folder, in bytes."""
        if self.listing is not None and self.listing.covers(folder):
            return self.listing.sizes_below(folder)
        if self.directory is None:
            start = len(folder) + 1
            return {entry["path"][start:]: entry["size"] for entry in self.entries(folder)}
        with self._reaching("read"):
            top = self.directory / folder
            return {
                file.relative_to(top).as_posix(): file.lstat().st_size
                for file in top.rglob("*")
                if file.is_symlink() or not file.is_dir()
            }


def digest_of_members(members: Mapping[str, Member]) -> str:
    """Return the digest of a folder: of the paths and digests of all its files, 32 digits."""
    lines = [f"{one.digest} {one.bytes} {name}" for name, one in sorted(members.items())]
    return digest_of_bytes("\n".join(lines).encode())


def _other(wanted: Mapping[str, int], found: Mapping[str, int]) -> str:
    """Say how the files of a folder differ from those wanted."""
    told: dict[str, list[Any]] = {
        "missing": sorted(wanted.keys() - found.keys()),
        "not of it": sorted(found.keys() - wanted.keys()),
        "of another size": [name for name, size in wanted.items() if found.get(name, size) != size],
    }
    return "; ".join(
        f"{', '.join(map(repr, names[:_SHOWN]))} {'is' if len(names) == 1 else 'are'} {what}"
        for what, names in told.items()
        if names
    )
