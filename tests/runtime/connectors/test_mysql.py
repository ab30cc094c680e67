"""MySQL and MariaDB: how values are written, what a session may, how a call ends, and who is spoken to.

MariaDB runs for real. Of MySQL, what differs is one setting (``max_execution_time``).
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed, Permits, Surroundings, ValuesRefused
from reconciler.runtime.connectors import mysql, mysql_session
from reconciler.runtime.connectors.mysql_values import literal
from reconciler.runtime.connectors.sql import open_sql
from tests.mariadb import Mariadb, running
from tests.runtime.calls import LOOPBACK, call, resolve, resource
from tests.runtime.connectors.hostile import FORMS, unfiltered
from tests.runtime.connectors.support import (
    TEXT,
    Place,
    content,
    lists,
    mysql_place,
    ran,
    template,
    told,
    with_connection,
)
from tests.runtime.connectors.test_postgresql_strangers import certified
from tests.runtime.connectors.test_sql_bounds import grows_by_at_most
from tests.runtime.connectors.test_sql_values_hostile import payloads
from tests.runtime.test_addresses import PRIVATE

ENDLESS = f"SELECT count(*) AS n FROM {', '.join(f'customers c{number}' for number in range(24))} WHERE c0.name <> :v"
VALUE = {"v": {"type": "string"}}


@pytest.fixture
def place(mariadb: Mariadb) -> Place:
    return mysql_place(mariadb)


def test_hostile_texts_are_values(place: Place) -> None:
    """In every character set and mode that the server may begin with; NO_BACKSLASH_ESCAPES among them."""
    before = place.sql("SELECT * FROM customers")
    echo = template("SELECT :v AS v, (SELECT count(*) FROM customers WHERE name = :v) AS n", {"v": TEXT})
    multi = ["\u5acb'", "\xbf\x27 OR 1=1", "\x5c'", "a\0b", "\\", "\\'", "縗' OR '1'='1", "\u2028", "😀'"]

    async def work(connection: Connection, connector: Resource) -> None:
        for value in [*payloads(300), *multi]:
            answer = await connection.run(call(connector, echo, {"v": value}))
            assert answer.content == [{"v": value, "n": 0}]

    for mode, charset in (("NO_BACKSLASH_ESCAPES,ANSI_QUOTES", "gbk"), ("", "utf8mb4")):
        place.sql(f"SET GLOBAL sql_mode = '{mode}'")
        place.sql(f"SET GLOBAL character_set_server = {charset}")
        try:
            with_connection(place, work)
        finally:
            place.sql("SET GLOBAL sql_mode = DEFAULT")
            place.sql("SET GLOBAL character_set_server = utf8mb4")
    assert place.sql("SELECT * FROM customers") == before


def test_the_mode_is_ours(place: Place) -> None:
    place.sql("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
    try:

        async def work(connection: Connection, connector: Resource) -> None:
            for _ in range(3):  # the second comes by a connection that was made as new
                what = template('SELECT "a\\\'b" AS v, 1 AS n')
                assert await told(connection, connector, what, {}) == [{"v": "a'b", "n": 1}]

        with_connection(place, work, pool_size=1)
    finally:
        place.sql("SET GLOBAL sql_mode = DEFAULT")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "ü😀'\"\\;--", "ü😀'\"\\;--"),
        ("string", "a\0b", "a\0b"),
        ("integer", 2**53 + 1, str(2**53 + 1)),
        ("integer", -5, -5),
        ("integer", 2**64, str(2**64)),
        ("number", 1.1, "1.1"),
        ("number", -0.5, "-0.5"),
        ("boolean", True, 1),
        ("date", "2026-02-28", "2026-02-28"),
        ("timestamp", "2026-01-02T03:04:05.5+02:00", "2026-01-02T01:04:05.500000"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ("string", None, None),
    ],
)
def test_values_both_ways(place: Place, kind: str, value: Any, expected: Any) -> None:
    parameters = {"v": {"type": kind, "nullable": True}}
    assert content(ran(place, "SELECT :v AS v, 5 -:v AS d", {"v": value}, parameters))[0]["v"] == expected


def test_lists_are_json(place: Place) -> None:
    ids = "SELECT j.id FROM JSON_TABLE(:ids, '$[*]' COLUMNS(id INT PATH '$')) j"
    answer = ran(
        place,
        f"SELECT name FROM customers WHERE id IN ({ids}) ORDER BY id LIMIT :n",
        {"ids": [1, 3], "n": 5},
        {"ids": {"type": "array", "items": "integer"}, "n": {"type": "integer"}},
    )
    assert content(answer) == [{"name": "Ann"}, {"name": "Cid"}]


def test_texts_have_no_quote_to_end() -> None:
    assert literal("'\\") == "_utf8mb4 X'275c'"
    with pytest.raises(UnicodeError):
        literal("\ud800")


@pytest.mark.parametrize(
    "sql", [*FORMS, "SELECT 1 INTO OUTFILE '/tmp/stolen'", "SELECT 1 FOR UPDATE", "SELECT sleep(9)"]
)
def test_hostile_statements(place: Place, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the filter of templates, and by the server's grammar, its READ ONLY transaction and the role's grants."""
    before = (place.sql("SELECT * FROM customers"), place.sql("SHOW TABLES"))
    for _ in range(2):

        async def work(connection: Connection, connector: Resource) -> None:
            one = template("SELECT 1")
            one.body["sql"] = sql
            if "sleep" not in sql and "FOR UPDATE" not in sql:
                assert isinstance(await told(connection, connector, one, {}, lists()), str) or sql.startswith(
                    "SELECT 1 --"
                )

        with_connection(place, work)
        assert (place.sql("SELECT * FROM customers"), place.sql("SHOW TABLES")) == before
        unfiltered(monkeypatch)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT /*+ SET_VAR(max_execution_time=0) */ 1",
        "SELECT 1 /*!50000 , 2 */",
        "SELECT 1 /*M! , 2 */",
        "SELECT @x := 1",
        "SELECT @@global.local_infile",
        "SELECT sleep(5)",
        "SELECT `sleep`(5)",
        "SELECT benchmark(1, 2)",
        "SELECT load_file('/etc/passwd')",
        "SELECT get_lock('a', 1)",
        "SELECT name FROM customers INTO OUTFILE '/tmp/x'",
        "SELECT name INTO DUMPFILE '/tmp/x' FROM customers",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE customers",
        "SELECT * FROM mysql.user",
        "SELECT * FROM information_schema.processlist",
        "SELECT * FROM performance_schema.threads",
        "SET STATEMENT max_statement_time = 0 FOR SELECT 1",
        "HANDLER customers OPEN",
        "DO sleep(5)",
    ],
)
def test_what_reaches_further_is_refused(place: Place, sql: str) -> None:
    async def work(connection: Connection, connector: Resource) -> None:
        for read_only in (True, False):
            one = template("SELECT 1", read_only=read_only)
            one.body["sql"] = sql
            assert await told(connection, connector, one, {}) == "statement-refused"

    with_connection(place, work, read_only=False)


