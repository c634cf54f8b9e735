"""What folders were like when all in them was compared."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2"
down_revision = "1"

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table, and the columns of lines."""
    for name in ("version", "compared", "size"):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
        op.add_column("lines", column)
    op.create_table(
        "folders",
        sa.Column("line", _NUMBER, sa.ForeignKey("lines.id"), primary_key=True),
        sa.Column("path", _TEXT, primary_key=True),
        sa.Column("stamp", _TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
