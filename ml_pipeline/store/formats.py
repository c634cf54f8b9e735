"""How values become files: one small class for each type.

Bytes are the same for the same value, in every process and at any time: identity of what lies
downstream counts stored content. Hence no timestamps, no memory addresses and no pickle.
"""

import importlib
import io
import json
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from ml_pipeline.errors import ArtifactDamaged, PipelineError

type_name = "{0.__module__}.{0.__qualname__}".format


class Format(ABC):
    """One way to keep a value in a file.

    Attributes:
        name: the word for it in records.
        filename: the file's name in its directory.
    """

    name: ClassVar[str]
    filename: ClassVar[str]

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Whether this format keeps `value` whole."""

    @abstractmethod
    def write(self, value: Any, path: Path) -> None:
        """Write `value` to a new file."""

    @abstractmethod
    def read(self, source: Path | bytes, lazy: bool) -> Any:
        """Read the value back.

        Args:
            source: a local file, or the bytes of one that is elsewhere.
            lazy: whether a deferred form is wanted where the format has one.
        """

    def describe(self, value: Any) -> dict[str, int]:
        """Return the value's sizes, such as rows and columns."""
        return {}

    def copies(self, value: Any, is_fresh: bool) -> Callable[[], Any] | None:
        """Return what makes copies of a value as reading it back would, only faster.

        Args:
            value: the value as it is now.
            is_fresh: whether it was just computed, and not read from its stored form.

        Returns:
            None where only reading is sure to give what reading gives.
        """
        return None


class ParquetFormat(Format):
    """Polars frames, eager or lazy, as Parquet."""

    name = "parquet"
    filename = "data.parquet"

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a Polars frame."""
        return _is_instance_of(value, "polars", ("DataFrame", "LazyFrame"))

    def write(self, value: Any, path: Path) -> None:
        """Write a frame; a lazy one is streamed and never held whole."""
        import polars as pl

        try:
            if hasattr(value, "sink_parquet"):
                value.sink_parquet(path)
            else:
                value.write_parquet(path)
        except pl.exceptions.ComputeError as error:
            # Polars does not tell a full disk from a bad query by the class of its errors.
            raise (OSError(str(error)) if "os error" in str(error) else error) from error

    def read(self, source: Path | bytes, lazy: bool) -> Any:
        """Read a `DataFrame`, or a `LazyFrame` where `lazy`."""
        import polars as pl

        file = io.BytesIO(source) if isinstance(source, bytes) else source
        if lazy:
            return pl.scan_parquet(file, hive_partitioning=False, glob=False)
        return pl.read_parquet(file, hive_partitioning=False, glob=False)

    def describe(self, value: Any) -> dict[str, int]:
        """Return rows and columns; a lazy frame is not counted."""
        return {"rows": value.height, "columns": value.width} if hasattr(value, "height") else {}

    def copies(self, value: Any, is_fresh: bool) -> Callable[[], Any] | None:
        """Share the columns of a frame that was read; a fresh one may be chunked otherwise."""
        if is_fresh or not hasattr(value, "clone") or not hasattr(value, "height"):
            return None
        kept = value.clone()
        return lambda: kept.clone()


class SkopsFormat(Format):
    """scikit-learn estimators with skops, in a canonical form."""

    name = "skops"
    filename = "model.skops"
    trusted_packages: ClassVar[tuple[str, ...]] = ("sklearn.", "numpy.", "scipy.")

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a scikit-learn estimator."""
        return _is_instance_of(value, "sklearn", ("BaseEstimator",))

    def write(self, value: Any, path: Path) -> None:
        """Write an estimator."""
        from ml_pipeline.store.estimators import canonical_archive

        path.write_bytes(canonical_archive(value))

    def read(self, source: Path | bytes, lazy: bool) -> Any:
        """Read an estimator, refusing types from outside the scientific stack."""
        import skops.io

        data = source if isinstance(source, bytes) else source.read_bytes()
        unknown = skops.io.get_untrusted_types(data=data)
        refused = [name for name in unknown if not self._is_trusted(name)]
        if refused:
            raise ArtifactDamaged(
                f"A stored model may hold only types of {', '.join(self.trusted_packages)} but"
                f" holds {', '.join(refused)}. It was not loaded."
            )
        return skops.io.loads(data, trusted=unknown)

    def copies(self, value: Any, is_fresh: bool) -> Callable[[], Any] | None:
        """Copy an estimator by its state, which is also what skops keeps."""
        state = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        return lambda: pickle.loads(state)  # noqa: S301 - pickled here, never stored

    def _is_trusted(self, name: str) -> bool:
        """Whether a name is a class of the scientific stack; its functions can do anything."""
        if not name.startswith(self.trusted_packages):
            return False
        module, _, attribute = name.rpartition(".")
        try:
            named = getattr(importlib.import_module(module), attribute, None)
        except ImportError:
            return False
        return isinstance(named, type) or type(named).__name__ == "ufunc"


