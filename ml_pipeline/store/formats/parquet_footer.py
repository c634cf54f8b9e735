"""The columns of a Parquet file, from its footer alone: of a table elsewhere little is fetched."""

import io
from typing import BinaryIO, Final

_MARK: Final = b"PAR1"
_LAST: Final = 8
"""Bytes at the end: how long the footer is, and the mark."""


def columns_of(file: BinaryIO, size: int) -> dict[str, str]:
    """Return the types of a table's columns, as Polars names them, by name.

    Args:
        file: a Parquet file.
        size: its bytes.

    Raises:
        ValueError: if it is none.
    """
    import polars as pl

    file.seek(max(0, size - _LAST))
    last = bytes(file.read(_LAST))
    length = int.from_bytes(last[:4], "little") + _LAST
    if last[4:] != _MARK or length > size:
        raise ValueError("it does not end as a Parquet file does")
    file.seek(size - length)
    # Who reads columns looks at the footer alone, from the end.
    footer = io.BytesIO(_MARK + bytes(file.read(length)))
    try:
        return {name: str(kind) for name, kind in pl.read_parquet_schema(footer).items()}
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error)) from error
