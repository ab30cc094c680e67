"""Hostile statements and values: nothing happens, with the first filter and without it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import ssl
import struct
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.access.snapshot import Resource
from reconciler.kinds.template.statement import Statement
from reconciler.runtime.call import Answer, Connection, Failed, Permits, Surroundings
from reconciler.runtime.connectors.sql import open_sql
from reconciler.runtime.connectors.sqlite import _Turn
from tests.runtime.calls import LOOPBACK, call, resolve, resource
from tests.runtime.test_connector_sql import (
    TEXT,
    Place,
    content,
    postgresql_place,
    ran,
    sqlite_place,
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


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Place:
    made = sqlite_place(tmp_path) if request.param == "sqlite" else postgresql_place(postgres_server)
    made.sql("CREATE INDEX by_name ON customers (name)")
    return made


def state(place: Place) -> Any:
    tables = (
        "SELECT name FROM sqlite_master"
        if place.is_sqlite
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    return place.sql("SELECT * FROM customers ORDER BY id"), sorted(place.sql(tables))


def unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.runtime.connectors.sql_common.inspect", lambda *_: Statement())


def by_hand(place: Place, sql: str, read_only: bool = True) -> Answer | Failed:
    """As if somebody had written it into the database, past every check of templates."""
    found: list[Answer | Failed] = []

    async def work(connection: Any, connector: Any) -> None:
        one = template("SELECT 1", read_only=read_only)
        one.body["sql"] = sql.replace("'STOLEN'", f"'{STOLEN}'")
        try:
            async with asyncio.timeout(5):
                found.append(await connection.run(call(connector, one, {}, 2.0)))
        except Failed as error:
            found.append(error)

    with_connection(place, work, read_only=read_only)
    return found[0]


@pytest.mark.parametrize("sql", FORMS)
def test_no_form_of_a_statement_does_anything_without_the_filter(
    place: Place, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfiltered(monkeypatch)
    before = state(place)
    answer = by_hand(place, sql)
    assert isinstance(answer, Failed) or sql.startswith("SELECT 1 --")
    assert state(place) == before
    assert not STOLEN.exists()


@pytest.mark.parametrize("sql", FORMS)
def test_with_the_filter_none_reaches_the_database(place: Place, sql: str) -> None:
    before = state(place)
    answer = by_hand(place, sql)
    assert isinstance(answer, Failed) or sql.startswith("SELECT 1 --")
    assert state(place) == before


WRITING = ("DELETE", "WITH gone", "UPDATE", "INSERT", "REPLACE", "SELECT 1 --", "/* */ DELETE")


@pytest.mark.parametrize("sql", [sql for sql in FORMS if not sql.startswith(WRITING)])
def test_who_may_write_may_do_nothing_else(place: Place, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows may be changed there; tables, settings and programs may not, with a role that owns them."""
    unfiltered(monkeypatch)
    if not place.is_sqlite:
        place.sql("ALTER TABLE customers OWNER TO agent")
        place.sql("GRANT CREATE ON SCHEMA public TO agent")
    before = state(place)
    answer = by_hand(place, sql, read_only=False)
    assert isinstance(answer, Failed)
    assert answer.code in {"query-failed", "statement-refused"}
    assert state(place) == before


def test_sleeping_ends_with_the_deadline(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)
    begun = time.monotonic()
    answer = by_hand(postgresql_place(postgres_server), "SELECT pg_sleep(30)")
    assert isinstance(answer, Failed)
    assert (answer.outcome, time.monotonic() - begun < 3.5) == ("timeout", True)


@pytest.mark.parametrize("dialect", FUNCTIONS)
def test_functions_that_reach_further(dialect: str, tmp_path: Path, postgres_server: str) -> None:
    place = sqlite_place(tmp_path) if dialect == "sqlite" else postgresql_place(postgres_server)
    for function in FUNCTIONS[dialect]:
        answer = by_hand(place, f"SELECT {function} AS x")
        assert isinstance(answer, Failed), function
        assert answer.code in {"statement-refused", "query-failed"}, (function, answer.code)


