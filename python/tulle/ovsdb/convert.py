"""The same rows under another schema (ovsdb-server(7) section 4.1.17 "convert"), which may add, drop and widen."""

from __future__ import annotations

from tulle.ovsdb import datum, log
from tulle.ovsdb.database import Database
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.schema import DatabaseSchema
from tulle.ovsdb.table import Table


def converted(database: Database, schema: DatabaseSchema) -> Database:
    """A new database, without a journal, with what of the rows the schema has room for.

    Raises `OvsdbError` if a value does not fit its column any more, or the names differ.
    """
    if schema.name != database.name:
        raise OvsdbError(
            "invalid parameters",
            f"new schema name ({schema.name}) does not match database name ({database.name})",
        )
    record = {
        name: _emit_rows(table, schema) for name, table in database.tables.items() if name in schema.tables
    }
    out = Database(schema, new_uuid=database.new_uuid)
    out.load(log.parse_changes(schema, record, lambda _table, _uuid: None))
    return out


def _emit_rows(table: Table, schema: DatabaseSchema) -> log.Record:
    kept = schema.tables[table.schema.name].columns
    columns = [column for name, column in table.schema.columns.items() if name in kept]
    return {
        str(uuid): {column.name: datum.emit(column.type, row[column.name]) for column in columns}
        for uuid, row in table.rows.items()
    }
