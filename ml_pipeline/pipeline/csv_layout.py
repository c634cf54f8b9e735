"""How a CSV file divides into records and fields, looked at byte by byte before it is read.

A fast reader takes what it gets: one stray quote makes it read a thousand orders as one field, and
it cuts off what a row has too much. So the layout is checked first, by RFC 4180, and what follows
from it is exact: how many records there are, and that each has as many fields as the header.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline.file_kinds import refuse_other_kinds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_COMMA, _QUOTE, _LF, _CR, _NUL = b',"\n\r\0'
_MOST_HEADER: Final = 1 << 20
_OVERLAP: Final = 256
_OPENING: Final = re.compile(rb'[,\n\r][ \t]*"')
_DIVIDERS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}

Chunks = Callable[[], Iterator[bytes]]
"""Gives the bytes of a file in parts, none of them empty, from the start at every call."""


@dataclass(frozen=True)
class CsvLayout:
    """How a CSV file is laid out.

    Attributes:
        header: names of the columns.
        records: rows after the header, empty ones included.
        empty: rows of which there is nothing but the end of the line.
        quotes: whether quotes enclose fields; otherwise they stand for themselves.
        line_end: what ends a line: a line feed, or a carriage return alone.
    """

    header: tuple[str, ...]
    records: int
    empty: int
    quotes: bool
    line_end: str


def csv_layout(name: str, chunks: Chunks) -> CsvLayout:
    """Look through a CSV file.

    Args:
        name: what errors call it.
        chunks: gives its bytes.

    Raises:
        SourceError: naming file and line, if it is no UTF-8 text with commas, or does not divide
            into records with as many fields as its header.
    """
    refuse_other_kinds(name, _start_of(chunks))
    chunks = partial(_without_mark, chunks)
    end = re.search(rb"\r\n?|\n", _start_of(chunks).lstrip(b"\r\n"))
    line_end = _CR if end is not None and end[0] == b"\r" else _LF
    look = _Look(name, chunks, line_end, quotes=True)
    try:
        return look.result()
    except _StrayQuote as stray:
        if _has_opening_quote(chunks):
            raise look.refusal(
                stray.position,
                "has a quote inside a field that has none around it, or text after a closing quote",
                "Write such a field in quotes, and each quote in it twice",
            ) from None
    return _Look(name, chunks, line_end, quotes=False).result()


class _StrayQuote(Exception):
    """A quote stands where none that encloses a field can."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


