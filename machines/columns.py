"""Columns that hold whole documents stand last in their table.

SQLite keeps a row's columns in their order, a large one in a chain of further pages: whatever
stands behind it is only reached by walking that chain, even where nobody asks for the document
itself. A list of sixty revisions of 1.5 MB each would read 90 MB. PostgreSQL keeps large values
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

#: What a row has for the moment between the new column and its content.
_EMPTY = {"BinaryField": "x''", "JSONField": "'null'", "TextField": "''"}


def last(app: str, model: str, **fields: models.Field[Any, Any]) -> Iterator[Operation]:
    """Operations that move these fields of a model behind all others, in the order given."""
    for name, field in fields.items():
        yield migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunPython(partial(_move, app, model, name), migrations.RunPython.noop)
            ],
            # A later migration that makes the table anew follows the order of the state.
            state_operations=[
                migrations.RemoveField(model, name),
                migrations.AddField(model, name, field),
            ],
        )


def _move(app: str, model: str, name: str, apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    if connection.vendor != "sqlite":
        return
    known = apps.get_model(app, model)
    field = known._meta.get_field(name)
    table, column = map(connection.ops.quote_name, (known._meta.db_table, field.column))
    moved = connection.ops.quote_name(f"{field.column}_moved")
    kind = field.db_type(connection)
    if not field.null:
        kind += f" NOT NULL DEFAULT {_EMPTY[field.get_internal_type()]}"
    if check := field.db_check(connection):
        kind += f" CHECK ({check.replace(column, moved)})"
    for statement in (
        f"ALTER TABLE {table} ADD COLUMN {moved} {kind}",
        f"UPDATE {table} SET {moved} = {column}",  # noqa: S608 - names of our own models
        f"ALTER TABLE {table} DROP COLUMN {column}",
        f"ALTER TABLE {table} RENAME COLUMN {moved} TO {column}",
    ):
        schema_editor.execute(statement)
