"""Values and what they are kept as: in which format, what is shared, and how they are read."""

import copy
from collections.abc import Callable
from typing import Any, Self

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats import Formats
from ml_pipeline.store.formats.sample import Sample
from ml_pipeline.store.formats.shared_parts import SharedParts
from ml_pipeline.store.pages import Pages
from ml_pipeline.store.record import Content, Record
from ml_pipeline.store.shared import shared_path, shelf_of
from ml_pipeline.store.slots import Slot


class Values(Pages):
    """The values of artifacts.

    Attributes:
        formats: how values are kept.
    """

    formats: Formats = Formats()

    def with_formats(self, formats: Formats) -> Self:
        """Return the same store for a pipeline with formats of its own."""
        store = copy.copy(self)
        store.formats = formats
        return store

    def _put_value(
        self,
        slot: Slot,
        directory: str,
        value: Any,
        sample_rows: int | None,
        code: str | None,
        still: Callable[[], object],
    ) -> tuple[Content, str | None, Sample | None]:
        """Put a value in place.

        Args:
            slot: the artifact's place.
            directory: of its revision.
            value: what to keep.
            sample_rows: how many first rows of a table to return; None for no sample at all.
            code: fingerprint of the stage; None if nothing is shared with other artifacts.
            still: called when what reads while it is written has been read.

        Returns:
            What the record says of it, a picture that it is by itself, and a sample.

        Raises:
            PipelineError: if no format keeps the value so that it can be read back.
            StoreUnreachable: if the store cannot be written.
        """
        kept_as = self.formats.for_value(value, slot.asset)
        with self._staged(kept_as.filename) as staged:
            try:
                if kept_as.is_directory:
                    staged.mkdir()
                if isinstance(value, SharedParts) and code is not None:
                    shelf = shelf_of(slot, code)
                    content = self._put_parts(directory, shelf, value, staged, still)
                    classes, own, shown_in = None, None, staged / "first"
                    if sample_rows is not None:
                        self.view_first(content, shown_in)
                else:
                    kept_as.keep(value, staged)
                    if kept_as.defers(value):
                        still()
                    content = self._put_payload(directory, staged, kept_as.name)
                    classes, own = kept_as.classes_in(staged), kept_as.picture_in(staged)
                    shown_in = staged
                sample = None
                if sample_rows is not None:
                    sample = kept_as.sample_in(shown_in, sample_rows)
            except (ArtifactDamaged, PipelineError) as error:
                raise PipelineError(f"'{slot.asset}' is not published. {error}") from error
            except OSError as error:
                # A lazy frame reads while it is written, and may miss a file of its own.
                if isinstance(error, FileNotFoundError) and staged.parent.is_dir():
                    raise
                raise self._unreachable("write to", error) from error
        content = content.model_copy(update={"shape": kept_as.describe(value), "classes": classes})
        return content, own, sample

    def load_from(self, directory: str, record: Record, lazy: bool = False) -> Any:
        """Read the artifact of a directory, as `load` does."""
        kept_as = self.formats.named(record.content.format)
        stays = lazy or kept_as.needs_file
        with self._at_hand(directory, record.content, stays) as path:
            return kept_as.read(path, lazy)

    def check(self, directory: str, record: Record) -> None:
        """Check an artifact's bytes against its record, and that they can be read.

        Raises:
            ArtifactDamaged: if they are missing, not those that were published, or cannot be read.
        """
        with self._at_hand(directory, record.content, stays=False) as path:
            try:
                self.formats.named(record.content.format).prove(path)
            except ArtifactDamaged as error:
                address = self.address(f"{directory}/{record.content.file}")
                raise ArtifactDamaged(f"{address} cannot be read. {error}") from error

    def columns(self, directory: str, record: Record) -> dict[str, str] | None:
        """Return the types of the columns of an artifact by name; None where it is no table.

        Of a table elsewhere only its end is fetched; its bytes are not compared.

        Raises:
            ArtifactDamaged: if it is not there or cannot be read.
        """
        content = record.content
        path, size = f"{directory}/{content.file}", content.bytes
        if content.shared is not None:
            name, member = next(iter(content.files.items()))
            path, size = shared_path(content, name), member.bytes
        elif content.files:
            return None
        address = self.address(path)
        try:
            with self.opened(path) as file:
                return self.formats.named(content.format).columns(file, size)
        except FileNotFoundError as error:
            problem = f"{address} must be there, since its record is, but is missing."
            raise ArtifactDamaged(problem) from error
        except ValueError as error:
            raise ArtifactDamaged(f"{address} must have columns, but {error}.") from error
