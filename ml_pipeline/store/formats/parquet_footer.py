"""The columns and notes of a Parquet file, from its footer: of one elsewhere little is fetched."""

import io
from collections.abc import Callable
from typing import BinaryIO, Final, TypeVar

_Read = TypeVar("_Read")

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

    schema = _read(file, size, pl.read_parquet_schema)
    return {name: str(kind) for name, kind in schema.items()}


def notes_of(file: BinaryIO, size: int) -> dict[str, str]:
    """Return what whoever wrote a Parquet file has noted in it, by name.

    Args:
        file: a Parquet file.
        size: its bytes.

    Raises:
        ValueError: if it is none.
    """
    import polars as pl

    return _read(file, size, pl.read_parquet_metadata)


def _read(file: BinaryIO, size: int, read: Callable[[io.BytesIO], _Read]) -> _Read:
    """Read the footer of a Parquet file.

    Raises:
        ValueError: if it is none.
    """
    import polars as pl

    try:
        return read(_footer_of(file, size))
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error)) from error


def _footer_of(file: BinaryIO, size: int) -> io.BytesIO:
    """Return a file that has the footer of another alone.

    Raises:
        ValueError: if the other is no Parquet file.
    """
    file.seek(max(0, size - _LAST))
    last = bytes(file.read(_LAST))
    length = int.from_bytes(last[:4], "little") + _LAST
    if last[4:] != _MARK or length > size:
        raise ValueError("it does not end as a Parquet file does")
    file.seek(size - length)
    # Who reads columns looks at the footer alone, from the end.
    return io.BytesIO(_MARK + bytes(file.read(length)))
