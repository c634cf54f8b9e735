"""Runs the migrations on the connection that whoever opens an index has."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="index_version")
with context.begin_transaction():
    context.run_migrations()
