"""A connection that is used again: what was prepared on it tells the truth after any change, and nothing of a call is left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection
from reconciler.runtime.connectors import postgresql_session
from reconciler.runtime.connectors.sql import open_sql
from tests.runtime.calls import call
from tests.runtime.connectors.hostile import unfiltered
from tests.runtime.connectors.support import Place, lists, postgresql_place, template, told, with_connection

ALL = template("SELECT * FROM things ORDER BY 1")
ONE = template("SELECT * FROM things WHERE number = :number", {"number": {"type": "integer"}})
SUM = template(
    "SELECT sum(number) AS s, max(label) AS m FROM things WHERE number <= :most", {"most": {"type": "number"}}
)
ASKED: list[tuple[Resource, dict[str, Any]]] = [(ALL, {}), (ONE, {"number": 1}), (SUM, {"most": 1.5})]
CHANGES = [
    "ALTER TABLE things RENAME COLUMN label TO title",
    "ALTER TABLE things ALTER COLUMN number TYPE numeric USING number + 0.5",
    "ALTER TABLE things ALTER COLUMN number TYPE bigint USING number + 9007199254740993",
    "ALTER TABLE things ALTER COLUMN number TYPE float8",
    "ALTER TABLE things ALTER COLUMN number TYPE text",
    "ALTER TABLE things ALTER COLUMN label TYPE bytea USING label::bytea",
    "ALTER TABLE things ADD COLUMN more int DEFAULT 7",
    "ALTER TABLE things DROP COLUMN label",
    "ALTER TABLE things DROP COLUMN label, ADD COLUMN label jsonb DEFAULT '{\"a\": 1.10}'",
    # the same names and types, the other way round
    "ALTER TABLE things RENAME COLUMN label TO x; ALTER TABLE things RENAME COLUMN other TO label; "
    "ALTER TABLE things RENAME COLUMN x TO other",
    "DROP TABLE things",
    "DROP TABLE things; CREATE VIEW things AS SELECT 5 AS label, 1 AS number",
    "DELETE FROM things",
]


@pytest.fixture
def place(postgres_server: str) -> Place:
    made = postgresql_place(postgres_server)
    made.sql("CREATE TABLE things (number int, label text, other text)")
    made.sql("INSERT INTO things VALUES (1, 'one', 'ein'), (2, 'two', 'zwei')")
    made.sql("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO agent")
    made.sql("GRANT SELECT ON things TO agent")
    return made


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_prepared_before_a_change_tells_what_is_there(place: Place, change: str) -> None:
    """The same as a connection tells that has never seen anything else."""

    async def work(connection: Connection, connector: Resource) -> None:
        before = [await told(connection, connector, what, values) for what, values in ASKED * 2]
        assert before[:3] == before[3:]
        await asyncio.to_thread(
            place.sql, change
        )  # not in the loop, which ends the transaction of what was asked before
        fresh = await open_sql("acme", connector, place.around)
        expected = [await told(fresh, connector, what, values) for what, values in ASKED]
        await fresh.close()
        for _ in range(2):
            assert [await told(connection, connector, what, values) for what, values in ASKED] == expected
        assert repr(expected) != repr(before[:3])

    with_connection(place, work, pool_size=1)


def test_a_statement_is_prepared_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[postgresql_session.Session] = []
    made = postgresql_session.Session.__init__

    def seen(session: postgresql_session.Session, *arguments: Any) -> None:
        made(session, *arguments)
        sessions.append(session)

    monkeypatch.setattr(postgresql_session.Session, "__init__", seen)
    monkeypatch.setattr(postgresql_session, "MOST_PREPARED", 5)

    async def work(connection: Connection, connector: Resource) -> None:
        kept: set[Any] = set()
        for number in (1, 2, 2**40, 1):
            # a value that the derived type can't hold is written otherwise, and is another statement
            await told(connection, connector, ONE, {"number": number})
            kept |= {one.statement for one in sessions[0]._prepared.values()}
        assert len(kept) == 3
        for number in range(20):
            assert await told(connection, connector, template(f"SELECT {number} AS n"), {}) == [{"n": number}]
            assert len(sessions[0]._prepared) <= 5
        assert len(sessions) == 1

    with_connection(place, work, pool_size=1)


def test_nothing_of_a_call_is_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of the database's own does everything that outlives a transaction, and none of it outlives the call."""
    unfiltered(monkeypatch)
    place.sql("CREATE SEQUENCE numbers")
    place.sql("GRANT ALL ON SEQUENCE numbers TO agent")
    place.sql("GRANT TEMPORARY ON DATABASE " + place.raw["database"] + " TO agent")
    place.sql("CREATE TABLE log (n bigint)")
    place.sql("GRANT ALL ON log TO agent")
    place.sql(
        """CREATE FUNCTION mess() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        PERFORM nextval('numbers'), pg_advisory_lock(7), set_config('app.user', 'mallory', false);
        CREATE TEMP TABLE things AS SELECT 666 AS number, 'evil'::text AS label;
        LISTEN secrets;
        EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT 1';
        EXECUTE 'DEALLOCATE ALL';
        PERFORM set_config('search_path', 'evil', false);
        RETURN 1; END $$"""
    )
    insert = template("INSERT INTO log SELECT 1", read_only=False)
    insert.body["sql"] = "INSERT INTO log SELECT mess()"
    state = template("SELECT 1")
    state.body["sql"] = (
        "SELECT current_setting('search_path') AS path, current_setting('app.user', true) AS who, "
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks, "
        "(SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors, "
        "(SELECT count(*) FROM pg_listening_channels()) AS channels, pg_backend_pid() AS pid"
    )
    currval = template("SELECT 1")
    currval.body["sql"] = "SELECT currval('numbers') AS n"

    async def work(connection: Connection, connector: Resource) -> None:
        source = lists(functions=("mess", "current_setting", "pg_listening_channels", "currval"))
        before = await told(connection, connector, state, {}, source)
        assert await told(connection, connector, ALL, {}) != []
        assert await told(connection, connector, insert, {}, source) == {"changed": 1}
        (after,) = await told(connection, connector, state, {}, source)
        assert {**after, "who": None} == before[0]
        assert after["who"] in (None, "")  # PostgreSQL knows the name from then on, with nothing in it
        assert (after["locks"], after["cursors"], after["channels"]) == (0, 0, 0)
        assert len(await told(connection, connector, ALL, {})) == 2  # the table, and not the temporary one
        assert await told(connection, connector, currval, {}, source) == "query-failed"

    with_connection(place, work, pool_size=1, read_only=False)
    assert place.sql("SELECT count(*) FROM log") == [(1,)]


def test_many_connections_and_many_statements(place: Place) -> None:
    place.sql("INSERT INTO things SELECT n, 'l' || n, 'o' || n FROM generate_series(3, 50) n")

    async def work(connection: Connection, connector: Resource) -> None:
        async def one(number: int) -> None:
            what = template(
                f"SELECT number, label AS l{number % 7} FROM things WHERE number = :n", {"n": {"type": "integer"}}
            )
            answer = await connection.run(call(connector, what, {"n": number % 50 + 1}))
            assert isinstance(answer, Answer)
            (row,) = answer.content
            assert list(row) == ["number", f"l{number % 7}"]
            assert row["number"] == number % 50 + 1

        await asyncio.gather(*(one(number) for number in range(300)))

    with_connection(place, work, pool_size=4)