class JsonFormat(Format):
    """Mappings and lists as JSON."""

    name = "json"
    filename = "data.json"

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a mapping or a list."""
        return isinstance(value, Mapping | list)

    def write(self, value: Any, path: Path) -> None:
        """Write a document; NaN and infinity are not JSON and are refused."""
        try:
            _refuse_other_keys(value)
            text = json.dumps(value, indent=2, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PipelineError(
                f"A mapping must hold only what JSON can: {error}. Return plain numbers, text,"
                " lists and mappings."
            ) from error
        path.write_text(text + "\n", encoding="utf-8")

    def read(self, source: Path | bytes, lazy: bool) -> Any:
        """Read a document."""
        return json.loads(source if isinstance(source, bytes) else source.read_bytes())


def _refuse_other_keys(value: Any) -> None:
    """Refuse keys that JSON would turn into text: what is read back would be another mapping."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            if type(key) in (int, float, bool, type(None)):
                raise TypeError(f"the key {key!r} is no text")
            _refuse_other_keys(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _refuse_other_keys(member)


class BytesFormat(Format):
    """Bytes as they are."""

    name = "bytes"
    filename = "data.bin"

    def accepts(self, value: Any) -> bool:
        """Whether `value` is bytes."""
        return isinstance(value, bytes)

    def write(self, value: Any, path: Path) -> None:
        """Write the bytes."""
        path.write_bytes(value)

    def read(self, source: Path | bytes, lazy: bool) -> Any:
        """Read the bytes."""
        return source if isinstance(source, bytes) else source.read_bytes()

    def describe(self, value: Any) -> dict[str, int]:
        """Nothing beyond the size of the file, which every record has."""
        return {}


FORMATS: Final[list[Format]] = [ParquetFormat(), SkopsFormat(), BytesFormat(), JsonFormat()]
"""Tried in order; append an instance of your own class for another type."""


def format_for(value: Any, asset: str) -> Format:
    """Return the format that keeps `value`.

    Raises:
        PipelineError: if none does, listing what can be kept.
    """
    for candidate in FORMATS:
        if candidate.accepts(value):
            return candidate
    raise PipelineError(
        f"'{asset}' must return a Polars frame, a scikit-learn estimator, a mapping, a list or"
        f" bytes, but returned {type_name(type(value))}. Return one of those, or append a Format"
        " of your own to ml_pipeline.store.formats.FORMATS."
    )


def format_named(name: str) -> Format:
    """Return the format that a record names.

    Raises:
        ArtifactDamaged: if no format has that name.
    """
    for candidate in FORMATS:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in FORMATS)
    raise ArtifactDamaged(
        f"A record names the format '{name}', which is none of {known}. Append its Format to"
        " ml_pipeline.store.formats.FORMATS."
    )


def _is_instance_of(value: Any, package: str, names: tuple[str, ...]) -> bool:
    """Test a type without importing the package that defines it."""
    return any(
        cls.__name__ in names and cls.__module__.split(".")[0] == package
        for cls in type(value).__mro__
    )
