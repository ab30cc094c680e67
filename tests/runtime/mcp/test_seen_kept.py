"""What MCP servers were last seen to define outlives a restart: in the store, without secrets, for a day."""

from __future__ import annotations

import asyncio
import time
import zlib
from typing import Any

import pytest

from reconciler.kinds.connector.mcp_definition import definition_of
from reconciler.runtime.call import Failed, Permits, Surroundings
from reconciler.runtime.ledger.seen_rows import SeenRow, keep_seen, seen_in
from reconciler.runtime.mcp.client import Listed
from reconciler.runtime.mcp.messages import Server
from reconciler.runtime.mcp.seen import KEEP_SECONDS, REKEPT_SECONDS, Seen, SeenServer, packed, unpacked
from reconciler.runtime.mcp.servers import Servers
from reconciler.runtime.pools import Pools
from reconciler.store.url import Database
from tests.cli.test_mcp_pin import BASE
from tests.conftest import Db
from tests.runtime.ledger.support import store_of, with_ledger
from tests.runtime.mcp.support import nothing
from tests.runtime.mcp.test_pins import SECRET, _Stub

SERVER = Server("2025-11-25", "calc", "1.3.0", "id-of-a-session")


async def _nothing(*_: object) -> None:
    return None


@pytest.fixture
def store(db: Db) -> Database:
    with_ledger(db, _nothing)
    return store_of(db)


def pools() -> Pools:
    """Those of a process that has just begun; its connector reaches nobody."""
    return Pools({}, Surroundings(nothing, nothing, Permits()), lambda _: False)


def listed(*names: str) -> Listed:
    return Listed({name: definition_of({**BASE, "name": name}) for name in names}, {"bad": "it has no inputSchema"})


def after_a_restart(store: Database) -> SeenServer | Failed:
    stub: Any = _Stub()
    ((_, _, found),) = asyncio.run(Servers(stub, pools(), store).of("acme"))
    return found


def test_it_is_there_after_a_restart(store: Database) -> None:
    stub, before = _Stub(), pools()
    source: Any = stub
    noted = before.seen.note("acme", "calc", stub.reached, SERVER, listed("add"))
    assert isinstance(after_a_restart(store), Failed)
    asyncio.run(Servers(source, before, store).keep())
    assert after_a_restart(store) == noted._replace(server=SERVER._replace(session=""))


def test_it_is_old_after_a_day_and_another_server_s_row_that_is_newer_stays(db: Db, store: Database) -> None:
    stub, now = _Stub(), time.time()
    found = SeenServer(stub.reached, SERVER, listed("add"), now)
    data = packed(found)
    assert data is not None
    keep_seen(store, [SeenRow("acme", "calc", stub.reached, now, data)], KEEP_SECONDS)
    keep_seen(store, [SeenRow("acme", "calc", stub.reached, now - 60, b"older")], KEEP_SECONDS)
    assert isinstance(after_a_restart(store), SeenServer)
    db.sql(f"UPDATE mcp_seen SET at = at - {KEEP_SECONDS + 1}")
    assert isinstance(after_a_restart(store), Failed)
    keep_seen(store, [SeenRow("acme", "other", "x", now, b"")], KEEP_SECONDS)
    assert [one.connector for one in seen_in(store, "acme")] == ["other"]
    assert seen_in(store, "globex") == []


def test_no_secret_is_kept(store: Database) -> None:
    stub, before = _Stub(), pools()
    source: Any = stub
    before.secrets("acme").add(SECRET)
    before.seen.note("acme", "calc", stub.reached, Server("2026-07-28", SECRET), listed("plain", SECRET))
    asyncio.run(Servers(source, before, store).keep())
    (row,) = seen_in(store, "acme")
    assert SECRET.encode() not in zlib.decompress(row.seen)
    assert b"plain" in zlib.decompress(row.seen)


def test_what_stays_the_same_is_written_now_and_then_alone() -> None:
    clock = [1000.0]
    seen = Seen(lambda: clock[0])

    def taken(*names: str) -> int:
        seen.note("acme", "calc", "a", SERVER, listed(*names))
        return len(seen.take())

    assert (taken("add"), taken("add"), taken("add", "sub"), taken("add", "sub")) == (1, 0, 1, 0)
    clock[0] += REKEPT_SECONDS + 1
    assert taken("add", "sub") == 1
    seen.put_back({("acme", "calc"): SeenServer("a", SERVER, listed(), 0)})
    assert len(seen.take()) == 1


@pytest.mark.parametrize(
    "data", [b"", b"x", zlib.compress(b"[]"), zlib.compress(b"{"), zlib.compress(b'["a",1,2,3,4]')]
)
def test_a_damaged_row_is_as_good_as_none(store: Database, data: bytes) -> None:
    stub = _Stub()
    assert unpacked("a", 1.0, data) is None
    keep_seen(store, [SeenRow("acme", "calc", stub.reached, time.time(), data)], KEEP_SECONDS)
    assert isinstance(after_a_restart(store), Failed)
