"""One connection to MySQL or MariaDB: dialled at a judged address, with settings of ours, and as new before each call."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from asyncmy.connection import Connection as Client
from asyncmy.constants import CLIENT
from asyncmy.cursors import SSCursor

from reconciler.runtime.addresses import checked as checked_addresses
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.dsn import Target, tls_of
from reconciler.runtime.connectors.sql_common import too_large
from reconciler.runtime.connectors.sql_rows import Caps

CONNECT_SECONDS = 5.0
_MODE = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY"
_SETTINGS = f"SET SESSION sql_mode = '{_MODE}', time_zone = '+00:00', autocommit = 1"
"""No ANSI_QUOTES and no NO_BACKSLASH_ESCAPES: statements are read as the lexer of templates reads them."""
_RESET = 0x1F
"""COM_RESET_CONNECTION (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_reset_connection.html)."""
_MARGIN = 65536
_ROW = 2**24 - 2
"""Bytes of a row: a longer one comes in several packets, whose sum nothing bounds."""
_WRITES_PASSWORDS = (b"mysql_clear_password", b"dialog", b"mysql_old_password")


class _Refusing:
    """Takes part in no authentication that hands the password to whoever asks."""

    def __init__(self, _client: Any) -> None:
        raise Failed("credential-refused", "the server asks for the password itself", "blocked")


class _Bounded(Client):
    """A client that sends one statement at a time, and never waits for more bytes of a row than it may have."""

    most = _MARGIN

    async def _fill_buffer(self, need: int) -> None:
        if need > min(self.most, _ROW):
            self.close()
            raise too_large()
        await super()._fill_buffer(need)  # type: ignore[misc]


class Session:
    """``until`` is when it is given up, in monotonic time: roles and passwords change."""

    def __init__(self, client: Any, until: float) -> None:
        self._client, self.until = client, until
        self.is_mariadb = "MariaDB" in str(client.server_version)
        self.forms: set[str] = set()
        """Statements that this server reads as one query."""

    @property
    def number(self) -> int:
        """The server's number of this connection."""
        return int(self._client.thread_id())

    @property
    def is_open(self) -> bool:
        return bool(self._client.connected) and not self._client._stream_broken

    def end(self) -> None:
        self._client.close()

    async def do(self, sql: str) -> None:
        """Run a statement of this program."""
        await self._client.query(sql)

    async def grants(self) -> list[str]:
        """Return what the role may do, as the server writes it."""
        await self.do("SHOW GRANTS")
        return [str(row[0]) for row in self._client._result.rows]

    async def ask(self, sql: str, caps: Caps) -> tuple[list[str], list[tuple[Any, ...]], int, bool]:
        """Return names of columns, one row more than the cap at most, how many rows were changed, and whether all was read.

        Raises Failed where a row, or the rows together, are larger than allowed.
        """
        self._client.most = caps.size + _MARGIN
        cursor = SSCursor(self._client)
        await cursor.execute(sql)
        columns = [str(one[0]) for one in cursor.description or ()]
        rows: list[tuple[Any, ...]] = []
        if not columns:
            return columns, rows, int(str(cursor.rowcount)), True
        size = 0
        while (row := await cursor.fetchone()) is not None:
            rows.append(row)
            size += sum(len(one) if isinstance(one, str | bytes) else 1 for one in row)
            if size > caps.size:
                raise too_large()
            if len(rows) > caps.rows:
                break
        self._client.most = _MARGIN
        return columns, rows, 0, len(rows) <= caps.rows

    async def begin(self, seconds: float, rows: int, *, readonly: bool) -> None:
        """Begin a transaction that the server ends by itself: MariaDB any statement of it, MySQL those that read."""
        bound = (
            f"max_statement_time = {seconds:.3f}" if self.is_mariadb else f"max_execution_time = {int(seconds * 1000)}"
        )
        await self.do(f"SET SESSION {bound}, sql_select_limit = {rows + 1}")
        await self.do(f"START TRANSACTION{' READ ONLY' if readonly else ''}")

    async def require_query(self, sql: str) -> None:
        """Let the server read a statement where its grammar has queries and nothing else. Nothing is run."""
        if sql not in self.forms:
            statement = await self._client.prepare(f"SELECT EXISTS (\n{sql}\n)")
            await statement.close()
            self.forms.add(sql)

    async def renew(self) -> None:
        """Make the connection as new: its transaction is rolled back, its variables, locks and temporary tables are gone."""
        await self._client._execute_command(_RESET, b"")
        await self._client._read_ok_packet()
        await self.do(_SETTINGS)
        await self.do("SET ROLE NONE")


async def opened(target: Target, body: Mapping[str, Any], around: Surroundings, until: float) -> Session:
    """Return a session as new. Raises Failed, and what asyncmy raises."""
    # a socket is a way into this very machine: who may name it may name 127.0.0.1
    host = "127.0.0.1" if target.folder is not None else target.host
    addresses = await checked_addresses(host, target.port, around.permits, body["network_exceptions"])
    ways = tls_of(target)
    for secure in ways:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await _session(target, addresses[0], secure, until)
        except (ConnectionError, ssl.SSLError, OSError):
            if secure is ways[-1]:
                raise
    raise AssertionError


async def _session(target: Target, address: str, secure: ssl.SSLContext | None, until: float) -> Session:
    client: Any = _Bounded(  # type: ignore[no-untyped-call]
        host=address,
        port=target.port,
        unix_socket=target.folder,
        # without a name, asyncmy would take the one of whoever runs this server
        user=target.user or " ",
        password=(target.password or "").encode(),
        database=target.database or None,
        charset="utf8mb4",
        connect_timeout=CONNECT_SECONDS,
        local_infile=False,
        autocommit=None,
        auth_plugin_map=dict.fromkeys(_WRITES_PASSWORDS, _Refusing),
        program_name="reconciler serve",
        ssl=secure,
    )
    client._client_flag &= ~(CLIENT.MULTI_STATEMENTS | CLIENT.LOCAL_FILES)
    try:
        await client.connect()
        session = Session(client, until)
        await session.do(_SETTINGS)
        await session.do("SET ROLE NONE")
    except BaseException:
        client.close()
        raise
    return session
