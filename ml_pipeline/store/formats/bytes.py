"""Bytes as they are."""

from pathlib import Path
from typing import Any

from ml_pipeline.store.formats.format import Format


class BytesFormat(Format):
    """Bytes as they are."""

    name = "bytes"
    filename = "data.bin"
    types = (bytes,)

    def accepts(self, value: Any) -> bool:
        """Whether `value` is bytes, and of no class derived from it."""
        return self.distance(value) == 0

    def write(self, value: Any, path: Path) -> None:
        """Write the bytes."""
        path.write_bytes(value)

    def read(self, path: Path, lazy: bool) -> Any:
        """Read the bytes."""
        return path.read_bytes()

    def prove(self, path: Path) -> None:
        """Nothing to prove: any bytes are bytes."""
