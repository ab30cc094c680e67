"""PostgreSQL: a call turned into one prepared statement in a transaction that the server keeps read-only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg  # type: ignore[import-untyped]
import orjson

from reconciler.access.snapshot import Resource
from reconciler.runtime.addresses import checked as checked_addresses
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings
from reconciler.runtime.connectors.sql_common import Caps, bound, caps_of, checked, told, too_large, typed, writes

CONNECT_SECONDS, IDLE_SECONDS = 5.0, 60.0
_PRIVILEGED = """SELECT rolsuper OR rolreplication OR rolbypassrls OR rolcreaterole OR EXISTS (
  SELECT 1 FROM pg_roles g WHERE g.rolname = ANY($1::text[]) AND pg_has_role(current_user, g.oid, 'MEMBER'))
FROM pg_roles WHERE rolname = current_user"""
_GROUPS = [
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_execute_server_program",
    "pg_signal_backend",
    "pg_checkpoint",
    "pg_create_subscription",
]
_CONTROL = (
    "SELECT current_database(), EXISTS (SELECT 1 FROM pg_class WHERE relname = 'reconciler_schema' AND relkind = 'r')"
)


class Target(NamedTuple):
    """Where to dial, and as whom. ``folder`` is that of a Unix socket."""

    host: str
    port: int
    database: str
    user: str | None
    password: str | None
    ssl: str

    @property
    def folder(self) -> str | None:
        return self.host if self.host.startswith("/") else None


async def open_postgresql(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet. Raises Failed."""
    return _Postgresql(tenant, connector, around)


