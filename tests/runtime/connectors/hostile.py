"""Statements and functions that somebody hostile would try, and what a database looks like before and after."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from reconciler.kinds.template.statement import Statement
from reconciler.runtime.call import Answer, Failed
from tests.runtime.calls import call_of
from tests.runtime.connectors.support import (
    Place,
    lists,
    template,
    with_connection,
)

STOLEN = Path(tempfile.gettempdir()) / f"stolen-{os.getpid()}.db"
"""Of this process alone: one that a broken guard leaves behind disturbs nobody else."""
FORMS = """
DELETE FROM customers
SELECT 1; DROP TABLE customers
SELECT 1) x; DROP TABLE customers; --
COMMIT; DROP TABLE customers
ROLLBACK; DELETE FROM customers
SET TRANSACTION READ WRITE; DELETE FROM customers
WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone
UPDATE customers SET name = 'x' RETURNING *
INSERT INTO customers VALUES (9, 'x', 'y') RETURNING *
SELECT * INTO stolen FROM customers
CREATE TABLE stolen AS SELECT * FROM customers
COPY customers TO STDOUT
DO $$ BEGIN DELETE FROM customers; END $$
EXPLAIN ANALYZE DELETE FROM customers
CALL anything()
PREPARE p AS DELETE FROM customers
LOCK TABLE customers
TRUNCATE customers
DROP TABLE customers
ALTER TABLE customers RENAME TO stolen
GRANT ALL ON customers TO PUBLIC
VACUUM
ATTACH DATABASE 'STOLEN' AS stolen
DETACH DATABASE main
PRAGMA writable_schema = 1
REINDEX
BEGIN
SAVEPOINT s
REPLACE INTO customers VALUES (1, 'x', 'y')
CREATE TRIGGER t AFTER INSERT ON customers BEGIN SELECT 1; END
SELECT 1 -- ) x; DROP TABLE customers
/* */ DELETE FROM customers /* */
TABLE customers; DELETE FROM customers
""".strip().splitlines()
FUNCTIONS = {
    "postgresql": [
        "pg_read_file('/etc/passwd')",
        "pg_ls_dir('/')",
        "pg_terminate_backend(1)",
        "pg_notify('a','b')",
        "lo_import('/etc/passwd')",
        "dblink('host=127.0.0.1','SELECT",
        "1')",
        "set_config('role','postgres',false)",
        "pg_sleep(9)",
        "pg_advisory_lock(1)",
        "query_to_xml('DELETE",
        "FROM",
        "customers',true,true,'')",
        'U&"pg\\005fsleep"(9)',
        "pg_catalog.pg_sleep(9)",
        '"pg_sleep"(9)',
        "pg_reload_conf()",
        "pg_logical_emit_message(true,'a','b')",
        "nextval('s')",
    ],
    "sqlite": [
        "load_extension('x')",
        "readfile('/etc/passwd')",
        "writefile('/tmp/x','y')",
        "randomblob(1000000000)",
        "zeroblob(1000000000)",
        "fts3_tokenizer('a')",
        "sqlite_version()",
        "total_changes()",
        "edit('x')",
        "sqlite_compileoption_get(1)",
    ],
}


INSERT = template("INSERT INTO customers VALUES (50, 'x', 'y')", read_only=False)


def state(place: Place) -> Any:
    tables = (
        "SELECT name FROM sqlite_master"
        if not place.is_postgresql
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    return place.sql("SELECT * FROM customers ORDER BY id"), sorted(place.sql(tables))


def unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.runtime.connectors.sql_common.inspect", lambda *_: Statement())


def by_hand(place: Place, sql: str, read_only: bool = True, functions: tuple[str, ...] = ()) -> Answer | Failed:
    """As if somebody had written it into the database, past every check of templates."""
    found: list[Answer | Failed] = []

    async def work(connection: Any, connector: Any) -> None:
        one = template("SELECT 1", read_only=read_only)
        one.body["sql"] = sql.replace("'STOLEN'", f"'{STOLEN}'")
        try:
            async with asyncio.timeout(5):
                found.append(await connection.run(call_of((one, lists(functions=functions), connector), {}, 2.0)))
        except Failed as error:
            found.append(error)

    with_connection(place, work, read_only=read_only)
    return found[0]
