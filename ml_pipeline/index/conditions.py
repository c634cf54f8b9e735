"""Conditions on runs as people type them, such as ``learning_rate<0.1 and dataset=sales``.

A text is a tree of `and`, `or`, `not` and brackets whose leaves are clauses: a name and what its
value is compared with. Clauses are read here, so that text needs no quotes, a wrong name or kind of
value is refused in words, and nothing of a text gets into SQL but what is known; Polars does the
rest, or the database of an index. What is absent fulfils no comparison, and therefore the opposite
of each.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from ml_pipeline.errors import nearest
from ml_pipeline.index.kinds import MOST_BITS, Kind, read_time

_TOKEN: Final = re.compile(
    r"""(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<time>\d{4}-\d\d?-\d\d?[ ]\d\d?:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?(?![^\s(),]))
    |(?P<sign><=|>=|!=|<>|==|[=<>])
    |(?P<bracket>[(),])
    |(?P<word>[^\s(),<>=!'"][^\s(),<>=!]*)
    |(?P<stray>\S)""",
    re.VERBOSE,
)
_SIGNS: Final = {"==": "=", "<>": "!="} | {sign: sign for sign in ("=", "!=", "<", "<=", ">", ">=")}
_NOTHING: Final = frozenset({"none", "null"})
_TRUTHS: Final = frozenset({"true", "false"})
_DEEPEST: Final = 15
_MUST_BE: Final[Mapping[Kind, str]] = {
    "number": "is a number, so it must be compared with one",
    "truth": "is true or false, so it must be compared with one of these by = or !=",
    "date": "is a date, so it must be compared with one such as 1998-05-31",
    "time": "is a time, so it must be compared with one such as 1998-05-31 or 1998-05-31 18:30:00",
    "text": "is text, so it must be compared with text",
}


@dataclass(frozen=True)
class Column:
    """What a name stands for.

    Attributes:
        sql: its name in SQL: an identifier that needs no quotes.
        kind: what its values are.
    """

    sql: str
    kind: Kind


class Dialect:
    """How values are written for what evaluates the SQL: here, for Polars.

    Attributes:
        is_lenient: whether a row is left out as well where SQL answers neither yes nor no.
    """

    is_lenient = False

    def text(self, text: str) -> str:
        """Write text."""
        return "'" + text.replace("'", "''") + "'"

    def truth(self, is_true: bool) -> str:
        """Write a truth."""
        return str(is_true).upper()

    def number(self, number: str) -> str:
        """Write a number."""
        return number

    def moment(self, at: date) -> str:
        """Write a date or a time."""
        if isinstance(at, datetime):
            return f"TIMESTAMP '{at.isoformat(sep=' ')}'"
        return f"DATE '{at.isoformat()}'"

    def day_of(self, column: str) -> str:
        """Write the date of a date or time."""
        return f"CAST({column} AS DATE)"

    def like(self, column: str, pattern: str) -> str:
        """Write that text is like a pattern, in which ``%`` stands for anything."""
        return f"{column} LIKE {self.text(pattern)}"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The word in lower case, where it may be one of the language's own."""
        return self.text.lower() if self.kind == "word" else ""

    @property
    def plain(self) -> str:
        """The text without its quotes."""
        if self.kind != "text":
            return self.text
        quote = self.text[0]
        return self.text[1:-1].replace(quote * 2, quote)


@dataclass
class Conditions:
    """A text with conditions, as SQL.

    Attributes:
        text: what somebody typed.
        columns: what there is, by name.
        why_not: says why a name is that of no column, if there is a reason.
        example: a condition as it should be.
        dialect: how SQL is written.
        problems: what is wrong with it, once `sql` was asked for.
        used: the columns that it names.
    """

    text: str
    columns: Mapping[str, Column]
    why_not: Callable[[str], str | None] = lambda _name: None
    example: str = "run_id=1234"
    dialect: Dialect = field(default_factory=Dialect)
    problems: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    _is_strict: bool = True

    def sql(self) -> str:
        """Return the whole as one SQL expression; of no use where there are problems."""
        parts: list[str] = []
        depth = 0
        words = {match[0].lower() for match in _TOKEN.finditer(self.text)}
        self._is_strict = not self.dialect.is_lenient or bool(words & {"or", "not"})
        for tokens, following in _clauses(self.text):
            while tokens and (tokens[0].text == "(" or tokens[0].keyword == "not"):
                depth += tokens[0].text == "("
                parts.append(tokens.pop(0).text)
                if depth > _DEEPEST:
                    self.problems.append(
                        f"conditions may be {_DEEPEST} brackets deep, but these are deeper"
                    )
                    return ""
            closing = 0
            while tokens and tokens[-1].text == ")" and not _is_list(tokens):
                tokens.pop()
                closing += 1
            depth -= closing
            if depth < 0:
                break
            parts += [self._clause(tokens, following), ")" * closing]
            if following is not None:
                parts.append(following.text)
        if depth:
            self.problems.append(f"every bracket must have its other half, but got {self.text!r}")
        return " ".join(parts)

    def _clause(self, tokens: Sequence[_Token], following: _Token | None) -> str:
        told = self._told(tokens, following)
        if len(tokens) < 3 or tokens[0].kind not in ("word", "text"):
            self.problems.append(f"a condition must be like {self.example}, but got {told!r}")
            return ""
        name, *rest = tokens
        column = self._column(name.plain)
        if column is None:
            hint = f"is nothing that runs have.{nearest(name.plain, self.columns)}"
            self.problems.append(self.why_not(name.plain) or f"'{name.plain}' {hint}")
            return ""
        is_negated = rest[0].keyword == "not" and rest[1].keyword in ("in", "between", "like")
        sign, *values = rest[1:] if is_negated else rest
        clause = _Clause(self, name.plain, column, told)
        sql = clause.signed(sign, values) if sign.kind == "sign" else clause.worded(sign, values)
        if sql is None:
            hint = ""
            if sign.kind == "sign" and len(values) > 1:
                hint = ": put text with blanks, brackets or signs in quotes"
            self.problems.append(f"a condition must be like {self.example}, but got {told!r}{hint}")
            return ""
        if not self._is_strict:
            return f"({sql})"
        # What is absent makes SQL answer neither yes nor no: here it is no.
        return f"{'NOT ' if is_negated else ''}COALESCE(({sql}), FALSE)"

    def _column(self, name: str) -> Column | None:
        column = self.columns.get(name)
        if column is not None:
            self.used.add(name)
        return column

    def _told(self, tokens: Sequence[_Token], following: _Token | None) -> str:
        if tokens:
            return self.text[tokens[0].start : tokens[-1].end]
        return self.text[: following.end] if following is not None else self.text


@dataclass(frozen=True)
class _Clause:
    """One comparison with the values of a column; each method returns SQL, or None if it is none.

    Attributes:
        whole: what the clause is part of.
        name: the column's name.
        column: the column.
        told: the clause as it was typed.
    """

    whole: Conditions
    name: str
    column: Column
    told: str

    def signed(self, sign: _Token, values: Sequence[_Token]) -> str | None:
        """Read ``=3``."""
        if len(values) != 1 or values[0].kind in ("bracket", "sign"):
            return None
        comparison = _SIGNS[sign.text]
        if comparison == "!=":
            return f"NOT COALESCE(({self._compared('=', values[0])}), FALSE)"
        if comparison != "=" and values[0].keyword in _NOTHING:
            return None
        return self._compared(comparison, values[0])

    def worded(self, sign: _Token, values: Sequence[_Token]) -> str | None:
        """Read ``in (1, 2)``, ``between 1 and 2``, ``is null`` and ``like 'a%'``."""
        words = [token.keyword for token in values]
        if sign.keyword == "in" and _is_list([sign, *values]):
            listed = values[1:-1]
            if len(listed) % 2 == 0 or any(token.text != "," for token in listed[1::2]):
                return None
            return " OR ".join(f"({self._compared('=', token)})" for token in listed[::2])
        if sign.keyword == "between" and len(values) == 3 and words[1] == "and":
            return f"{self._compared('>=', values[0])} AND {self._compared('<=', values[2])}"
        if sign.keyword == "is" and words in (["null"], ["none"], ["not", "null"], ["not", "none"]):
            return f"{self.column.sql} IS {'NOT ' if values[1:] else ''}NULL"
        if sign.keyword == "like" and len(values) == 1 and values[0].kind != "bracket":
            if self.column.kind != "text":
                self.whole.problems.append(f"'{self.name}' is no text: {self.told!r}")
            return self.whole.dialect.like(self.column.sql, values[0].plain)
        return None

    def _compared(self, comparison: str, token: _Token) -> str:
        if comparison == "=" and token.keyword in _NOTHING:
            return f"{self.column.sql} IS NULL"
        value = self._value(token, comparison)
        if value is None:
            must_be = _MUST_BE[self.column.kind]
            self.whole.problems.append(f"'{self.name}' {must_be}: {self.told!r}")
            return ""
        # A time is compared with a date as a date.
        is_day = self.column.kind in ("date", "time") and type(read_time(token.plain)) is date
        left = self.whole.dialect.day_of(self.column.sql) if is_day else self.column.sql
        return f"{left} {comparison} {value}"

    def _value(self, token: _Token, comparison: str) -> str | None:
        """Return a value or another column in SQL, or None where it is of another kind."""
        other = self.whole.columns.get(token.text) if token.kind == "word" else None
        if other is not None:
            self.whole.used.add(token.text)
            return other.sql if other.kind == self.column.kind else None
        text, kind, dialect = token.plain, self.column.kind, self.whole.dialect
        if kind == "text":
            # Text is in the order of letters: 10 comes before 9.
            is_number = token.kind == "word" and _number(text) is not None
            return None if is_number and comparison != "=" else dialect.text(text)
        if kind == "truth":
            is_truth = text.lower() in _TRUTHS and comparison == "="
            return dialect.truth(text.lower() == "true") if is_truth else None
        if kind == "number":
            number = _number(text)
            return None if number is None else dialect.number(number)
        at = read_time(text)
        if at is None or (kind == "date" and isinstance(at, datetime)):
            return None
        return dialect.moment(at)


def words(text: str) -> set[str]:
    """Return everything in a text that could be a name."""
    tokens = (
        _Token(str(match.lastgroup), match[0], match.start(), match.end())
        for match in _TOKEN.finditer(text)
    )
    return {token.plain for token in tokens}


def _clauses(text: str) -> Iterator[tuple[list[_Token], _Token | None]]:
    """Yield the tokens of each clause with its brackets, and the `and` or `or` after it."""
    clause: list[_Token] = []
    is_open = False
    for match in _TOKEN.finditer(text):
        token = _Token(str(match.lastgroup), match[0], match.start(), match.end())
        if token.keyword == "between" and clause:
            is_open = True
        if token.keyword in ("and", "or") and not (is_open and token.keyword == "and"):
            yield clause, token
            clause, is_open = [], False
            continue
        if token.keyword == "and":
            is_open = False
        clause.append(token)
    yield clause, None


def _is_list(tokens: Sequence[_Token]) -> bool:
    """Whether tokens end in ``in (...)`` with one pair of brackets."""
    opened = [place for place, token in enumerate(tokens) if token.text == "("]
    closed = [place for place, token in enumerate(tokens) if token.text == ")"]
    return (
        len(opened) == 1
        and closed[:1] == [len(tokens) - 1]
        and opened[0] > 0
        and tokens[opened[0] - 1].keyword == "in"
    )


def _number(text: str) -> str | None:
    try:
        number = int(text)
    except ValueError:
        pass
    else:
        return str(number) if number.bit_length() <= MOST_BITS else None
    try:
        value = float(text)
    except ValueError:
        return None
    return repr(value) if math.isfinite(value) else None
