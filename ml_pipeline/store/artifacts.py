"""The store: how an artifact becomes visible, and how it is found and read again.

Publishing puts the data first and the record last, each in one step that fails where the name is
taken. So a crash leaves at most a file without a record, which no reader sees; and of two writers
of one revision one wins and the other adopts what the first has published. Nothing is overwritten.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import ArtifactDamaged, PipelineError, StoreUnreachable
from ml_pipeline.store.formats.sample import Sample
from ml_pipeline.store.pages import PICTURE
from ml_pipeline.store.record import Content, Record
from ml_pipeline.store.slots import Slot, asset_directory, revision_of
from ml_pipeline.store.values import Values

if TYPE_CHECKING:
    from ml_pipeline.store.fallbacks import Fallback

RECORD: Final = "record.json"
CARD: Final = "card.md"
"""The card beside a model; what is there without it is as good."""
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
        sample: columns and first rows of a table, where they were asked for.
    """

    record: Record
    adopted: bool = False
    deterministic: bool = True
    sample: Sample | None = None


class ArtifactStore(Values):
    """Artifacts and their records below one root.

    Attributes:
        environment: whose store it is; None where no environments are configured.
        index: where the database is that has an index of it, a file or a URL; None for none.
        fallbacks: the stores of other environments that are read where this one has nothing.
    """

    called = "store"
    setting = "ML_PIPELINE_STORE"
    environment: str | None = None
    index: str | None = None
    fallbacks: Sequence["Fallback"] = ()

    def publish(
        self,
        slot: Slot,
        revision: str,
        value: Any,
        describe: Callable[[Content], Record],
        pictures: Mapping[str, str] = MappingProxyType({}),
        sample_rows: int | None = None,
        code: str | None = None,
        still: Callable[[], object] = lambda: None,
    ) -> Published:
        """Write a value and its record; adopt what is there where another writer was first.

        Args:
            slot: the artifact's place.
            revision: its fingerprint.
            value: what to keep.
            describe: makes the record once size and digest of the bytes are known.
            pictures: SVGs that show the value, by name; its own if there are none.
            sample_rows: how many first rows of a table to return; None for no sample at all.
            code: fingerprint of the stage; without it nothing is shared with artifacts of other
                dates.
            still: called when what reads while it is written has been read, before any of it is put
                in place; what it raises ends this, and nothing is published.

        Raises:
            PipelineError: if no format keeps the value so that it can be read back.
            StoreUnreachable: if the store cannot be written.
        """
        directory = slot.revision(revision)
        content, own, sample = self._put_value(slot, directory, value, sample_rows, code, still)
        shown = pictures or ({PICTURE: own} if own is not None else {})
        page = self.put_pictures(directory, shown) if shown else None
        record = describe(content).model_copy(update={"pictures": page})
        text = record.to_json()
        try:
            Record.from_json(text, self.address(f"{directory}/{RECORD}"))
        except ArtifactDamaged as error:
            raise PipelineError(f"'{slot.asset}' is not published. {error}") from error
        if self.put_record(directory, text):
            return Published(record, sample=sample)
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
            self.remove_damaged(content)
            self.discard(slot, revision)
            return self.publish(slot, revision, value, describe, pictures, sample_rows, code, still)
        return Published(standing, True, standing.content.digest == content.digest, sample)

    def put_record(self, directory: str, text: bytes) -> bool:
        """Publish what is in a directory, and tell whether it was not published yet.

        Args:
            directory: below the root.
            text: the record, as it is to be read.
        """
        # Before, so that nobody who dies here has published what is not noticed: whoever looks
        # meanwhile finds a revision without a record, and looks again.
        self.mark(directory)
        return self.put_if_absent(f"{directory}/{RECORD}", text)

    def mark(self, directory: str) -> None:
        """Let the folder that a run is in have changed, since a revision of the run comes or went.

        An index looks at these folders, not at every run's. On a local disk alone: an object store
        tells all names.
        """
        shelf, run, _ = directory.rpartition("/run=")
        if self.directory is not None and run:
            # Who may not, or whose folder is gone, is noticed once all records are looked at.
            with contextlib.suppress(OSError):
                os.utime(self.directory / shelf)

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
        if (missing := self._missing(directory, record.content)) is not None:
            raise ArtifactDamaged(f"{missing} It is not used.")
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

    def card(self, directory: str) -> str | None:
        """Return the card beside an artifact, or None where there is none."""
        found = self.read(f"{directory}/{CARD}")
        return None if found is None else found.decode(errors="replace")

    def load(self, slot: Slot, record: Record, lazy: bool = False) -> Any:
        """Read an artifact, checking its digest.

        Args:
            slot: the artifact's place.
            record: the revision wanted.
            lazy: whether to return a deferred form where the format has one.

        Raises:
            ArtifactDamaged: if the bytes are not those that were published.
        """
        return self.load_from(slot.revision(record.revision), record, lazy)

    def directories(self, asset: str) -> Iterator[str]:
        """Yield the directory of every published revision of an asset."""
        for entry in self.entries(asset_directory(asset)):
            directory = revision_of(entry["path"])
            if entry["path"] == f"{directory}/{RECORD}":
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
            if entry["path"] == f"{revision_of(entry['path'])}/{RECORD}"
        ]
        records.sort(key=lambda entry: entry["last_modified"], reverse=True)
        return [entry["path"].rpartition("/")[0] for entry in records]

    def revisions(self, slot: Slot) -> list[Record]:
        """Return the readable published revisions of a slot, newest first."""
        directories = [f"{slot.path}/{name}" for name in self.children(slot.path)]
        read = self.each(self.readable_record, directories)
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
        self.mark(directory)

    def _refuse_other(self, slot: Slot, directory: str, record: Record) -> None:
        if record.identity != slot.identity:
            raise ArtifactDamaged(
                f"{self.address(directory)} must hold the artifact of {slot.identity}, but its"
                f" record says {record.identity}. It is not used."
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
