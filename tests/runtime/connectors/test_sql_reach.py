"""Which databases may be asked, and by whom: none of the server itself, no powerful role, no private address."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed, Permits, Surroundings
from reconciler.runtime.connectors.sql import open_sql
from tests.runtime.calls import LOOPBACK, around, call, call_of, resolve, resource
from tests.runtime.connectors.support import (
    Place,
    postgresql_place,
    ran,
    sqlite_place,
    template,
    with_connection,
)


@pytest.mark.parametrize(
    "grant",
    [
        "ALTER ROLE boss SUPERUSER",
        "ALTER ROLE boss REPLICATION",
        "ALTER ROLE boss CREATEROLE",
        "ALTER ROLE boss BYPASSRLS",
        *(f"GRANT {group} TO boss" for group in ("pg_read_server_files", "pg_write_server_files")),
        *(f"GRANT {group} TO boss" for group in ("pg_execute_server_program", "pg_signal_backend")),
        *(f"GRANT {group} TO boss" for group in ("pg_read_all_data", "pg_monitor", "pg_read_all_settings")),
        "GRANT postgres TO boss",
        "ALTER ROLE boss SUPERUSER; ALTER ROLE boss SET role = 'agent'",  # it may go back to what it was
    ],
)
def test_roles_that_may_too_much_are_refused(postgres_server: str, grant: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("DROP ROLE IF EXISTS boss")
    place.sql("CREATE ROLE boss LOGIN")
    assert isinstance(ran(place, "SELECT 1 AS one", connector={"username": "boss"}), Answer)
    place.sql(grant)
    answer = ran(place, "SELECT 1 AS one", connector={"username": "boss"})
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("privileged-role", "blocked")
    place.sql("DROP ROLE boss")


def test_the_database_of_the_configuration_is_refused(tmp_path: Path, postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("CREATE TABLE reconciler_schema (version_num TEXT)")
    answer = ran(place, "SELECT 1 AS one")
    assert isinstance(answer, Failed)
    assert answer.code == "control-database"
    place = postgresql_place(postgres_server)
    ((server, name),) = place.sql("SELECT system_identifier, current_database() FROM pg_control_system()")
    for control, code in (
        ((server, name), "control-database"),
        ((str(server), name), "control-database"),
        ((1, name), ""),
    ):
        place.around = place.around._replace(control=frozenset({control}))
        assert getattr(ran(place, "SELECT 1 AS one"), "code", "") == code
    lite = sqlite_place(tmp_path)
    os.link(tmp_path / "data.db", tmp_path / "other.db")  # the same file by another name
    status = (tmp_path / "data.db").stat()
    lite.around = around(tmp_path.resolve(), control=frozenset({(status.st_dev, status.st_ino)}))
    for name in ("data.db", "other.db"):
        answer = ran(lite, "SELECT 1 AS one", connector={"database": str(tmp_path / name)})
        assert isinstance(answer, Failed)
        assert answer.code == "control-database"


@pytest.mark.parametrize("name", ["../outside.db", "link.db", "/etc/hosts", "inside/../../outside.db"])
def test_files_outside_of_what_is_permitted(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    (root / "inside").mkdir(parents=True)
    place = sqlite_place(tmp_path)
    (tmp_path / "outside.db").write_bytes((tmp_path / "data.db").read_bytes())
    (root / "link.db").symlink_to(tmp_path / "outside.db")
    place.around = around(root.resolve())

    async def main() -> None:
        with pytest.raises(Failed) as caught:
            await open_sql("acme", place.connector(database=str(root / name)), place.around)
        assert caught.value.code == "file-not-permitted"

    asyncio.run(main())


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    answer = ran(place, "SELECT 1 AS one", connector={"database": str(tmp_path / "none.db")})
    assert isinstance(answer, Failed)
    assert not (tmp_path / "none.db").exists()


def test_a_private_server_is_reached_only_where_both_permit_it(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    for permits, exceptions in ((Permits(), place.raw["network_exceptions"]), (Permits(LOOPBACK), [])):
        place.around = Surroundings(resolve, resolve, permits)
        answer = ran(place, "SELECT 1 AS one", connector={"network_exceptions": exceptions})
        assert isinstance(answer, Failed)
        assert answer.code == "address-refused"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "2130706433", "0x7f.1", "[::ffff:7f00:1]", "0.0.0.0"]
)
def test_a_victim_hears_nothing_of_a_dial(host: str) -> None:
    """By host, and by a connection string that only the secret's store has."""
    heard: list[Any] = []

    async def main() -> None:
        victim = await asyncio.start_server(lambda reader, writer: heard.append(writer), "127.0.0.1", 0)
        port = victim.sockets[0].getsockname()[1]

        async def told(_tenant: str, _reference: str) -> str:
            name = f"[{host.strip('[]')}]" if ":" in host else host
            return f"postgresql://me:x@{name}:{port}/x?sslmode=disable"

        common = {"type": "sql", "dialect": "postgresql", "ssl": "disable"}
        by_dsn = resource("connector", {**common, "dsn": "env://DSN"})
        for connector in (by_dsn, resource("connector", {**common, "host": host, "port": port, "database": "x"})):
            connection = await open_sql("acme", connector, Surroundings(told, told, Permits()))
            with pytest.raises(Failed):
                await connection.run(call(connector, template("SELECT 1 AS one"), {}))
            await connection.close()
        victim.close()

    asyncio.run(main())
    assert not heard


def test_dialects_that_come_later(tmp_path: Path) -> None:
    async def main() -> None:
        raw = {"type": "sql", "dialect": "clickhouse", "dsn": "env://TOKEN"}
        with pytest.raises(Failed, match="clickhouse"):
            await open_sql("acme", resource("connector", raw), around())

    asyncio.run(main())


@pytest.mark.parametrize(
    ("listed", "sql", "code"),
    [
        (["customers"], "SELECT name FROM customers", ""),
        (["customers"], "SELECT count(*) AS n FROM customers c JOIN others o ON true", "statement-refused"),
        (["customers"], "WITH customers AS (SELECT * FROM others) SELECT * FROM customers", "statement-refused"),
        (["*"], "SELECT count(*) AS n FROM others", ""),
        ([], "SELECT count(*) AS n FROM others", ""),
    ],
)
def test_a_template_that_was_changed_by_hand_reads_what_its_datasource_lists(
    place: Place, listed: list[str], sql: str, code: str
) -> None:
    place.sql("CREATE TABLE others (x INTEGER)")
    if place.is_postgresql:
        place.sql("GRANT SELECT ON others TO agent")
    source = resource("datasource", {"type": "database", "connector": "it", "tables": listed})

    async def work(connection: Connection, connector: Resource) -> None:
        asked = call_of((template(sql), source, connector), {})
        try:
            await connection.run(asked)
            said = ""
        except Failed as error:
            said = error.code
        assert said == code

    with_connection(place, work)
