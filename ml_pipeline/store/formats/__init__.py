"""How values become files: one small class for each kind of value, and which one is asked first."""

from ml_pipeline.store.formats.bytes import BytesFormat
from ml_pipeline.store.formats.format import Format
from ml_pipeline.store.formats.json import JsonFormat
from ml_pipeline.store.formats.numpy import NumpyFormat
from ml_pipeline.store.formats.parquet import ParquetFormat
from ml_pipeline.store.formats.picture import Picture
from ml_pipeline.store.formats.registry import FORMATS, Formats, format_for
from ml_pipeline.store.formats.shared_parts import SharedParts
from ml_pipeline.store.formats.skops import SkopsFormat

__all__ = [
    "FORMATS",
    "BytesFormat",
    "Format",
    "Formats",
    "JsonFormat",
    "NumpyFormat",
    "ParquetFormat",
    "Picture",
    "SharedParts",
    "SkopsFormat",
    "format_for",
]
