"""Runs alembic's migrations on the connection, and in the transaction, that the store hands over."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="reconciler_schema", target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