def test_one_statement_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is not told that several may come, whatever was judged."""
    unfiltered(monkeypatch)
    answer = ran(place, "DELETE FROM customers; SELECT 1", read_only=False, connector={"read_only": False})
    assert isinstance(answer, Failed)
    assert len(place.sql("SELECT * FROM customers")) == 3


def test_bounds(place: Place) -> None:
    place.sql("CREATE TABLE big (v LONGTEXT)")
    place.sql("INSERT INTO big VALUES (repeat('x', 10000000))")
    with grows_by_at_most(30_000_000):
        answer = ran(place, "SELECT v FROM big", max_result_bytes=100_000)
    assert isinstance(answer, Failed)
    assert answer.code == "too-large"
    many = "SELECT c0.id FROM " + ", ".join(f"customers c{number}" for number in range(13))
    for sql in (many, f"{many} LIMIT 1000000"):
        answer = ran(place, sql, max_rows=7)
        assert isinstance(answer, Answer)
        assert (len(answer.content), answer.cut) == (7, True)


def active(place: Place) -> int:
    return len(
        place.sql(
            f"SELECT 1 FROM information_schema.processlist WHERE user = '{place.raw['username']}' AND command = 'Query'"
        )
    )


def test_a_slow_statement_ends_at_the_server(place: Place) -> None:
    begun = time.monotonic()
    answer = ran(place, ENDLESS, {"v": ""}, VALUE, seconds=1.0)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("timeout", "timeout")
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("may_write", [False, True])
def test_a_cancelled_statement_is_killed(place: Place, may_write: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of the server is far away: KILL QUERY ends it, by another connection."""
    sql = ENDLESS if not may_write else f"UPDATE customers SET name = 'x' WHERE id < ({ENDLESS})"

    async def work(connection: Connection, connector: Resource) -> None:
        what = template("SELECT 1", VALUE, read_only=not may_write)
        what.body["sql"] = sql
        task = asyncio.create_task(connection.run(call(connector, what, {"v": ""}, 60.0)))
        await _until(lambda: active(place) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(lambda: active(place) == 0)
        assert await told(connection, connector, template("SELECT 1 AS one"), {}) == [{"one": 1}]

    with_connection(place, work, read_only=False)
    assert len(place.sql("SELECT * FROM customers WHERE name = 'x'")) == 0


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


def test_connections_are_as_new(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)

    async def work(connection: Connection, connector: Resource) -> None:
        for sql in ("SELECT @stolen := 5 AS v", "SELECT get_lock('stolen', 0) AS v"):
            one = template("SELECT 1")
            one.body["sql"] = sql
            await told(connection, connector, one, {})
        for sql, expected in (("SELECT @stolen AS v", None), ("SELECT is_free_lock('stolen') AS v", 1)):
            one = template("SELECT 1")
            one.body["sql"] = sql
            assert await told(connection, connector, one, {}) == [{"v": expected}]

    with_connection(place, work, pool_size=1)


def test_writes(place: Place) -> None:
    more: dict[str, Any] = {"connector": {"read_only": False}, "read_only": False}
    add = "INSERT INTO customers VALUES (:i, :n, 'eu') RETURNING id"
    parameters = {"i": {"type": "integer"}, "n": TEXT}
    assert content(ran(place, add, {"i": 9, "n": "Zoe"}, parameters, **more)) == [{"id": 9}]
    update = "UPDATE customers SET name = :n WHERE region = 'eu'"
    assert content(ran(place, update, {"n": "Eve"}, {"n": TEXT}, **more)) == {"changed": 3}
    place.sql("ALTER TABLE customers ADD UNIQUE (id)")
    answer = ran(place, add, {"i": 9, "n": "x"}, parameters, **more)
    assert isinstance(answer, ValuesRefused)
    assert isinstance(ran(place, update, {"n": "x" * 101}, {"n": TEXT}, **more), ValuesRefused)
    place.sql("ALTER TABLE customers CONVERT TO CHARACTER SET latin1")
    assert isinstance(ran(place, "SELECT id FROM customers WHERE name = :n", {"n": "😀"}, {"n": TEXT}), ValuesRefused)
    answer = ran(place, update, {"n": "x"}, {"n": TEXT})
    assert isinstance(answer, Failed)
    assert answer.code == "statement-refused"
    assert len(place.sql("SELECT * FROM customers WHERE name = 'Eve'")) == 3


def test_a_lost_commit_is_unknown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mysql_session.Session.do

    async def do(self: mysql_session.Session, sql: str) -> None:
        if sql == "COMMIT":
            self.end()
        await before(self, sql)

    monkeypatch.setattr(mysql_session.Session, "do", do)
    answer = ran(place, "DELETE FROM customers WHERE id = 1", read_only=False, connector={"read_only": False})
    assert isinstance(answer, Failed)
    assert answer.outcome == "unknown"


@pytest.mark.parametrize("grant", ["SUPER", "FILE", "PROCESS", "SELECT", "ALL PRIVILEGES", "CREATE USER"])
def test_a_role_that_may_too_much(place: Place, grant: str) -> None:
    place.sql(f"GRANT {grant} ON *.* TO {place.raw['username']}@'127.0.0.1'")
    answer = ran(place, "SELECT 1 AS one")
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("privileged-role", "blocked")


def test_a_granted_role_is_not_in_force(place: Place) -> None:
    name = place.raw["username"]
    place.sql(f"CREATE ROLE r{name}")
    place.sql(f"GRANT ALL PRIVILEGES ON *.* TO r{name}")
    place.sql(f"GRANT r{name} TO {name}@'127.0.0.1'")
    place.sql(f"SET DEFAULT ROLE r{name} FOR {name}@'127.0.0.1'")

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(2):
            assert await told(connection, connector, template("SELECT 1 AS one"), {}) == [{"one": 1}]
            one = template("SELECT 1")
            one.body["sql"] = f"SELECT count(*) AS n FROM {name}x.t"
            assert await told(connection, connector, one, {}) == "statement-refused"

    place.sql(f"CREATE DATABASE {name}x")
    place.sql(f"CREATE TABLE {name}x.t (a INTEGER)")
    with_connection(place, work, pool_size=1)


def test_health_and_credentials(place: Place) -> None:
    async def work(connection: Connection, _connector: Resource) -> None:
        await connection.ping()

    with_connection(place, work)
    answer = ran(place, "SELECT 1 AS one", connector={"password": "env://TOKEN"})
    assert isinstance(answer, Failed)
    assert answer.code == "credential-refused"
    answer = ran(
        place, "SELECT 1 AS one", connector={"port": 1, "network_exceptions": [{"cidr": "127.0.0.0/8", "port": 1}]}
    )
    assert isinstance(answer, Failed)
    assert answer.code == "unreachable"


def test_a_connection_string(place: Place) -> None:
    raw = {key: place.raw[key] for key in ("type", "dialect", "ssl", "network_exceptions")}
    user, port = place.raw["username"], place.raw["port"]

    async def told_of(_tenant: str, _reference: str) -> str:
        return f"mysql://{user}:pa%2Fss%20w%C3%B6rd%2B1@127.0.0.1:{port}/{user}"

    async def main() -> None:
        connector = resource("connector", {**raw, "dsn": "env://DSN"})
        connection = await open_sql("acme", connector, Surroundings(told_of, told_of, Permits(LOOPBACK)))
        assert await told(connection, connector, template("SELECT count(*) AS n FROM customers"), {}) == [{"n": 3}]
        await connection.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("mode", "name", "trusted", "reached"),
    [
        ("verify-full", "localhost", True, True),
        ("verify-full", "elsewhere", True, False),
        ("verify-full", "localhost", False, False),
        ("verify-ca", "elsewhere", True, True),
        ("require", "elsewhere", False, True),
    ],
)
def test_the_name_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, name: str, trusted: bool, reached: bool
) -> None:
    """The name that was asked for counts, though an address is dialled."""
    certified(tmp_path, name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt.pem"))
    options = (f"--ssl-cert={tmp_path / 'crt.pem'}", f"--ssl-key={tmp_path / 'key.pem'}")
    with running(tmp_path / "server", *options) as server:
        if server is None:
            pytest.skip("MariaDB comes from Debian's packages, and there is no apt here")
        place = mysql_place(server)
        answer = ran(place, "SELECT 1 AS one", connector={"ssl": mode, "host": "localhost"})
        assert isinstance(answer, Answer) == reached
        place.sql(f"ALTER USER {place.raw['username']}@'127.0.0.1' REQUIRE SSL")
        assert (
            isinstance(ran(place, "SELECT 1 AS one", connector={"ssl": mode, "host": "localhost"}), Answer) == reached
        )


GREETING = b"\x0a5.7.0\0" + struct.pack("<I", 7) + b"saltsalt\0" + struct.pack("<HBHHB", 0xF7FF, 45, 2, 0x00FF, 21)
GREETING += bytes(10) + b"saltsaltsalt\0mysql_native_password\0"
OK = b"\0\0\0\2\0\0\0"


def packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def meeting(handle: Any, **more: Any) -> tuple[Failed, float]:
    """What comes of a call to somebody who is no database."""

    async def main() -> Failed:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        near = {"network_exceptions": [{"cidr": "127.0.0.0/8", "port": port}]}
        raw = {"type": "sql", "dialect": "mysql", "host": "127.0.0.1", "port": port, "database": "x", "username": "me"}
        connector = resource("connector", {**raw, "password": "env://TOKEN", "ssl": "disable", **near, **more})
        connection = await open_sql("acme", connector, Surroundings(resolve, resolve, Permits(LOOPBACK)))
        try:
            with pytest.raises(Failed) as caught:
                await connection.run(call(connector, template("SELECT 1 AS one"), {}, 3.0))
            return caught.value
        finally:
            await connection.close()
            server.close()

    begun = time.monotonic()
    return asyncio.run(main()), time.monotonic() - begun


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


def saying(*replies: bytes, heard: list[bytes]) -> Handler:
    """Greets, and says one thing after each that it hears."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, GREETING))
        try:
            for reply in replies:
                heard.append(await reader.read(65536))
                writer.write(reply)
                await writer.drain()
            heard.append(await asyncio.wait_for(reader.read(65536), 1))
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()

    return handle


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog", b"mysql_old_password"])
def test_nobody_is_handed_the_password(plugin: bytes) -> None:
    heard: list[bytes] = []
    error, _ = meeting(saying(packet(2, b"\xfe" + plugin + b"\0" + b"\x02Password: "), heard=heard))
    assert error.code in {"credential-refused", "unreachable"}
    assert b"s3cret-token-value" not in b"".join(heard)


def test_no_file_is_sent() -> None:
    heard: list[bytes] = []
    asks = packet(1, b"\xfb/etc/passwd")
    error, _ = meeting(saying(packet(2, OK), *[asks] * 5, heard=heard))
    assert error.outcome != "success"
    assert b"root:" not in b"".join(heard)


@pytest.mark.parametrize(
    "said",
    [b"", b"SSH-2.0-x\r\n", b"\xff" * 40, packet(0, b"\x0a5"), packet(0, b"\xff\x15\x04#28000no"), b"\0\0\0\0" * 9],
)
def test_strangers(said: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    error, _ = meeting(handle)
    assert error.code in {"unreachable", "credential-refused", "connection-lost"}


def test_one_that_says_nothing() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    error, took = meeting(handle)
    assert (error.code, error.outcome) == ("timeout", "timeout")
    assert took < 10


def test_no_server_talks_us_out_of_tls() -> None:
    """One that offers no TLS hears nothing of the password."""
    heard: list[bytes] = []
    error, _ = meeting(saying(packet(2, OK), heard=heard), ssl="require")
    assert error.code == "unreachable"
    assert b"me\0" not in b"".join(heard)


@pytest.mark.parametrize("host", PRIVATE)
def test_a_victim_hears_nothing(host: str) -> None:
    heard: list[Any] = []

    async def main() -> None:
        victim = await asyncio.start_server(lambda reader, writer: heard.append(writer), "127.0.0.1", 0)
        port = victim.sockets[0].getsockname()[1]

        async def told_of(_tenant: str, _reference: str) -> str:
            name = f"[{host.strip('[]')}]" if ":" in host else host
            return f"mysql://me:x@{name}:{port}/x"

        connector = resource("connector", {"type": "sql", "dialect": "mysql", "dsn": "env://DSN", "ssl": "disable"})
        connection = await open_sql("acme", connector, Surroundings(told_of, told_of, Permits()))
        with pytest.raises(Failed):
            await connection.run(call(connector, template("SELECT 1 AS one"), {}))
        await connection.close()
        victim.close()

    asyncio.run(main())
    assert not heard


def test_mysql_itself_has_another_bound() -> None:
    """Of MySQL's own settings: nothing runs them here."""
    asked: list[str] = []

    class Client:
        server_version = "8.4.0"

        async def query(self, sql: str) -> None:
            asked.append(sql)

    asyncio.run(mysql_session.Session(Client(), 0.0).begin(1.5, 10, readonly=True))
    assert asked == ["SET SESSION max_execution_time = 1500, sql_select_limit = 11", "START TRANSACTION READ ONLY"]


def test_errors_hold_nothing_of_a_value(place: Place) -> None:
    answer = ran(place, "SELECT CAST(:v AS DATE) + nothing AS x", {"v": "CANARY"}, VALUE)
    assert isinstance(answer, Failed)
    assert "CANARY" not in str(answer)
    assert mysql._code(Exception("x")) == 0
