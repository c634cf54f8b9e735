"""scikit-learn estimators with skops, of which nothing is made that is not trusted by name."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats.audit import Audit, audited
from ml_pipeline.store.formats.format import Format, dotted

if TYPE_CHECKING:
    from ml_pipeline.store.formats.registry import Formats

_PROVEN: Final[set[frozenset[tuple[str, str]]]] = set()
"""What archives were made of that this process has read back whole."""


class SkopsFormat(Format):
    """scikit-learn estimators with skops, in a canonical form."""

    name = "skops"
    filename = "model.skops"
    is_model = True
    types = ("sklearn:BaseEstimator",)

    def __init__(self, trusted: tuple[Callable[..., Any], ...] = ()) -> None:
        """Trust scikit-learn's own estimators, and what is given.

        Args:
            trusted: classes and functions of one's own that a model may hold.
        """
        self.trusted = {dotted(one): one for one in trusted}

    def within(self, formats: "Formats") -> "SkopsFormat":
        """Return the format with what a pipeline trusts."""
        return SkopsFormat(formats.trusted)

    def reading_code(self) -> Iterable[Callable[..., Any]]:
        """Return all that a model may hold besides what is scikit-learn's own."""
        return [type(self), *self.trusted.values()]

    def classes_in(self, path: Path) -> list[str] | None:
        """Return the full names of what a stored model holds of one's own."""
        if not self.trusted:
            return None
        return sorted(self.trusted.keys() & set(self._audit(path.read_bytes()).names))

    def write(self, value: Any, path: Path) -> None:
        """Write an estimator of which every part may be loaded again.

        Raises:
            PipelineError: if it holds anything else.
        """
        from ml_pipeline.store.formats.skops_archive import parts_of

        try:
            schema, parts = parts_of(value)
        except (TypeError, ValueError, AttributeError, RecursionError, pickle.PickleError) as error:
            raise PipelineError(
                f"{dotted(type(value))} must be an estimator that skops can keep, but it cannot:"
                f" {error}. {_REMEDY}"
            ) from error
        audit = audited(schema, self.trusted)
        if audit.refused:
            raise PipelineError(self._refusal(audit, "A model"))
        archive = parts.packed(schema)
        self._prove_once(archive, audit)
        path.write_bytes(archive)

    def read(self, path: Path, lazy: bool) -> Any:
        """Read an estimator; nothing of it is made unless all of it is trusted.

        Raises:
            ArtifactDamaged: if it holds something that is not trusted, or cannot be read.
        """
        data = path.read_bytes()
        return self._loaded(data, self._audit(data))

    def prove(self, path: Path) -> None:
        """Refuse what `read` would refuse; what is made of the same parts is read once.

        Raises:
            ArtifactDamaged: if it holds something that is not trusted, or cannot be read.
        """
        data = path.read_bytes()
        audit = self._audit(data)
        if frozenset(audit.kinds) not in _PROVEN:
            self._loaded(data, audit)

    def keep(self, value: Any, path: Path) -> None:
        """Write an estimator, which proves it."""
        self.write(value, path)

    def copies(self, value: Any, is_fresh: bool) -> Callable[[], Any] | None:
        """Copy an estimator by its state, which is also what skops keeps."""
        state = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        return lambda: pickle.loads(state)  # noqa: S301 - pickled here, never stored

    def _audit(self, data: bytes) -> Audit:
        with _reading(), zipfile.ZipFile(io.BytesIO(data)) as archive:
            audit = audited(json.loads(archive.read("schema.json")), self.trusted)
        if audit.refused:
            raise ArtifactDamaged(f"{self._refusal(audit, 'A stored model')} It was not loaded.")
        return audit

    def _loaded(self, data: bytes, audit: Audit) -> Any:
        import skops.io

        with _reading():
            value = skops.io.loads(data, trusted=audit.names)
        if not self.accepts(value):
            raise ArtifactDamaged(
                f"A stored model must be an estimator, but is {dotted(type(value))}."
            )
        return value

    def _prove_once(self, archive: bytes, audit: Audit) -> None:
        """Read an archive back and see that it gives the same, once for all of the same parts.

        Reading costs as much as writing does, and a sweep writes the same kind of model all day.

        Raises:
            PipelineError: if it is not read back, or as another.
        """
        from ml_pipeline.store.formats.skops_archive import parts_of

        made_of = frozenset(audit.kinds)
        if made_of in _PROVEN:
            return
        try:
            schema, parts = parts_of(self._loaded(archive, audit))
        except ArtifactDamaged as error:
            raise PipelineError(f"{error} {_REMEDY}") from error
        if parts.packed(schema) != archive:
            raise PipelineError(
                "A model must be the same when it is read back, but is another: skops does not"
                f" keep all of it. {_REMEDY}"
            )
        _PROVEN.add(made_of)

    def _refusal(self, audit: Audit, what: str) -> str:
        sentence = (
            f"{what} must hold only types that are trusted by name, but holds"
            f" {', '.join(sorted(audit.refused))}."
        )
        own = ", ".join(name.rpartition(".")[2] for name in sorted(audit.trustable))
        if not own:
            return f"{sentence} {_REMEDY}"
        return (
            f"{sentence} If they are your own, say Pipeline(..., trusted=[{own}]); else"
            f" {_REMEDY[0].lower()}{_REMEDY[1:]}"
        )


_REMEDY: Final = (
    "Use another model, or give the pipeline a Format of your own: Pipeline(..., formats=[...])."
)


@contextmanager
def _reading() -> Iterator[None]:
    """Turn what libraries say of an archive that is none into one error."""
    try:
        yield
    except (
        *(AttributeError, ImportError, LookupError, OSError, RecursionError, TypeError),
        *(ValueError, zipfile.BadZipFile),
    ) as error:
        raise ArtifactDamaged(
            f"A stored model must be an archive of skops that can be read, but: {error!s:.300}."
        ) from error
