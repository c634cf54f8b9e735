"""The newest revision of each run: chosen, put in order and counted by the database."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    func,
    or_,
    select,
    text,
)

from ml_pipeline.index.columns import Columns, Source
from ml_pipeline.index.conditions import Column, Conditions, Dialect, words
from ml_pipeline.index.database import Database
from ml_pipeline.index.kinds import EXACT_BITS
from ml_pipeline.index.tables import ARTIFACTS, DOCUMENTS, VALUES

_PAGE: Final = 2000
_A: Final = ARTIFACTS.alias("a")
_B: Final = ARTIFACTS.alias("b")


class Changed(Exception):
    """What was chosen is not there any more: choose again."""


@cache
def _values(name: int) -> FromClause:
    """Return the values of a name, called as `_written` has it."""
    return VALUES.alias(f"v{name}")


class _Bound(Dialect):
    """Writes values as parameters of a statement.

    Attributes:
        values: the parameters.
        is_exact: whether the database means the same by all of it as Polars.
    """

    def __init__(self, is_lenient: bool) -> None:
        self.is_lenient = is_lenient
        self.values: dict[str, Any] = {}
        self.is_exact = True

    def text(self, text: str) -> str:
        self.is_exact &= "\0" not in text
        return self._bound(text)

    def truth(self, is_true: bool) -> str:
        return self._bound(float(is_true))

    def number(self, number: str) -> str:
        value = float(number)
        self.is_exact &= abs(value) <= 2**EXACT_BITS
        return self._bound(value)

    def moment(self, at: date) -> str:
        return self._bound(at.isoformat(sep=" ") if isinstance(at, datetime) else at.isoformat())

    def day_of(self, column: str) -> str:
        return f"substr({column}, 1, 10)"

    def like(self, column: str, pattern: str) -> str:
        # Databases differ in letters' case and in what escapes a sign.
        self.is_exact = False
        return f"{column} = {self._bound(pattern)}"

    def _bound(self, value: Any) -> str:
        name = f"bound_{len(self.values)}"
        self.values[name] = value
        return f":{name}"


class Where(NamedTuple):
    """Conditions as a database evaluates them.

    Attributes:
        sql: the text, with parameters.
        last: the same, such that the database looks at a run's values only once it has the run.
        values: their values.
        sources: where the values of the columns are that it names.
    """

    sql: str
    last: str
    values: dict[str, Any]
    sources: tuple[Source, ...]


def translated(conditions: str, columns: Columns) -> Where | None:
    """Return conditions for a database; None where it would not mean the same as Polars, or errs.

    Args:
        conditions: what was typed.
        columns: what names stand for.
    """
    sources: dict[str, Source] = {}
    for name in words(conditions) & columns.names:
        source = columns.source(name)
        if source is None:
            return None
        sources[name] = source
    named = {name: Column(_written(source), source.kind) for name, source in sources.items()}
    dialect, last = _Bound(True), _Bound(False)
    read = Conditions(conditions, named, dialect=dialect)
    sql = read.sql()
    if read.problems or not dialect.is_exact:
        return None
    used = dict.fromkeys(sources[name] for name in sorted(read.used))
    strict = Conditions(conditions, named, dialect=last).sql()
    return Where(sql, strict, dialect.values, tuple(used))


def _written(source: Source) -> str:
    if source.field == "made_at":
        return "substr(a.made_at, 1, 19)"
    return f"a.{source.field}" if source.field else f"v{source.name}.{source.column}"


def _is_among(database: Database, name: str, values: Collection[str | None]) -> ColumnElement[bool]:
    """Return the condition that a column has one of any number of values."""
    among = database.is_among(_A.c[name], [value for value in values if value is not None])
    return or_(among, _A.c[name].is_(None)) if None in values else among


class Newest:
    """The newest revision of each run of some assets that can be read."""

    def __init__(
        self,
        database: Database,
        groups: Sequence[Sequence[int]],
        within: Mapping[str, Collection[str | None]] | None = None,
    ) -> None:
        """Choose what it is about.

        Args:
            database: where the index is.
            groups: lines; those of a group are of one asset that had other names before.
            within: values of which columns of its row must have one.
        """
        self._database = database
        self._lines = [line for group in groups for line in group]
        is_same = (
            _B.c.line == _A.c.line
            if all(len(group) == 1 for group in groups)
            else or_(*(_A.c.line.in_(group) & _B.c.line.in_(group) for group in groups))
        )
        is_newer = or_(
            _B.c.made_at > _A.c.made_at,
            and_(_B.c.made_at == _A.c.made_at, _B.c.path < _A.c.path),
        )
        newer = select(_B.c.id).where(is_same, _B.c.run_id == _A.c.run_id, is_newer).exists()
        self._holds: list[ColumnElement[bool]] = [_A.c.made_at.is_not(None), ~newer]
        self._holds += [
            _is_among(database, name, values) for name, values in (within or {}).items()
        ]

    def ids(
        self,
        where: Where | None = None,
        by: Source | None = None,
        descending: bool = False,
        most: int | None = None,
        is_common: bool = False,
    ) -> list[int]:
        """Return the numbers of the first rows: newest first, or by a column, lacking ones last.

        Args:
            where: conditions.
            by: the column.
            descending: whether the order of the column is turned round.
            most: how many; all if None.
            is_common: whether so many runs fulfil the conditions that the first are found sooner by
                going through all in order than by putting those in order.
        """
        if where is not None and is_common:
            where = where._replace(sql=where.last)
        newest_first = _A.c.made_at.desc(), _A.c.path
        if by is None:
            return self._fetched(self._chosen(where).order_by(*newest_first), most)
        value = self._value(by)
        order = value.desc() if descending else value.asc()
        having = self._having(where, by)
        found = self._fetched(having.order_by(order, *newest_first), most)
        if most is None or len(found) < most:
            lacking = self._chosen(where, by).where(value.is_(None)).order_by(*newest_first)
            found += self._fetched(lacking, None if most is None else most - len(found))
        return found

    def count(self, where: Where | None, most: int) -> int:
        """Return how many runs there are, or `most` if there are more."""
        some = self._chosen(where).limit(most).subquery()
        with self._database.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(some)).scalar_one())

    def has(self, source: Source, where: Where | None = None) -> bool:
        """Whether a run has a value there, of those that fulfil conditions."""
        return bool(self._fetched(self._having(where, source), 1))

    def documents(self, ids: Sequence[int]) -> Iterator[tuple[str, bytes]]:
        """Yield directories and packed records of some runs, in their order, a page at a time.

        Raises:
            Changed: if somebody has taken one of them out of the index meanwhile.
        """
        for first in range(0, len(ids), _PAGE):
            some = ids[first : first + _PAGE]
            page = select(ARTIFACTS.c.id, ARTIFACTS.c.path, DOCUMENTS.c.document).join(
                DOCUMENTS, DOCUMENTS.c.artifact == ARTIFACTS.c.id
            )
            with self._database.reading() as connection:
                is_among = self._database.is_among(ARTIFACTS.c.id, some)
                rows = connection.execute(page.where(is_among)).all()
            found = {row.id: (row.path, row.document) for row in rows}
            if len(found) < len(some):
                raise Changed
            yield from (found[number] for number in some)

    def _having(self, where: Where | None, source: Source) -> Select[Any]:
        return self._chosen(where, having=source).where(self._value(source).is_not(None))

    def _chosen(
        self, where: Where | None, *more: Source, having: Source | None = None
    ) -> Select[Any]:
        chosen = select(_A.c.id)
        origin: Any = _A
        named = [*([having] if having else ()), *(where.sources if where else ()), *more]
        for source in dict.fromkeys(named):
            if source.name:
                values = _values(source.name)
                origin = origin.join(
                    values,
                    and_(
                        values.c.artifact == _A.c.id,
                        values.c.name == source.name,
                        self._of_lines(values.c.line),
                    ),
                    isouter=source != having,
                )
        chosen = chosen.select_from(origin).where(*self._holds)
        if having is None or not having.name:
            # Else its values are of these lines, and the database has to begin with them.
            chosen = chosen.where(self._of_lines(_A.c.line))
        if where is not None:
            chosen = chosen.where(text(f"({where.sql})").bindparams(**where.values))
        return chosen

    def _value(self, source: Source) -> ColumnElement[Any]:
        if source.field:
            column = _A.c[source.field]
            return func.substr(column, 1, 19) if source.field == "made_at" else column
        return _values(source.name).c[source.column]

    def _of_lines(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        if len(self._lines) == 1:
            return column == self._lines[0]
        return column.in_(self._lines)

    def _fetched(self, wanted: Select[Any], most: int | None) -> list[int]:
        if most is not None:
            wanted = wanted.limit(most)
        with self._database.reading() as connection:
            return list(connection.execute(wanted).scalars())
