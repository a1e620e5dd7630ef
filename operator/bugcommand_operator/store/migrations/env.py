"""How alembic reaches the database: by the connection that `store.migrate` hands over, never by a URL of its own."""

from alembic import context

from bugcommand_operator.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by rebuilding it
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
