"""Which format keeps a value: a pipeline's own first, then the built-in ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats.annotations import own_types_within, unkeepable
from ml_pipeline.store.formats.arrow import ArrowFormat
from ml_pipeline.store.formats.boosters import LightgbmFormat, XgboostFormat
from ml_pipeline.store.formats.bytes import BytesFormat
from ml_pipeline.store.formats.format import Format, dotted
from ml_pipeline.store.formats.json import JsonFormat
from ml_pipeline.store.formats.numpy import NumpyFormat
from ml_pipeline.store.formats.pandas import PandasFormat
from ml_pipeline.store.formats.parquet import ParquetFormat
from ml_pipeline.store.formats.parts import PartsFormat
from ml_pipeline.store.formats.paths import FileFormat, FolderFormat
from ml_pipeline.store.formats.picture import PictureFormat
from ml_pipeline.store.formats.shared_parts import SharedPartsFormat
from ml_pipeline.store.formats.skops import SkopsFormat
from ml_pipeline.store.formats.tagged import TaggedFormat
from ml_pipeline.store.formats.tags import PLAIN, SIMPLE, is_scalar

DOCUMENTS: Final[tuple[Format, ...]] = (JsonFormat(), PartsFormat(), TaggedFormat())
"""Asked last, in this order: values of no format of their own, and what holds other values."""

BUILT_IN: Final[tuple[Format, ...]] = (
    ParquetFormat(),
    SharedPartsFormat(),
    SkopsFormat(),
    NumpyFormat(),
    PandasFormat(),
    ArrowFormat(),
    LightgbmFormat(),
    XgboostFormat(),
    PictureFormat(),
    BytesFormat(),
    FileFormat(),
    FolderFormat(),
    *DOCUMENTS,
)
FORMATS: Final[list[Format]] = list(BUILT_IN)
"""The formats of every pipeline; what is appended is asked before the built-in ones."""

KEPT: Final = (
    "a frame (Polars, pandas, Arrow), a NumPy array, a model (scikit-learn, LightGBM, XGBoost), a"
    " figure, the path of a file or folder, bytes, or numbers, text, dates, lists, mappings, data"
    " classes and the like"
)
REMEDY: Final = (
    "Return one of those, or give the pipeline a Format of your own: Pipeline(..., formats=[...])."
)

_IN_DOCUMENTS: Final = frozenset({dict, list, tuple, set, frozenset, float, *PLAIN, *SIMPLE})
_ALWAYS: Final = ("parquet", "skops", "numpy", "bytes", "json")
"""Names that are never one's own; a format that had the name of a later one goes on reading it."""

_OURS: Final = ("record.json", "confirmed.json")


@dataclass(frozen=True)
class Formats:
    """The formats of one pipeline.

    Attributes:
        own: asked before all others.
        trusted: classes and functions of one's own that stored models and values may hold.
        returned: what stages say that they return: data classes, pydantic models, enumerations and
            named tuples that this leads to may be read back, too.
    """

    own: tuple[Format, ...] = ()
    trusted: tuple[Callable[..., Any], ...] = ()
    returned: tuple[Any, ...] = ()

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
        found = self._specific(value) or next(
            (one for one in self._configured(DOCUMENTS) if one.accepts(value)), None
        )
        if found is not None:
            return found
        raise PipelineError(
            f"'{asset}' must return {KEPT}, but returned {dotted(type(value))}. {REMEDY}"
        )

    def of_part(self, value: Any) -> Format | None:
        """Return the format that keeps a part of a value in a file of its own, if there is one."""
        return None if type(value) in _IN_DOCUMENTS else self._specific(value)

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
        return [*self.own, *_appended(), *self._configured(BUILT_IN)]

    def returning(self, annotation: Any) -> "Formats":
        """Return the formats of a pipeline with one more stage.

        Args:
            annotation: what the stage says that it returns.
        """
        if set(own_types_within(annotation)) <= set(self.own_types.values()):
            return self
        return replace(self, returned=(*self.returned, annotation))

    def refuse_annotation(self, annotation: Any, asset: str) -> None:
        """Refuse a stage that says that it returns what cannot be kept.

        Args:
            annotation: what it says that it returns.
            asset: its name.

        Raises:
            PipelineError: naming all that cannot be kept.
        """
        if annotation in (None, type(None)):
            raise PipelineError(
                f"'{asset}' must return {KEPT}, but its annotation says that it returns nothing."
                f" {REMEDY}"
            )
        if refused := unkeepable(annotation, self._keeps_class):
            raise PipelineError(
                f"'{asset}' must return {KEPT}, but its annotation says {', '.join(refused)}."
                f" {REMEDY}"
            )

    def _keeps_class(self, kind: type[Any]) -> bool:
        if kind in _IN_DOCUMENTS or is_scalar(kind):
            return True
        known = [one for one in self.known() if one.name not in {two.name for two in DOCUMENTS}]
        return any(not one.types or one.distance_of(kind) is not None for one in known)

    @cached_property
    def own_types(self) -> dict[str, type[Any]]:
        """Classes of one's own that values may be made of when they are read, by full name.

        Raises:
            PipelineError: if two have one name.
        """
        found: dict[str, type[Any]] = {}
        for kind in own_types_within(*self.trusted, *self.returned):
            if found.setdefault(dotted(kind), kind) is not kind:
                raise PipelineError(
                    f"Classes of values must be told apart by their names, but two are"
                    f" {dotted(kind)}. Name one otherwise."
                )
        return found

    def _specific(self, value: Any) -> Format | None:
        """Return the format of a value that has one of its own, the most specific one."""
        specific = [one for one in BUILT_IN if one not in DOCUMENTS]
        for group in (self.own, _appended(), self._configured(specific)):
            accepting = [one for one in group if one.accepts(value)]
            if accepting:
                return min(accepting, key=lambda one: one.distance(value) or 0)
        return None

    def _configured(self, formats: Iterable[Format]) -> list[Format]:
        """Return built-in formats as they are in this pipeline; one of its own stands for one."""
        taken = {one.name for one in self.own}
        return [one.within(self) for one in formats if one in FORMATS and one.name not in taken]


def _appended() -> list[Format]:
    return [one for one in FORMATS if one not in BUILT_IN]


def format_for(value: Any, asset: str) -> Format:
    """Return the format that keeps a value of a pipeline without formats of its own.

    Raises:
        PipelineError: if none does, listing what can be kept.
    """
    return Formats().for_value(value, asset)


def _problems(own: Sequence[Format]) -> Iterable[str]:
    """Yield what is wrong with formats of one's own."""
    taken = set(_ALWAYS)
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
