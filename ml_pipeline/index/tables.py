"""The tables of an index: names and summaries of records, and every value in a row of its own.

A record is read once. What is asked for often stands in columns; all that lists and leaderboards
show of it is one packed text; parameters and metrics stand in a row each, found by the artifact as
well as by name and value. Pictures, and what tells people of code, stay in the store.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

METADATA: Final = MetaData()

# In the order of bytes, as in SQLite, in paths of object stores, and in Polars.
_TEXT: Final = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")

LINES: Final = Table(
    "lines",
    METADATA,
    Column("id", _NUMBER, primary_key=True),
    Column("store", _TEXT, nullable=False),
    Column("asset", _TEXT, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("compared", BigInteger, nullable=False, server_default="0"),
    Column("size", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("store", "asset", name="lines_by_name"),
)
"""One asset in one store: how often its rows were changed, when all of them were compared with the
files of records, in ns since 1970, and how many there were then."""

FOLDERS: Final = Table(
    "folders",
    METADATA,
    Column("line", _NUMBER, ForeignKey("lines.id"), primary_key=True),
    Column("path", _TEXT, primary_key=True),
    Column("stamp", _TEXT, nullable=False),
    sqlite_with_rowid=False,
)
"""Folders above runs, and those of runs that had not come to rest, as they were when all in them
was compared."""

ARTIFACTS: Final = Table(
    "artifacts",
    METADATA,
    Column("id", _NUMBER, primary_key=True),
    Column("line", _NUMBER, ForeignKey("lines.id"), nullable=False),
    Column("path", _TEXT, nullable=False),
    Column("run_id", _TEXT, nullable=False),
    Column("revision", _TEXT, nullable=False),
    Column("stamp", _TEXT, nullable=False),
    Column("folder_stamp", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("as_of", _TEXT),
    Column("made_at", _TEXT),
    Column("duration_s", Float),
    Column("code", _TEXT),
    UniqueConstraint("line", "path", name="artifacts_by_path"),
    Index("artifacts_by_run", "line", "run_id", "made_at", "path"),
    Index("artifacts_by_age", "line", "made_at", "path"),
    Index("artifacts_by_date", "line", "as_of", "made_at"),
    Index("artifacts_by_state", "line", "state", "id"),
)
"""What stands in a store: the record's directory, what the file was like when it was read, and
what is asked for often. Only what could be read has a time at which it was made."""

DOCUMENTS: Final = Table(
    "documents",
    METADATA,
    Column("artifact", _NUMBER, ForeignKey("artifacts.id"), primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
"""Records, but for what is large in them, packed."""

INPUTS: Final = Table(
    "inputs",
    METADATA,
    Column("artifact", _NUMBER, ForeignKey("artifacts.id"), primary_key=True),
    Column("path", _TEXT, primary_key=True),
    Index("inputs_by_path", "path"),
)
"""What artifacts were made from, by directory."""

PROMOTIONS: Final = Table(
    "promotions",
    METADATA,
    Column("store", _TEXT, primary_key=True),
    Column("path", _TEXT, primary_key=True),
    Column("stamp", _TEXT, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
"""Entries of ledgers of promotions, as they were when their files had the stamp."""

NAMES: Final = Table(
    "names",
    METADATA,
    Column("id", _NUMBER, primary_key=True),
    Column("name", _TEXT, nullable=False, unique=True),
)
"""What values are called in records."""

VALUES: Final = Table(
    "values",
    METADATA,
    Column("artifact", _NUMBER, ForeignKey("artifacts.id"), primary_key=True),
    Column("name", _NUMBER, ForeignKey("names.id"), primary_key=True),
    Column("line", _NUMBER, nullable=False),
    Column("number", Float),
    Column("text", _TEXT),
    sqlite_with_rowid=False,
)
"""Parameters and metrics. Truths are the numbers 0 and 1."""
Index(
    "values_by_number",
    VALUES.c.line,
    VALUES.c.name,
    VALUES.c.number,
    VALUES.c.artifact,
    sqlite_where=VALUES.c.number.is_not(None),
    postgresql_where=VALUES.c.number.is_not(None),
)
Index(
    "values_by_text",
    VALUES.c.line,
    VALUES.c.name,
    VALUES.c.text,
    VALUES.c.artifact,
    sqlite_where=VALUES.c.text.is_not(None),
    postgresql_where=VALUES.c.text.is_not(None),
)

KINDS: Final = Table(
    "kinds",
    METADATA,
    Column("line", _NUMBER, primary_key=True),
    Column("name", _NUMBER, ForeignKey("names.id"), primary_key=True),
    Column("kind", _TEXT, primary_key=True),
)
"""Which kinds of values a name has had."""

UNREAD: Final = 0
READ: Final = 1
UNREADABLE: Final = 2
"""States of an artifact's row."""