@dataclass
class _Look:
    """One look through a file.

    Attributes:
        is_open: whether what follows is within quotes.
        opened_at: where these quotes began.
        commas: how many there were in the record so far.
        record_at: where the record begins.
        before: the last byte of what was looked at.
    """

    name: str
    chunks: Chunks
    line_end: int
    quotes: bool
    header: tuple[str, ...] = ()
    records: int = 0
    empty: int = 0
    is_open: bool = False
    opened_at: int = 0
    commas: int = 0
    record_at: int = 0
    before: int = _LF
    _start: bytearray = field(default_factory=bytearray)

    def result(self) -> CsvLayout:
        """Look through the whole file.

        Raises:
            SourceError: if it does not divide into records of as many fields as the header.
            _StrayQuote: if quotes enclose no fields.
        """
        import numpy as np

        table = np.zeros(256, dtype=np.bool_)
        table[[_COMMA, _LF, _CR, _NUL]] = True
        table[_QUOTE] = self.quotes
        position, rest = 0, b""
        for chunk in self.chunks():
            data = rest + chunk
            if not data:
                continue
            self._keep(data[:-1])
            # The last byte waits for the one after it.
            self._take(np.frombuffer(data, dtype=np.uint8), len(data) - 1, position, table)
            position, rest = position + len(data) - 1, data[-1:]
        self._keep(rest)
        closing = np.frombuffer(rest + bytes([self.line_end]), dtype=np.uint8)
        self._take(closing, len(rest), position, table)
        if self.is_open:
            raise _StrayQuote(self.opened_at)
        if position + len(rest) > self.record_at:
            starts, ends = np.array([self.record_at]), np.array([position + len(rest)])
            self._count(starts, ends, np.array([self.commas]), ends - starts)
        if not self.header:
            raise SourceError(
                f"A source must be readable, but {self.name} is not: it is empty, without a line of"
                " column names. Check that it is complete."
            )
        return CsvLayout(self.header, self.records, self.empty, self.quotes, chr(self.line_end))

    def refusal(self, position: int, found: str, remedy: str) -> SourceError:
        """Compose an error that tells the line of a place in the file."""
        line, reached = 1, 0
        for chunk in self.chunks():
            part = chunk[: max(0, position - reached)]
            line += part.count(bytes([self.line_end]))
            reached += len(chunk)
            if reached >= position:
                break
        return SourceError(
            f"A source must be readable, but {self.name} is not: line {line} {found}. {remedy}."
        )

    def _take(
        self,
        data: "npt.NDArray[np.uint8]",
        count: int,
        position: int,
        table: "npt.NDArray[np.bool_]",
    ) -> None:
        """Take in some bytes, of which the one after the last is known as well."""
        import numpy as np

        if count <= 0:
            return
        at = np.flatnonzero(table[data[:count]])
        kinds = data[at]
        if (nul := at[kinds == _NUL]).size:
            raise self.refusal(
                position + int(nul[0]),
                "has a NUL, which no text has",
                "Check that the file is complete, and text in UTF-8",
            )
        if self.quotes:
            at, kinds = self._outside_quotes(data, at, kinds, position)
        if self.line_end == _CR:
            mixed = at[kinds == _LF]
        else:
            returns = at[kinds == _CR]
            mixed = returns[data[returns + 1] != _LF]
        if mixed.size:
            raise self.refusal(
                position + int(mixed[0]),
                "ends in another way than the first, with a carriage return or line feed alone",
                "Make all line ends alike",
            )
        is_comma = kinds == _COMMA
        is_end = kinds == self.line_end
        ends = at[is_end]
        if ends.size:
            commas = np.cumsum(is_comma)[is_end]
            commas = np.diff(commas, prepend=-self.commas)
            starts = np.concatenate(([self.record_at - position], ends[:-1] + 1))
            lengths = ends - starts
            if self.line_end == _LF:
                previous = data[ends - 1]
                if ends[0] == 0:
                    previous[0] = self.before
                lengths = lengths - ((previous == _CR) & (lengths > 0))
            self._count(starts + position, ends + position, commas, lengths)
            self.record_at = position + int(ends[-1]) + 1
            self.commas = int(is_comma[np.flatnonzero(is_end)[-1] :].sum())
        else:
            self.commas += int(is_comma.sum())
        self.before = int(data[count - 1])

    def _outside_quotes(
        self,
        data: "npt.NDArray[np.uint8]",
        at: "npt.NDArray[np.int64]",
        kinds: "npt.NDArray[np.uint8]",
        position: int,
    ) -> tuple["npt.NDArray[np.int64]", "npt.NDArray[np.uint8]"]:
        """Drop what is within quotes, and the quotes.

        Raises:
            _StrayQuote: if one neither begins or ends a field nor stands twice.
        """
        import numpy as np

        is_quote = kinds == _QUOTE
        quotes = at[is_quote]
        if not quotes.size:
            return (at[:0], kinds[:0]) if self.is_open else (at, kinds)
        opens = (np.arange(quotes.size) + self.is_open) % 2 == 0
        beside = data[np.where(opens, quotes - 1, quotes + 1)]
        if opens[0] and quotes[0] == 0:
            beside[0] = self.before
        fine = np.isin(beside, [_COMMA, _LF, _CR, _QUOTE])
        if not fine.all():
            raise _StrayQuote(position + int(quotes[~fine][0]))
        within = (np.cumsum(is_quote) + self.is_open) % 2 == 1
        self.is_open = bool(opens[-1])
        if opens[-1]:
            self.opened_at = position + int(quotes[-1])
        outside = ~(within | is_quote)
        return at[outside], kinds[outside]

    def _keep(self, data: bytes) -> None:
        """Keep the start of the file until the header has been read."""
        if self.header:
            return
        self._start += data
        if len(self._start) > _MOST_HEADER + len(data):
            raise self.refusal(
                0,
                f"is longer than the {_MOST_HEADER:,} bytes that a line of column names may have",
                "Check that it is CSV",
            )

    def _read_header(self, start: int, end: int) -> None:
        line = bytes(self._start[start:end]).rstrip(b"\r")
        try:
            text = line.decode()
            names = next(csv.reader(io.StringIO(text, newline=""))) if self.quotes else None
        except (UnicodeDecodeError, csv.Error) as error:
            raise self.refusal(
                start, "is no text in UTF-8, or no list of column names", "Save it as UTF-8"
            ) from error
        for divider, called in _DIVIDERS.items():
            if text.count(divider) > text.count(","):
                raise self.refusal(
                    start,
                    f"has its fields separated by {called}",
                    "Save it with commas between fields, and points in numbers",
                )
        self.header = tuple(text.split(",") if names is None else names)
        self._start.clear()

    def _count(
        self,
        starts: "npt.NDArray[np.int64]",
        ends: "npt.NDArray[np.int64]",
        commas: "npt.NDArray[np.int64]",
        lengths: "npt.NDArray[np.int64]",
    ) -> None:
        """Count records that are complete.

        Args:
            starts: where each begins.
            ends: where each ends.
            commas: how many there are in each.
            lengths: bytes of each, without its end.
        """
        filled = lengths > 0
        first = 0
        if not self.header:
            if not filled.any():
                return
            first = int(filled.argmax())
            self._read_header(int(starts[first]), int(ends[first]))
            first += 1
        wrong = filled[first:] & (commas[first:] + 1 != len(self.header))
        if wrong.any():
            place = first + int(wrong.argmax())
            raise self.refusal(
                int(ends[place]),
                f"has {commas[place] + 1} fields, but the header has {len(self.header)}",
                "Each row must have a field for every column; a field with a comma needs quotes",
            )
        self.records += ends.size - first
        self.empty += int((~filled[first:]).sum())


def _without_mark(chunks: Chunks) -> Iterator[bytes]:
    """Yield a file in parts, without the mark that says that it is UTF-8."""
    start: bytes | None = b""
    for chunk in chunks():
        if start is None:
            yield chunk
            continue
        start += chunk
        if len(start) >= len(codecs.BOM_UTF8):
            if start := start.removeprefix(codecs.BOM_UTF8):
                yield start
            start = None
    if start:
        yield start


def _start_of(chunks: Chunks) -> bytes:
    start = b""
    for chunk in chunks():
        start += chunk
        if len(start) >= _MOST_HEADER:
            break
    return start


def _has_opening_quote(chunks: Chunks) -> bool:
    """Whether a quote begins a field anywhere, be it after blanks."""
    tail = b"\n"
    for chunk in chunks():
        text = tail + chunk
        if _OPENING.search(text):
            return True
        tail = text[-_OVERLAP:]
    return False
