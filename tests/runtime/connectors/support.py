"""Databases with a few customers, each with the connector of a role that may do little there, and one call of a template."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncmy
import duckdb
import psycopg
from psycopg.conninfo import conninfo_to_dict

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed, Permits, Surroundings
from reconciler.runtime.connectors.sql import open_sql
from tests.conftest import new_postgres_database
from tests.mariadb import Mariadb
from tests.runtime.calls import LOOPBACK, SECRETS, around, call_of, resolve, resource

ALIKE = ["sqlite", "postgresql", "duckdb"]
"""Databases that the casts, recursions and lists of a test fit; MySQL has its own (test_mysql.py)."""
TABLE = "CREATE TABLE customers (id INTEGER, name TEXT, region TEXT)"
ROWS = [(1, "Ann", "eu"), (2, "Bob", "us"), (3, "Cid", "eu")]


class Place:
    """One database, with the connector of a role that may do little there."""

    def __init__(
        self, kind: str, raw: dict[str, Any], surroundings: Surroundings, sql: Callable[[str], list[Any]]
    ) -> None:
        self.kind, self.raw, self.around, self.sql = kind, raw, surroundings, sql

    def connector(self, **more: Any) -> Resource:
        return resource("connector", {**self.raw, **more})

    @property
    def is_sqlite(self) -> bool:
        return self.kind == "sqlite"

    @property
    def is_postgresql(self) -> bool:
        return self.kind == "postgresql"


def sqlite_place(folder: Path) -> Place:
    file = folder / "data.db"
    connection = sqlite3.connect(file)
    connection.execute(TABLE)
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", ROWS)
    connection.commit()
    connection.close()

    def sql(statement: str) -> list[Any]:
        opened = sqlite3.connect(file)
        try:
            found = opened.execute(statement).fetchall()
            opened.commit()
            return found
        finally:
            opened.close()

    return Place("sqlite", {"type": "sql", "dialect": "sqlite", "database": str(file)}, around(folder.resolve()), sql)


def duckdb_place(folder: Path) -> Place:
    file = folder / "data.duckdb"

    def sql(statement: str) -> list[Any]:
        with duckdb.connect(str(file)) as opened:
            return opened.execute(statement).fetchall()

    sql(TABLE)
    for row in ROWS:
        sql(f"INSERT INTO customers VALUES {row}")
    return Place("duckdb", {"type": "sql", "dialect": "duckdb", "database": str(file)}, around(folder.resolve()), sql)


def mysql_place(server: Mariadb) -> Place:
    name = "t" + uuid4().hex[:12]

    def sql(statement: str, database: str | None = name) -> list[Any]:
        async def asked() -> list[Any]:
            client = await asyncmy.connect(
                unix_socket=server.socket, user="root", password="", database=database, autocommit=True
            )
            try:
                async with client.cursor() as cursor:
                    await cursor.execute(statement)
                    return [*(await cursor.fetchall())] if cursor.description else []
            finally:
                client.close()

        # a thread of its own: the test may stand in a loop
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, asked()).result()

    sql(f"CREATE DATABASE {name}", None)
    sql(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{SECRETS['env://PASSWORD']}'")
    sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {name}@'127.0.0.1'")
    sql("CREATE TABLE customers (id INTEGER, name VARCHAR(100), region VARCHAR(100)) ENGINE=InnoDB CHARSET utf8mb4")
    for row in ROWS:
        sql(f"INSERT INTO customers VALUES {row}")
    raw = {
        "type": "sql",
        "dialect": "mysql",
        "host": "127.0.0.1",
        "port": server.port,
        "database": name,
        "username": name,
        "password": "env://PASSWORD",
        "ssl": "disable",
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": server.port}],
    }
    return Place("mysql", raw, Surroundings(resolve, resolve, Permits(LOOPBACK)), sql)


def postgresql_place(server: str) -> Place:
    url = new_postgres_database(server)

    def sql(statement: str) -> list[Any]:
        with psycopg.connect(url) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    sql(TABLE)
    for row in ROWS:
        sql(f"INSERT INTO customers VALUES {row}")
    sql("DO $$ BEGIN CREATE ROLE agent LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    sql("GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO agent")
    parts = conninfo_to_dict(url)
    raw = {
        "type": "sql",
        "dialect": "postgresql",
        "host": parts["host"],
        "database": parts["dbname"],
        "username": "agent",
        "ssl": "disable",
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": 5432}],
    }
    return Place("postgresql", raw, Surroundings(resolve, resolve, Permits(LOOPBACK)), sql)


def template(sql: str, parameters: dict[str, Any] | None = None, **more: Any) -> Resource:
    return resource("template", {"type": "sql", "datasource": "d", "sql": sql, "parameters": parameters or {}, **more})


def with_connection(place: Place, work: Callable[[Connection, Resource], Awaitable[None]], **more: Any) -> None:
    async def main() -> None:
        connector = place.connector(**more)
        connection = await open_sql("acme", connector, place.around)
        try:
            await work(connection, connector)
        finally:
            await connection.close()

    asyncio.run(main())


def ran(
    place: Place,
    sql: str,
    values: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    seconds: float = 10.0,
    connector: dict[str, Any] | None = None,
    source: Resource | None = None,
    **more: Any,
) -> Answer | Failed:
    found: list[Answer | Failed] = []

    async def work(connection: Connection, connector: Resource) -> None:
        try:
            chain = (template(sql, parameters, **more), *([source] if source else []), connector)
            found.append(await connection.run(call_of(chain, values or {}, seconds)))
        except Failed as error:
            found.append(error)

    with_connection(place, work, **(connector or {}))
    return found[0]


def content(answer: Answer | Failed) -> Any:
    assert isinstance(answer, Answer), (getattr(answer, "code", ""), answer)
    return answer.content


TEXT = {"type": "string"}


def lists(*tables: str, functions: tuple[str, ...] = ()) -> Resource:
    """A datasource that lists these tables (none: whatever the database grants) and adds these functions."""
    return resource("datasource", {"type": "database", "connector": "it", "tables": tables, "functions": functions})


async def told(
    connection: Connection, connector: Resource, what: Resource, values: dict[str, Any], source: Resource | None = None
) -> Any:
    """The content of the answer, or the code of the failure."""
    try:
        return (await connection.run(call_of((what, *([source] if source else []), connector), values))).content
    except Failed as error:
        return error.code
