"""What a file is by its first bytes, where it is not the CSV that its name says."""

import codecs
from typing import Final

from ml_pipeline.errors import SourceError

_LOOKED_AT: Final = 400
_KINDS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32 text",
    codecs.BOM_UTF32_BE: "UTF-32 text",
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"\x1f\x8b": "compressed by gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"\xfd7zXZ": "compressed by xz",
    b"BZh": "compressed by bzip2",
    b"PK\x03\x04": "a zip archive or a workbook",
    b"PAR1": "Parquet",
}


def refuse_other_kinds(name: str, start: bytes) -> None:
    """Refuse what is no text in UTF-8, naming what it is.

    Args:
        name: what to call the file.
        start: its first bytes, some hundreds if it has them.

    Raises:
        SourceError: if they are those of something else.
    """
    kind = next((kind for mark, kind in _KINDS.items() if start.startswith(mark)), None)
    for every_second in (start[:_LOOKED_AT:2], start[1:_LOOKED_AT:2]):
        # Text of Western languages has a NUL in half of its bytes.
        if kind is None and every_second.count(0) > len(every_second) * 0.8:
            kind = "UTF-16 text"
    if kind is not None:
        raise SourceError(
            f"A source must be readable, but {name} is not: it is {kind}, not CSV in UTF-8."
            " Convert it, and name it after what it is."
        )
