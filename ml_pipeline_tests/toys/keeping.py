"""What tests of formats share."""

from pathlib import Path
from typing import Any

from ml_pipeline.store.formats import Format, format_for


def kept(value: Any, path: Path) -> Format:
    """Write a value as the store does, and return the format that did."""
    chosen = format_for(value, "asset")
    chosen.keep(value, path)
    return chosen
