from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline_tests.toys.keeping import kept


@pytest.mark.parametrize("value", [b"", b"\x00\xff" * 1000])
def test_bytes_come_back_the_same(value: bytes, tmp_path: Path) -> None:
    chosen = kept(value, tmp_path / "data.bin")
    assert chosen.name == "bytes"
    assert (tmp_path / "data.bin").read_bytes() == value
    assert chosen.read(tmp_path / "data.bin", lazy=True) == value


@pytest.mark.parametrize("value", [bytearray(b"x"), memoryview(b"x"), np.bytes_(b"x")])
def test_what_is_only_like_bytes_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=type(value).__name__):
        kept(value, tmp_path / "data")
