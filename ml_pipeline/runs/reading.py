"""What an artifact is for those that read it: its bytes, and the code that makes a value of them.

An edited `predict` changes results though a model's bytes stay. So what a stage depends on are the
content digests of its inputs together with the fingerprints, as they are now, of the first-party
classes that their formats make values of, and of formats that are first-party themselves. Of a
model that is any class or function that the pipeline trusts; of a data class, a pydantic model or
an enumeration the classes that the record names.
"""

from ml_pipeline.code.fingerprint import fingerprint_of_class
from ml_pipeline.params.identity import digest_of
from ml_pipeline.store.formats import Format, Formats
from ml_pipeline.store.formats.format import dotted
from ml_pipeline.store.record import Record


class Reading:
    """The first-party code that reads artifacts, by format, as this process runs it."""

    def __init__(self, formats: Formats, first_party: tuple[str, ...]) -> None:
        """Take the fingerprints: what a later edit says is not what this process runs.

        Args:
            formats: the formats of a pipeline.
            first_party: what the pipeline says is its own.

        Raises:
            PipelineError: if the source of a class cannot be found.
        """
        self._first_party = first_party
        self._codes = {one.name: self._code_of(one) for one in formats.known()}

    def code(self, record: Record) -> dict[str, str]:
        """Return the fingerprints of what makes a value of an artifact, by full name."""
        known = self._codes.get(record.content.format, {})
        classes = record.content.classes
        if classes is None:
            return known
        return {name: known[name] for name in classes if name in known}

    def digest(self, record: Record) -> str:
        """Return the digest of an artifact as those see it that read it."""
        code = self.code(record)
        if not code:
            return record.content.digest
        return digest_of({"content": record.content.digest, "code": code})

    def _code_of(self, kept_as: Format) -> dict[str, str]:
        found: dict[str, str] = {}
        for inner in kept_as.inner():
            found.update(self._code_of(inner))
        for one in kept_as.reading_code():
            # The attributes of a format, such as a separator, are part of how it reads.
            state = vars(kept_as) if one is type(kept_as) else None
            fingerprint = fingerprint_of_class(one, self._first_party, state)
            if fingerprint is not None:
                found[dotted(one)] = fingerprint
        return found
