"""Which format keeps a value: a pipeline's own first, then the built-in ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats.bytes import BytesFormat
from ml_pipeline.store.formats.format import Format, dotted
from ml_pipeline.store.formats.json import JsonFormat
from ml_pipeline.store.formats.numpy import NumpyFormat
from ml_pipeline.store.formats.parquet import ParquetFormat
from ml_pipeline.store.formats.paths import FileFormat, FolderFormat
from ml_pipeline.store.formats.skops import SkopsFormat

BUILT_IN: Final[tuple[Format, ...]] = (
    ParquetFormat(),
    SkopsFormat(),
    NumpyFormat(),
    BytesFormat(),
    JsonFormat(),
    FileFormat(),
    FolderFormat(),
)
FORMATS: Final[list[Format]] = list(BUILT_IN)
"""The formats of every pipeline; what is appended is asked before the built-in ones."""

_OURS: Final = ("record.json", "confirmed.json")


@dataclass(frozen=True)
class Formats:
    """The formats of one pipeline.

    Attributes:
        own: asked before all others.
        trusted: classes and functions of one's own that a stored model may hold.
    """

    own: tuple[Format, ...] = ()
    trusted: tuple[Callable[..., Any], ...] = ()

    def __post_init__(self) -> None:
        """Refuse formats whose files or records could not be told apart.

        Raises:
            PipelineError: if there are such, all told at once.
        """
        if problems := [*_problems(self.own), *_untrustworthy(self.trusted)]:
            raise PipelineError("\n".join(problems))

    def for_value(self, value: Any, asset: str) -> Format:
        """Return the format that keeps a value.

        Own formats come first, then those that were appended to `FORMATS`, then the built-in ones;
        among the first two kinds the most specific first, then the one that was given first.

        Args:
            value: what to keep.
            asset: name of the stage that returned it, for the error.

        Raises:
            PipelineError: if none does, listing what can be kept.
        """
        appended = [one for one in FORMATS if one not in BUILT_IN]
        for group in (self.own, appended, self._built_in()):
            accepting = [one for one in group if one.accepts(value)]
            if accepting:
                return min(accepting, key=lambda one: one.distance(value) or 0)
        raise PipelineError(
            f"'{asset}' must return a Polars frame, a scikit-learn estimator, a NumPy array, a"
            f" mapping, a list, a number, text or bytes, but returned {dotted(type(value))}. Return"
            " one of those, or give the pipeline a Format of your own:"
            " Pipeline(..., formats=[...])."
        )

    def named(self, name: str) -> Format:
        """Return the format that a record names.

        Raises:
            ArtifactDamaged: if no format has that name.
        """
        known = self.known()
        for candidate in known:
            if candidate.name == name:
                return candidate
        raise ArtifactDamaged(
            f"A record names the format '{name}', which is none of"
            f" {', '.join(one.name for one in known)}. Give the pipeline its Format:"
            " Pipeline(..., formats=[...])."
        )

    def known(self) -> list[Format]:
        """Return all formats: own ones, those that were appended to `FORMATS`, built-in ones."""
        appended = [one for one in FORMATS if one not in BUILT_IN]
        return [*self.own, *appended, *self._built_in()]

    def _built_in(self) -> list[Format]:
        trusting = SkopsFormat(self.trusted)
        is_skops = [isinstance(one, SkopsFormat) for one in FORMATS]
        built_in = [one for one in FORMATS if one in BUILT_IN]
        if not self.trusted or not any(is_skops):
            return built_in
        return [trusting if isinstance(one, SkopsFormat) else one for one in built_in]


def format_for(value: Any, asset: str) -> Format:
    """Return the format that keeps a value of a pipeline without formats of its own.

    Raises:
        PipelineError: if none does, listing what can be kept.
    """
    return Formats().for_value(value, asset)


def _problems(own: Sequence[Format]) -> Iterable[str]:
    """Yield what is wrong with formats of one's own."""
    taken = {one.name for one in BUILT_IN}
    for one in own:
        if not isinstance(one, Format):
            yield f"A format must be an instance of a Format, but is {one!r:.80}."
            continue
        if one.name in taken:
            yield (
                f"The format '{one.name}' ({dotted(type(one))}) must have a name of its own, since"
                " records tell formats by name, but another has it. Name it otherwise."
            )
        taken.add(one.name)
        if (
            not one.filename.strip(".")
            or set(one.filename) & set("/\\\0")
            or (one.filename in _OURS)
        ):
            yield (
                f"The format '{one.name}' must name a plain file other than"
                f" {' and '.join(_OURS)}, but its filename is {one.filename!r}."
            )


def _untrustworthy(trusted: Sequence[Any]) -> Iterable[str]:
    """Yield what is wrong with what is to be trusted."""
    for one in trusted:
        if not callable(one) or not hasattr(one, "__qualname__"):
            yield f"Only classes and functions can be trusted, but not {one!r:.80}."
        elif "." in one.__qualname__:
            yield (
                f"What is trusted must be found in its module by its name, but {dotted(one)} is"
                " defined inside something else. Define it at the top of its module."
            )
