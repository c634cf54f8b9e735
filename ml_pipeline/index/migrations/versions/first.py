"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1"
down_revision = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "lines",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("store", _TEXT, nullable=False),
        sa.Column("asset", _TEXT, nullable=False),
        sa.UniqueConstraint("store", "asset", name="lines_by_name"),
    )
    op.create_table(
        "artifacts",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("line", _NUMBER, sa.ForeignKey("lines.id"), nullable=False),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("run_id", _TEXT, nullable=False),
        sa.Column("revision", _TEXT, nullable=False),
        sa.Column("stamp", _TEXT, nullable=False),
        sa.Column("folder_stamp", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("as_of", _TEXT),
        sa.Column("made_at", _TEXT),
        sa.Column("duration_s", sa.Float),
        sa.Column("code", _TEXT),
        sa.UniqueConstraint("line", "path", name="artifacts_by_path"),
    )
    op.create_index("artifacts_by_run", "artifacts", ["line", "run_id", "made_at", "path"])
    op.create_index("artifacts_by_age", "artifacts", ["line", "made_at", "path"])
    op.create_index("artifacts_by_date", "artifacts", ["line", "as_of", "made_at"])
    op.create_index("artifacts_by_state", "artifacts", ["line", "state", "id"])
    op.create_table(
        "documents",
        sa.Column("artifact", _NUMBER, sa.ForeignKey("artifacts.id"), primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "inputs",
        sa.Column("artifact", _NUMBER, sa.ForeignKey("artifacts.id"), primary_key=True),
        sa.Column("path", _TEXT, primary_key=True),
    )
    op.create_index("inputs_by_path", "inputs", ["path"])
    op.create_table(
        "promotions",
        sa.Column("store", _TEXT, primary_key=True),
        sa.Column("path", _TEXT, primary_key=True),
        sa.Column("stamp", _TEXT, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "names",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("name", _TEXT, nullable=False, unique=True),
    )
    op.create_table(
        "values",
        sa.Column("artifact", _NUMBER, sa.ForeignKey("artifacts.id"), primary_key=True),
        sa.Column("name", _NUMBER, sa.ForeignKey("names.id"), primary_key=True),
        sa.Column("line", _NUMBER, nullable=False),
        sa.Column("number", sa.Float),
        sa.Column("text", _TEXT),
        sqlite_with_rowid=False,
    )
    for column in ("number", "text"):
        is_there = sa.column(column).is_not(None)
        op.create_index(
            f"values_by_{column}",
            "values",
            ["line", "name", column, "artifact"],
            sqlite_where=is_there,
            postgresql_where=is_there,
        )
    op.create_table(
        "kinds",
        sa.Column("line", _NUMBER, primary_key=True),
        sa.Column("name", _NUMBER, sa.ForeignKey("names.id"), primary_key=True),
        sa.Column("kind", _TEXT, primary_key=True),
    )
