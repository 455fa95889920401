"""Alembic's environment: runs on the connection that `migrate` hands over."""

from alembic import context

from orchestrator.store import schema

context.configure(connection=context.config.attributes["connection"], target_metadata=schema.metadata)
with context.begin_transaction():
    context.run_migrations()
