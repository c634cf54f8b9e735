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

    def read(self, source: Path | bytes, lazy: bool) -> Any:
        """Read the bytes."""
        return source if isinstance(source, bytes) else source.read_bytes()

    def prove(self, source: Path | bytes) -> None:
        """Nothing to prove: any bytes are bytes."""
