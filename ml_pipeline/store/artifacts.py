"""The store: how an artifact becomes visible, and how it is found and read again.

Publishing puts the data first and the record last, each in one step that fails where the name is
taken. So a crash leaves at most a file without a record, which no reader sees; and of two writers
of one revision one wins and the other adopts what the first has published. Nothing is overwritten.
"""

import contextlib
import copy
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from ml_pipeline.errors import ArtifactDamaged, PipelineError, StoreUnreachable
from ml_pipeline.store.files import Files, digest_of_bytes, digest_of_file
from ml_pipeline.store.formats import Formats
from ml_pipeline.store.record import Content, Record
from ml_pipeline.store.slots import Slot, asset_directory

RECORD: Final = "record.json"
CLAIMS: Final = ".claims"

# On a local disk, looking at a name takes 4 us; with an object store, a request takes 20 ms.
_LOOKED_AT: Final = 10_000
_LISTED: Final = 2000


@dataclass(frozen=True)
class Published:
    """What publishing came to.

    Attributes:
        record: the record that stands in the store.
        adopted: whether another writer had published the revision first.
        deterministic: False where that writer's bytes differ from ours.
    """

    record: Record
    adopted: bool = False
    deterministic: bool = True


class ArtifactStore(Files):
    """Artifacts and their records below one root.

    Attributes:
        formats: how values are kept.
    """

    called = "store"
    setting = "ML_PIPELINE_STORE"
    formats: Formats = Formats()

    def with_formats(self, formats: Formats) -> Self:
        """Return the same store for a pipeline with formats of its own."""
        store = copy.copy(self)
        store.formats = formats
        return store

    def publish(
        self, slot: Slot, revision: str, value: Any, describe: Callable[[Content], Record]
    ) -> Published:
        """Write a value and its record; adopt what is there where another writer was first.

        Args:
            slot: the artifact's place.
            revision: its fingerprint.
            value: what to keep.
            describe: makes the record once size and digest of the bytes are known.

        Raises:
            PipelineError: if no format keeps the value so that it can be read back.
            StoreUnreachable: if the store cannot be written.
        """
        directory = slot.revision(revision)
        kept_as = self.formats.for_value(value, slot.asset)
        with self._staged(kept_as.filename) as staged:
            try:
                kept_as.keep(value, staged)
            except (ArtifactDamaged, PipelineError) as error:
                raise PipelineError(f"'{slot.asset}' is not published. {error}") from error
            except OSError as error:
                # A lazy frame reads while it is written, and may miss a file of its own.
                if isinstance(error, FileNotFoundError) and staged.parent.is_dir():
                    raise
                raise self._unreachable("write to", error) from error
            size, digest = staged.stat().st_size, digest_of_file(staged)
            file = self._put_file(directory, kept_as.filename, staged, digest)
        content = Content(
            file=file, format=kept_as.name, bytes=size, digest=digest, shape=kept_as.describe(value)
        )
        record = describe(content)
        text = record.to_json()
        try:
            Record.from_json(text, self.address(f"{directory}/{RECORD}"))
        except ArtifactDamaged as error:
            raise PipelineError(f"'{slot.asset}' is not published. {error}") from error
        if self.put_if_absent(f"{directory}/{RECORD}", text):
            return Published(record)
        try:
            standing = self.read_record(directory)
            if standing is None:
                raise StoreUnreachable(
                    f"{self.address(directory)} was published by another run and removed again"
                    " while this one published. Run again."
                )
            self._refuse_other(slot, directory, standing)
            self.check(directory, standing)
        except ArtifactDamaged:
            self.discard(slot, revision)
            return self.publish(slot, revision, value, describe)
        return Published(standing, True, standing.content.digest == digest)

    def find(self, slot: Slot, revision: str) -> Record | None:
        """Return the record of a revision if it is published and its bytes are there.

        The whole identity is compared, not its hash alone, and the size of the bytes.

        Raises:
            ArtifactDamaged: if the record cannot be read, belongs to other parameters, or its
                bytes are gone or of another size.
            StoreUnreachable: if the store cannot be read.
        """
        directory = slot.revision(revision)
        record = self.read_record(directory)
        if record is None:
            return None
        self._refuse_other(slot, directory, record)
        size = self._size(f"{directory}/{record.content.file}")
        if size != record.content.bytes:
            found = "it is missing" if size is None else f"it has {size}"
            raise ArtifactDamaged(
                f"{self.address(directory)}/{record.content.file} must have"
                f" {record.content.bytes} bytes, but {found}. It is not used."
            )
        return record

    def read_record(self, directory: str) -> Record | None:
        """Return the record in a directory, or None where there is none.

        Raises:
            ArtifactDamaged: if it cannot be read as a record, or is one from elsewhere.
        """
        path = f"{directory}/{RECORD}"
        data = self.read(path)
        if data is None:
            return None
        record = Record.from_json(data, self.address(path))
        own = f"/run={record.run_id}/rev={record.revision}"
        if not (
            directory.startswith(f"{asset_directory(record.asset)}/") and directory.endswith(own)
        ):
            raise ArtifactDamaged(
                f"{self.address(path)} must be the record of its own directory, but is that of"
                f" {record.asset} {own.lstrip('/')}. {Record.remedy}"
            )
        return record

    def readable_record(self, directory: str) -> Record | None:
        """Return the record in a directory, or None where there is none that can be read."""
        with contextlib.suppress(ArtifactDamaged):
            return self.read_record(directory)
        return None

    def load(self, slot: Slot, record: Record, lazy: bool = False) -> Any:
        """Read an artifact, checking its digest.

        Args:
            slot: the artifact's place.
            record: the revision wanted.
            lazy: whether to return a deferred form where the format has one.

        Raises:
            ArtifactDamaged: if the bytes are not those that were published.
        """
        path = f"{slot.revision(record.revision)}/{record.content.file}"
        kept_as = self.formats.named(record.content.format)
        if self.directory is None:
            data = self.read(path)
            self._check(path, record, None if data is None else digest_of_bytes(data))
            return kept_as.read(data or b"", lazy)
        # The digest comes first: what a parser makes of damaged bytes may end the whole process.
        self._check(path, record, self._digest(path))
        try:
            return kept_as.read(self.directory / path, lazy)
        except FileNotFoundError:
            return self._check(path, record, None)

    def check(self, directory: str, record: Record) -> None:
        """Check an artifact's bytes against its record, and that they can be read.

        Raises:
            ArtifactDamaged: if they are missing, not those that were published, or cannot be read.
        """
        path = f"{directory}/{record.content.file}"
        if self.directory is None:
            data = self.read(path)
            self._check(path, record, None if data is None else digest_of_bytes(data))
            source: Path | bytes = data or b""
        else:
            self._check(path, record, self._digest(path))
            source = self.directory / path
        try:
            self.formats.named(record.content.format).prove(source)
        except ArtifactDamaged as error:
            raise ArtifactDamaged(f"{self.address(path)} cannot be read. {error}") from error

    def directories(self, asset: str) -> Iterator[str]:
        """Yield the directory of every published revision of an asset."""
        for entry in self.entries(asset_directory(asset)):
            directory, _, file = entry["path"].rpartition("/")
            if file == RECORD:
                yield directory

    def newest_on_shelf(self, shelf: str) -> Iterator[str]:
        """Yield the directories of revisions in those of runs, those written last first.

        On a local disk the file system is asked: that takes a seventh of listing every file, so
        that the newest of thousands are found.

        Args:
            shelf: the directory that the runs are in.
        """
        if self.directory is None:
            yield from self.newest_directories(shelf, _LISTED)
            return
        folder = self.directory / shelf
        for run in _newest_within(folder):
            for revision in _newest_within(folder / run):
                yield f"{shelf}/{run}/{revision}"

    def newest_directories(self, below: str, most: int) -> list[str]:
        """Return the directories of revisions below one, those written last first.

        Args:
            below: the directory to look in.
            most: how many objects to look at; what comes after is left out.
        """
        records = [
            entry
            for entry in itertools.islice(self.entries(below), most)
            if entry["path"].endswith(f"/{RECORD}")
        ]
        records.sort(key=lambda entry: entry["last_modified"], reverse=True)
        return [entry["path"].rpartition("/")[0] for entry in records]

    def revisions(self, slot: Slot) -> list[Record]:
        """Return the readable published revisions of a slot, newest first."""
        read = (self.readable_record(f"{slot.path}/{name}") for name in self.children(slot.path))
        found = [record for record in read if record and record.identity == slot.identity]
        return sorted(found, key=lambda record: record.started_at, reverse=True)

    def discard(self, slot: Slot, revision: str) -> None:
        """Take a damaged revision out of the store: its record first, so that nobody trusts it.

        Raises:
            StoreUnreachable: if the store cannot be written.
        """
        directory = slot.revision(revision)
        names = [entry["path"] for entry in self.entries(directory)]
        for path in sorted(names, key=lambda name: not name.endswith(f"/{RECORD}")):
            self.remove(path)

    def _refuse_other(self, slot: Slot, directory: str, record: Record) -> None:
        if record.identity != slot.identity:
            raise ArtifactDamaged(
                f"{self.address(directory)} must hold the artifact of {slot.identity}, but its"
                f" record says {record.identity}. It is not used."
            )

    def _check(self, path: str, record: Record, digest: str | None) -> None:
        if digest is None:
            raise ArtifactDamaged(
                f"{self.address(path)} must be there, since its record is, but is missing."
            )
        if digest != record.content.digest:
            raise ArtifactDamaged(
                f"{self.address(path)} must have the digest {record.content.digest}, but has"
                f" {digest}: the bytes have changed since they were published. It is not used."
            )


def _newest_within(folder: Path) -> list[str]:
    """Return the names in a folder, those written last first; none if it cannot be read."""
    try:
        with os.scandir(folder) as found:
            looked_at = itertools.islice(found, _LOOKED_AT)
            return [one.name for one in sorted(looked_at, key=_written_at, reverse=True)]
    except OSError:
        return []


def _written_at(entry: "os.DirEntry[str]") -> int:
    return entry.stat().st_mtime_ns
