"""NumPy arrays as they are in memory, without pickle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats.format import Format


class NumpyFormat(Format):
    """NumPy arrays of plain types."""

    name = "numpy"
    filename = "data.npy"
    types = ("numpy:ndarray",)

    def accepts(self, value: Any) -> bool:
        """Whether `value` is an array; one of a class derived from it would come back as another.

        Args:
            value: anything.
        """
        return self.distance(value) == 0

    def write(self, value: Any, path: Path) -> None:
        """Write an array.

        Raises:
            PipelineError: if its type is none that comes back as it is.
        """
        import numpy as np

        dtype = value.dtype
        if dtype.hasobject or dtype.names is not None or dtype.kind not in "biufcSUmM":
            raise PipelineError(
                "An array must have one plain type for all its members, such as float64 or a text"
                f" of fixed length, but has {dtype}. Return a Polars frame, or cast it."
            )
        with path.open("wb") as file:
            np.save(file, value, allow_pickle=False)

    def read(self, path: Path, lazy: bool) -> Any:
        """Read an array."""
        import numpy as np

        return np.load(path, allow_pickle=False)

    def prove(self, path: Path) -> None:
        """Nothing to prove: arrays of the types that are written all come back."""

    def describe(self, value: Any) -> dict[str, int]:
        """Return rows, and columns where it has two dimensions."""
        return dict(zip(("rows", "columns"), value.shape, strict=False)) if value.ndim < 3 else {}

    def copies(self, value: Any, is_fresh: bool) -> Callable[[], Any] | None:
        """Copy an array that lies in memory as one that was read does."""
        if not (value.flags.c_contiguous or value.flags.f_contiguous):
            return None
        kept = value.copy(order="K")
        return lambda: kept.copy(order="K")