def test_sqlite_reads_only_without_its_authorizer_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is opened for reading, and no other one can be attached."""
    unfiltered(monkeypatch)
    monkeypatch.setattr("reconciler.runtime.connectors.sqlite._authorizer", lambda **_: None)
    place = sqlite_place(tmp_path)
    before = state(place)
    for sql in FORMS:
        by_hand(place, sql)
        assert state(place) == before, sql
        assert not STOLEN.exists()


def test_sqlite_does_not_trust_a_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made the file may have put a call into a view."""
    unfiltered(monkeypatch)
    monkeypatch.setattr("reconciler.runtime.connectors.sqlite._authorizer", lambda **_: None)
    place = sqlite_place(tmp_path)
    place.sql("CREATE VIEW innocent AS SELECT count(*) AS x FROM pragma_module_list")
    assert isinstance(by_hand(place, "SELECT count(*) AS x FROM pragma_module_list"), Answer)
    assert isinstance(by_hand(place, "SELECT * FROM innocent"), Failed)


def test_sqlite_refuses_them_without_the_filter_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)
    place = sqlite_place(tmp_path)
    for function in FUNCTIONS["sqlite"]:
        answer = by_hand(place, f"SELECT {function} AS x")
        assert isinstance(answer, Failed), function


def test_a_function_that_writes_writes_nothing(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query calls it, so its form is good: only the server's READ ONLY stands in its way."""
    unfiltered(monkeypatch)
    place = postgresql_place(postgres_server)
    place.sql(
        "CREATE FUNCTION gone() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'DELETE FROM customers; SELECT 1'"
    )
    before = state(place)
    # ROLLBACK takes a deletion back; what a sequence gave stays given
    place.sql("CREATE SEQUENCE numbers")
    place.sql("GRANT ALL ON SEQUENCE numbers TO agent")
    for sql in ("SELECT gone() AS x", "SELECT nextval('numbers') AS x"):
        assert isinstance(by_hand(place, sql), Failed), sql
    assert state(place) == before
    assert place.sql("SELECT last_value, is_called FROM numbers") == [(1, False)]


def test_nothing_of_a_session_is_left_for_the_next(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ROLLBACK does not free such a lock."""
    unfiltered(monkeypatch)
    place = postgresql_place(postgres_server)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"

    async def work(connection: Connection, connector: Resource) -> None:
        one = template("SELECT 1")
        one.body["sql"] = "SELECT count(*) AS n, count(pg_advisory_lock(7)) AS m, pg_backend_pid() AS pid"
        first = await connection.run(call(connector, one, {}))
        assert place.sql(locks) == [(0,)]
        again = await connection.run(call(connector, one, {}))
        assert first.content[0]["pid"] == again.content[0]["pid"]

    with_connection(place, work)


def payloads(count: int) -> list[str]:
    pieces = [
        *(
            "'",
            '"',
            "''",
            "\\",
            "\\'",
            "`",
            ";",
            "--",
            "/*",
            "*/",
            "#",
            "$$",
            "$1",
            "?1",
            ":a",
            "%s",
            "\x01",
            "\n",
            " OR 1=1 ",
        ),
        *(
            " UNION SELECT * FROM customers ",
            "DROP TABLE customers",
            "; DELETE FROM customers",
            "pg_sleep(9)",
            "E'\\047'",
            "U&'\\0027'",
        ),
        *(
            "ü",
            "😀",
            "\u2019",
            "\uff07",
            "0x27",
            "CHR(39)",
            "||",
            "::text",
            "admin",
            "{}",
            "[]",
            "\r\n",
            "\t",
            "NULL",
            "1",
            "%",
            "_",
        ),
    ]
    chosen = random.Random(7)
    return ["".join(chosen.choice(pieces) for _ in range(chosen.randint(1, 8))) for _ in range(count)]


def test_no_value_is_anything_but_a_value(place: Place) -> None:
    before = state(place)
    cast = "" if place.is_sqlite else "::text"
    echo = template(f"SELECT :v{cast} AS v, (SELECT count(*) FROM customers WHERE name = :v{cast}) AS n", {"v": TEXT})

    async def work(connection: Connection, connector: Any) -> None:
        for value in payloads(2000):
            answer = await connection.run(call(connector, echo, {"v": value}))
            assert answer.content == [{"v": value, "n": 0}]
        await asyncio.sleep(0)

    with_connection(place, work)
    assert state(place) == before


def test_a_comment_at_the_end_ends_nothing(place: Place) -> None:
    assert content(ran(place, "SELECT 1 AS one -- the end")) == [{"one": 1}]
    assert resource("connector", place.raw).body["read_only"] is True


Rule = Callable[[bytes], str]
PASS, SILENT, CUT = "pass", "silent", "cut"


@asynccontextmanager
async def between(place: Place, rule: Rule) -> AsyncIterator[tuple[Connection, Resource]]:
    """A connection that writes, through somebody who listens: what the client says decides what becomes of the answers."""
    folder = tempfile.mkdtemp(prefix="px", dir="/tmp")  # short, as a socket's path has to be
    real = f"{place.raw['host']}/.s.PGSQL.5432"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(real)
        mode = [PASS]

        async def up() -> None:
            while data := await reader.read(65536):
                mode[0] = max(mode[0], rule(data), key=(PASS, CUT, SILENT).index)
                if mode[0] != SILENT:
                    to_server.write(data)
            to_server.close()

        async def down() -> None:
            while data := await from_server.read(65536):
                if mode[0] == CUT:
                    break
                if mode[0] == PASS:
                    writer.write(data)
            writer.close()

        tasks = {asyncio.create_task(up()), asyncio.create_task(down())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        to_server.close()

    server = await asyncio.start_unix_server(handle, f"{folder}/.s.PGSQL.5432")
    connector = place.connector(host=folder, read_only=False)
    connection = await open_sql("acme", connector, place.around)
    try:
        yield connection, connector
    finally:
        await connection.close()
        server.close()
        await asyncio.sleep(0.05)
        shutil.rmtree(folder)


INSERT = template("INSERT INTO customers VALUES (50, 'x', 'y')", read_only=False)


def outcome(place: Place, rule: Rule, what: Resource, seconds: float = 5.0) -> tuple[str, float]:
    """How one call ended, and after how long."""

    async def main() -> tuple[str, float]:
        async with between(place, rule) as (connection, connector):
            begun = time.monotonic()
            try:
                await connection.run(call(connector, what, {}, seconds))
                said = "success"
            except Failed as error:
                said = error.outcome
            return said, time.monotonic() - begun

    return asyncio.run(main())


def when(word: bytes, mode: str) -> Rule:
    return lambda data: mode if word in data else PASS


@pytest.mark.parametrize(
    ("word", "mode", "said", "rows"),
    [
        (b"COMMIT", CUT, "unknown", 1),  # it was written, and nobody can know
        (b"COMMIT", SILENT, "unknown", 0),
        (b"INSERT", CUT, "failure", 0),
        (b"DISCARD", CUT, "success", 1),  # the answer was there already
        (b"DISCARD", SILENT, "success", 1),
    ],
)
def test_the_outcome_of_a_write_is_true(postgres_server: str, word: bytes, mode: str, said: str, rows: int) -> None:
    place = postgresql_place(postgres_server)
    assert outcome(place, when(word, mode), INSERT, 1.0)[0] == said
    time.sleep(0.1)
    assert place.sql("SELECT count(*) FROM customers WHERE id = 50") == [(rows,)]


@pytest.mark.parametrize("word", [b"user", b"pg_roles", b"BEGIN", b"to_json"])
def test_a_server_that_falls_silent_holds_nobody(postgres_server: str, word: bytes) -> None:
    said, took = outcome(postgresql_place(postgres_server), when(word, SILENT), template("SELECT 1 AS one"), 0.5)
    assert (said, took < 2.0) == ("timeout", True)


def test_cancelling_comes_back_from_a_silent_server(postgres_server: str) -> None:
    async def main() -> None:
        async with between(postgresql_place(postgres_server), when(b"to_json", SILENT)) as (connection, connector):
            begun = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await connection.run(call(connector, template("SELECT 1 AS one"), {}, 60.0))
            assert time.monotonic() - begun < 2.0

    asyncio.run(main())


class Stranger:
    """Whatever listens at a port: answers a request for TLS, and then the first message."""

    def __init__(self, tls: ssl.SSLContext | None, answer: bytes = b"") -> None:
        self.tls, self.answer = tls, answer
        self.heard: list[bytes] = []
        self.names: list[str | None] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(8)
            if first == struct.pack("!ii", 8, 80877103):
                writer.write(b"S" if self.tls else b"N")
                await writer.drain()
                if self.tls:
                    await writer.start_tls(self.tls)
                first = await reader.readexactly(8)
            self.heard.append(first + await reader.read(1000))
            writer.write(self.answer)
            if self.answer != WRONG:
                self.heard.append(await reader.read(1000))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def meeting(stranger: Stranger, raw: dict[str, Any], resolving: Any = resolve) -> Failed:
    """``raw`` on a connector to the stranger; PORT in what is resolved stands for its port."""

    async def main() -> Failed:
        server = await asyncio.start_server(stranger.handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def resolved(tenant: str, reference: str) -> str:
            return str(await resolving(tenant, reference)).replace("PORT", str(port))

        place = {"host": "localhost", "port": port, "database": "x", "username": "me"} if "dsn" not in raw else {}
        exceptions = [{"cidr": cidr, "port": port} for cidr in ("127.0.0.0/8", "::1/128")]
        connector = resource(
            "connector", {"type": "sql", "dialect": "postgresql", "network_exceptions": exceptions, **place, **raw}
        )
        connection = await open_sql("acme", connector, Surroundings(resolved, resolved, Permits(LOOPBACK)))
        try:
            with pytest.raises(Failed) as caught:
                await connection.run(call(connector, template("SELECT 1 AS one"), {}, 3.0))
        finally:
            await connection.close()
            server.close()
            await asyncio.sleep(0.02)
        return caught.value

    return asyncio.run(main())


CLEARTEXT = b"R" + struct.pack("!ii", 8, 3)
REFUSED = b"SFATAL\0VFATAL\0C28P01\0MCANARY\0\0"
WRONG = b"E" + struct.pack("!i", 4 + len(REFUSED)) + REFUSED


def test_the_operator_s_own_password_goes_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither from the environment nor from the home of whoever runs the server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".pgpass").write_text("*:*:*:*:OPERATOR-2\n")
    (tmp_path / ".pgpass").chmod(0o600)
    for variable in ("OPERATOR-1", None):
        if variable:
            monkeypatch.setenv("PGPASSWORD", variable)
        else:
            monkeypatch.delenv("PGPASSWORD")
        stranger = Stranger(None, CLEARTEXT)
        meeting(stranger, {"ssl": "disable"})
        assert len(stranger.heard) == 2  # the second is what it says for a password
        assert b"OPERATOR" not in b"".join(stranger.heard)


def test_a_refused_credential_is_asked_for_once_more() -> None:
    asked: list[str] = []

    async def resolving(_tenant: str, reference: str) -> str:
        asked.append(reference)
        return "the-password"

    error = meeting(Stranger(None, WRONG), {"ssl": "disable", "password": "env://PASSWORD"}, resolving)
    assert (error.code, error.outcome, len(asked)) == ("credential-refused", "failure", 2)
    assert "CANARY" not in str(error)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:CANARY\u2100@h\u2100/x",
        "postgresql://me:CANARY@[h/x",
        "postgresql://me:CANARY@h:port/x",
        "postgresql://me:CANARY@h/x?sslmode=CANARY",
        "mysql://me:CANARY@h/x",
        "CANARY",
    ],
)
def test_a_connection_string_that_can_not_be_read_is_not_quoted(dsn: str) -> None:
    async def resolving(_tenant: str, _reference: str) -> str:
        return dsn

    error = meeting(Stranger(None), {"dsn": "env://TOKEN"}, resolving)
    assert error.code == "invalid-dsn"
    assert "CANARY" not in "".join(traceback.format_exception(error))


def certified(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a certificate for the name, and beside it in ``folder`` who vouches for it: itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "crt.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("mode", "name", "trusted", "reached"),
    [
        ("verify-full", "localhost", True, True),
        ("verify-full", "elsewhere", True, False),
        ("verify-full", "localhost", False, False),
        ("verify-ca", "elsewhere", True, True),
        ("verify-ca", "elsewhere", False, False),
        ("require", "elsewhere", False, True),
        ("prefer", "elsewhere", False, True),
        ("require", "", False, False),  # the server has no TLS
        ("verify-full", "", False, False),
        ("prefer", "", False, True),
        ("disable", "", False, True),
    ],
)
@pytest.mark.parametrize("by_dsn", [False, True])
def test_who_is_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, name: str, trusted: bool, reached: bool, by_dsn: bool
) -> None:
    """The name that was asked for counts, though an address is dialled; a secret's ``sslmode`` can't loosen the spec."""
    tls = certified(tmp_path, name) if name else None
    stranger = Stranger(tls, WRONG)
    if tls is not None:
        tls.sni_callback = lambda _socket, said, _context: stranger.names.append(said)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt.pem"))

    async def resolving(_tenant: str, _reference: str) -> str:
        return "postgresql://me:x@localhost:PORT/x?sslmode=disable"

    meeting(stranger, {"ssl": mode, **({"dsn": "env://TOKEN"} if by_dsn else {})}, resolving)
    assert bool(stranger.heard) == reached
    if reached:
        assert b"user" in stranger.heard[0]
    if name:
        assert set(stranger.names) == {"localhost"}


def test_a_cancelled_write_is_not_written_later(tmp_path: Path) -> None:
    """All threads are taken, and it waits; whoever cancels it has to be right that nothing happened."""
    place = sqlite_place(tmp_path)
    endless = template("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n")

    async def work(connection: Connection, connector: Resource) -> None:
        busy = asyncio.create_task(connection.run(call(connector, endless, {}, 0.5)))
        await asyncio.sleep(0.1)
        late = call(connector, INSERT, {}, 0.2)
        waiting = asyncio.create_task(connection.run(call(connector, INSERT, {}, 30.0)))
        with pytest.raises(Failed) as caught:
            await connection.run(late)
        assert caught.value.outcome == "timeout"
        waiting.cancel()
        await asyncio.gather(busy, waiting, return_exceptions=True)
        answer = await connection.run(
            call(connector, template("SELECT count(*) AS n FROM customers WHERE id = 50"), {})
        )
        assert answer.content == [{"n": 0}]

    with_connection(place, work, read_only=False, pool_size=1)


def test_a_thread_looks_at_the_clock_itself(tmp_path: Path) -> None:
    endless = template("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0")

    async def work(connection: Any, connector: Resource) -> None:
        with pytest.raises(Failed) as caught:
            connection._run(call(connector, endless, {}, 60.0), _Turn(time.monotonic() + 0.2))
        assert caught.value.outcome == "timeout"

    with_connection(sqlite_place(tmp_path), work)


def test_who_cancels_first_is_right(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)

    async def main() -> None:
        stopped, one = _Turn(time.monotonic() + 9), call(place.connector(), INSERT, {})
        stopped.stop()
        with pytest.raises(Failed):
            stopped.commit(one)
        assert one.effect is False
        committing = _Turn(time.monotonic() + 9)
        committing.commit(one)
        committing.stop()
        assert one.effect is True

    asyncio.run(main())


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    place = sqlite_place(root)
    sqlite_place(outside)

    async def work(connection: Connection, connector: Resource) -> None:
        counted = template("SELECT count(*) AS n FROM customers")
        assert (await connection.run(call(connector, counted, {}))).content == [{"n": 3}]
        (root / "data.db").unlink()
        (root / "data.db").symlink_to(outside / "data.db")
        with pytest.raises(Failed) as caught:
            await connection.run(call(connector, counted, {}))
        assert (caught.value.code, caught.value.outcome) == ("file-not-permitted", "blocked")

    with_connection(place, work)


def test_a_file_that_is_exchanged_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    place = sqlite_place(root)
    sqlite_place(outside)
    real = sqlite3.connect

    def exchanging(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        (outside / "data.db").replace(root / "data.db")
        return real(*args, **kwargs)

    monkeypatch.setattr("reconciler.runtime.connectors.sqlite.sqlite3.connect", exchanging)
    answer = ran(place, "SELECT count(*) AS n FROM customers")
    assert isinstance(answer, Failed)
    assert answer.code == "file-not-permitted"


def test_what_is_no_file_and_what_is_no_database(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    os.mkfifo(tmp_path / "pipe.db")  # to open it would wait for ever
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("CANARY" * 1000)
    for name in ("pipe.db", "folder.db", "text.db"):
        answer = ran(place, "SELECT id FROM customers", connector={"database": str(tmp_path / name)})
        assert isinstance(answer, Failed)
        assert answer.code == "unreachable"
        assert "CANARY" not in str(answer)


def test_a_lock_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    other = sqlite3.connect(tmp_path / "data.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        begun = time.monotonic()
        answer = ran(place, "SELECT id FROM customers", seconds=0.2)
    finally:
        other.close()
    assert isinstance(answer, Failed)
    assert (answer.outcome, time.monotonic() - begun < 0.6) == ("timeout", True)


def test_a_match_that_nothing_interrupts_holds_nobody(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    sql = "SELECT printf('%.1000000c', 'a') LIKE :v AS a"
    begun = time.monotonic()
    answer = ran(place, sql, {"v": "%" + "a" * 900 + "b"}, {"v": TEXT}, seconds=0.2)
    assert isinstance(answer, Failed)
    assert (answer.outcome, time.monotonic() - begun < 1.0) == ("timeout", True)
    assert isinstance(ran(place, sql, {"v": "%" + "a" * 1000 + "b"}, {"v": TEXT}), Failed)