class _Postgresql:
    """At most ``pool_size`` connections, opened when they are needed and reused once they are as new."""

    def __init__(self, tenant: str, connector: Resource, around: Surroundings) -> None:
        self._tenant, self._body, self._around = tenant, connector.body, around
        self._slots = asyncio.Semaphore(connector.body["pool_size"])
        self._idle: list[Any] = []

    async def run(self, call: Call) -> Answer:
        sql, may_write = checked(call), writes(call)
        async with self._slots:
            connection = await self._connection()
            clean = False
            try:
                answer = await _answer(connection, call, sql, may_write)
                await connection.execute("DISCARD ALL")
                clean = True
                return answer
            except asyncpg.QueryCanceledError:
                raise Failed("timeout", "it took too long", "timeout") from None
            except asyncpg.PostgresError as error:
                raise _failed(error, call.effect) from None
            except (OSError, asyncpg.InterfaceError):
                outcome = "unknown" if call.effect else "failure"
                raise Failed("connection-lost", "the connection to the database ended", outcome) from None
            finally:
                if clean:
                    self._idle.append(connection)
                else:
                    connection.terminate()  # whoever comes next gets one of which everything is known

    async def close(self) -> None:
        for connection in self._idle:
            connection.terminate()

    async def _connection(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        for again in (False, True):
            target = await target_of(self._tenant, self._body, self._around)
            try:
                return await _opened(target, self._body, self._around)
            except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
                if again:
                    raise Failed("credential-refused", "the database refuses the credential") from None
            except asyncpg.PostgresError as error:
                raise Failed("unreachable", f"the database refuses a connection ({error.sqlstate})") from None
            except (OSError, TimeoutError, asyncpg.InterfaceError, ssl.SSLError):
                raise Failed("unreachable", "the database can't be reached") from None
        raise AssertionError


async def target_of(tenant: str, body: dict[str, Any], around: Surroundings) -> Target:
    """Secrets are fetched here, at the last moment. Raises Failed."""
    if body.get("dsn") is None:
        password = await around.resolve(tenant, body["password"]) if body.get("password") else None
        return Target(
            body["host"], body.get("port") or 5432, body["database"], body.get("username"), password, body["ssl"]
        )
    parts = urlsplit(await around.resolve(tenant, body["dsn"]))
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    try:
        host, port = query.get("host") or unquote(parts.hostname or ""), parts.port or int(query.get("port", 5432))
    except ValueError:
        raise Failed("invalid-dsn", "the connection string can't be read") from None
    if parts.scheme not in {"postgresql", "postgres"} or not host:
        raise Failed("invalid-dsn", "the connection string names no PostgreSQL server")
    user = unquote(parts.username) if parts.username else None
    secret = unquote(parts.password) if parts.password else None
    return Target(
        host, port, unquote(parts.path.lstrip("/")) or "postgres", user, secret, query.get("sslmode", body["ssl"])
    )


async def _opened(target: Target, body: dict[str, Any], around: Surroundings) -> Any:
    if target.folder is not None:
        # a socket is a way into this very machine: who may name it may name 127.0.0.1
        addresses = [target.folder]
        await checked_addresses("127.0.0.1", target.port, around.permits, body["network_exceptions"])
    else:
        addresses = await checked_addresses(target.host, target.port, around.permits, body["network_exceptions"])
    secure = False if target.folder is not None else _tls(target.ssl, target.host)
    connection = await asyncpg.connect(
        host=addresses[0],
        port=target.port,
        database=target.database,
        user=target.user,
        password=target.password,
        ssl=secure,
        timeout=CONNECT_SECONDS,
        statement_cache_size=0,
        server_settings={"application_name": "reconciler serve", "search_path": "public"},
    )
    try:
        await _refuse_privileges(connection, around)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _tls(mode: str, host: str) -> Any:
    """The name is checked against the certificate although an address is dialled: it is the one that was asked for."""
    if mode == "disable":
        return False
    if mode in {"prefer", "require"}:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return "prefer" if mode == "prefer" else context
    context = _Named.named(host) if mode == "verify-full" else ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    return context


class _Named(ssl.SSLContext):
    """Says the name that was asked for, whatever was dialled."""

    name = ""

    @classmethod
    def named(cls, host: str) -> _Named:
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        context.name = host
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["server_hostname"] = self.name
        return super().wrap_bio(*args, **kwargs)


async def _refuse_privileges(connection: Any, around: Surroundings) -> None:
    if await connection.fetchval(_PRIVILEGED, _GROUPS):
        raise Failed("privileged-role", "the role may do more than reading and writing tables", "blocked")
    database, ours = await connection.fetchrow(_CONTROL)
    if ours or ((None, database) in around.control and await _is_control(connection)):
        raise Failed("control-database", "the database of the configuration is nothing for templates", "blocked")


async def _is_control(connection: Any) -> bool:
    """A database of the same name: on the same server or not, it holds what only ours does."""
    return bool(await connection.fetchval("SELECT to_regclass('reconciler_schema') IS NOT NULL"))


async def _answer(connection: Any, call: Call, sql: str, may_write: bool) -> Answer:
    caps = caps_of(call)
    seconds = max(0.001, call.deadline - asyncio.get_running_loop().time())
    statement = bound(sql, "postgresql", "$")
    values = [typed(call, name) for name in statement.names]
    transaction = connection.transaction(readonly=not may_write)
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        answer = await (_written if may_write else _read)(connection, statement.sql, values, caps)
        if may_write:
            call.effect = True
            await transaction.commit()
            return answer
    except BaseException:
        if not call.effect and not connection.is_closed():
            with contextlib.suppress(Exception):
                await transaction.rollback()
        raise
    await transaction.rollback()
    return answer


async def _read(connection: Any, sql: str, values: list[Any], caps: Caps) -> Answer:
    """Inside of a subquery there is no other form of a statement than a query; what is prepared is one statement.

    Rows come as JSON that the server has made and measured: a cell that is too large stays there.
    """
    attributes = (await _prepared(connection, f"SELECT * FROM (\n{sql}\n) reconciler_t")).get_attributes()
    names = [f"c{number}" for number in range(len(attributes))]
    inner = f"SELECT * FROM (\n{sql}\n) reconciler_t ({', '.join(names)}) LIMIT {caps.rows + 1}"
    measured = (
        f"SELECT CASE WHEN total <= {caps.size} THEN j END, total > {caps.size} FROM (SELECT j, sum(octet_length(j)) "
        f"OVER (ROWS UNBOUNDED PRECEDING) AS total FROM (SELECT to_json(t)::text AS j FROM ({inner}) t) a) b"
    )
    records = await (await _prepared(connection, measured)).fetch(*values)
    if any(large for _, large in records):
        raise too_large()
    exact = any(one.type.name in _EXACT or one.type.kind != "scalar" for one in attributes)
    binary = [name for name, one in zip(names, attributes, strict=True) if one.type.name == "bytea"]
    rows = ([_cell(row, name, binary) for name in names] for row in (_row(text, exact) for text, _ in records))
    return told([one.name for one in attributes], rows, caps)


_EXACT = frozenset({"numeric", "int8", "json", "jsonb", "money"})
"""Types whose numbers may be longer than JSON's readers keep them."""


def _row(text: str, exact: bool) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(text, parse_float=Decimal) if exact else orjson.loads(text)
    return row


def _cell(row: dict[str, Any], name: str, binary: list[str]) -> Any:
    value = row[name]
    return bytes.fromhex(value[2:]) if name in binary and isinstance(value, str) else value


async def _written(connection: Any, sql: str, values: list[Any], caps: Caps) -> Answer:
    statement = await _prepared(connection, sql)
    columns = [one.name for one in statement.get_attributes()]
    records = await statement.fetch(*values)
    changed = int((statement.get_statusmsg() or "0").rpartition(" ")[2] or 0)
    if columns:
        return told(columns, map(tuple, records), caps)
    return Answer({"changed": changed}, changed, 0)


async def _prepared(connection: Any, sql: str) -> Any:
    return await connection.prepare(sql)


def _failed(error: Any, effect: bool) -> Failed:
    """Of the server's message only the class of its code: the rest may hold values."""
    state = str(error.sqlstate or "")
    if state.startswith("25006") or state in {"42501", "0A000"}:
        return Failed("statement-refused", "the statement does something that is not allowed here", "blocked")
    return Failed(
        "query-failed",
        f"the database refused the statement ({state})",
        "unknown" if effect and not state else "failure",
    )
