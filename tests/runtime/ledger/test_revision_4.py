"""A store of revision 3, with what a server left in it, becomes one of revision 4 that says the same."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.errors import Refused
from reconciler.runtime.ledger import postgresql, sqlite
from reconciler.runtime.ledger.checks import check
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.ledger.reading import evidence, one
from reconciler.runtime.ledger.schema import REVISION, month_of, partitions, statements
from tests.conftest import Db, new_postgres_database
from tests.runtime.ledger.support import done, intent, store_of, with_ledger

NOW = 1_796_000_000.5
IDS = [f"{int(NOW * 1e6) + n:014x}{'a' * 18}" for n in range(6)]
INTENT = "'template/top', 'connector/warehouse', 'query'"
ROWS = (
    "INSERT INTO settings VALUES ('values_key', '" + "ab" * 32 + "')",
    f"INSERT INTO intents VALUES ('{IDS[0]}', {NOW}, {NOW + 9}, 'acme', 'bot', 'r', {INTENT}, '{'cd' * 32}', 'policy/p', 3, 1)",
    f"INSERT INTO intents VALUES ('{IDS[1]}', {NOW}, {NOW + 9}, 'globex', 'bot', '', {INTENT}, '{'cd' * 32}', 'policy/p', 3, 0)",
    f"INSERT INTO outcomes VALUES ('{IDS[0]}', {NOW + 1}, 'success', 2, 40, 12, '')",
    f"INSERT INTO denials VALUES ('{IDS[2]}', {NOW}, 'acme', 'bot', 'template/x', 'no-policy', '', 3, 1)",
    f"INSERT INTO denials VALUES ('{IDS[3]}', {NOW}, 'acme', 'bot', 'template/top', 'limit:tenant:requests/day', 'policy/p', 3, 14)",
    f"INSERT INTO denials VALUES ('{IDS[4]}', {NOW}, 'acme', 'ann', 'template/add', 'repeated:{IDS[0]}', 'policy/p', 3, 1)",
    f"INSERT INTO repeats VALUES ('acme', 'u-bot', 'k', 'cd', '{IDS[0]}', {NOW}, NULL)",
    f"INSERT INTO slots VALUES ('acme', 'u', '{IDS[1]}', {NOW + 9})",
)


def made(db: Db) -> None:
    """A store of revision 3, on PostgreSQL with the partitions of two months."""
    if db.is_sqlite:
        with sqlite3.connect(db.path) as connection:
            for statement in (*statements("sqlite", 0, 3), *ROWS):
                connection.execute(statement)
        connection.close()
        return
    with psycopg.connect(db.url, autocommit=True) as connection:
        for statement in statements("postgresql", 0, 3):
            connection.execute(statement)  # type: ignore[arg-type]
        for table in ("intents", "outcomes", "denials"):
            for name, first, behind in (month_of(NOW), month_of(NOW, 1)):
                bounds = f"FROM ('{first[:14]}') TO ('{behind[:14]}')"
                connection.execute(f"CREATE TABLE {table}_{name} PARTITION OF {table} FOR VALUES {bounds}")  # type: ignore[arg-type]
        for statement in ROWS:
            connection.execute(statement)  # type: ignore[arg-type]


def open_store(url: str, path: Path | None) -> None:
    async def opened() -> None:
        await (await postgresql.opened(url, new=False)).close()

    if path is not None:
        sqlite.opened(path, new=False).close()
    else:
        asyncio.run(opened())


def test_nothing_is_lost(db: Db) -> None:
    made(db)
    open_store(db.url, db.path if db.is_sqlite else None)
    open_store(db.url, db.path if db.is_sqlite else None)
    assert db.sql("SELECT version FROM runtime_schema") == [(str(REVISION),)]
    found = {row["id"]: row for row in evidence(store_of(db), (), 100)}
    assert [*found] == IDS[4::-1]
    first = found[IDS[0]]
    expected: dict[str, Any] = {
        "tenant": "acme", "caller": "bot", "run": "r", "target": "template/top", "connector": "connector/warehouse",
        "action": "query", "policy": "policy/p", "generation": 3, "drifted": True, "value_hash": "cd" * 32,
        "outcome": "success", "rows": 2, "bytes": 40, "duration_ms": 12, "status": None, "key": "", "path": [],
    }  # fmt: skip
    assert {**first, **expected} == first
    assert (found[IDS[1]]["tenant"], found[IDS[1]]["drifted"]) == ("globex", False)
    denied = {identity: (row["reason"], row["detail"], row["times"], row["target"]) for identity, row in found.items() if row["decision"] == "deny"}  # fmt: skip
    assert denied == {
        IDS[2]: ("no-policy", "", 1, "template/x"),
        IDS[3]: ("limit-exceeded", "tenant:requests/day", 14, "template/top"),
        IDS[4]: ("repeated", IDS[0], 1, "template/add"),
    }
    assert db.sql("SELECT id FROM repeats") == [(IDS[0],)]
    assert check(store_of(db)).state == "ok", check(store_of(db)).findings

    async def work(ledger: Ledger) -> None:
        again = intent()
        await ledger.admit(again)
        ledger.settle(done(again))

    with_ledger(db, work)
    assert len(evidence(store_of(db), (), 100)) == 6
    assert check(store_of(db)).state == "ok", check(store_of(db)).findings


def test_an_id_of_fewer_digits_still_resolves(db: Db) -> None:
    made(db)
    db.sql(f"UPDATE intents SET id = '{IDS[1][:14]}' WHERE id = '{IDS[1]}'")
    open_store(db.url, db.path if db.is_sqlite else None)
    found = one(store_of(db), IDS[1][:14])
    assert found is not None
    assert found["id"] == IDS[1][:14] + "0" * 18
    for text in ("", "'", "%", "A" * 32, "0" * 33, "zz"):
        assert one(store_of(db), text) is None


def test_months_go_on_as_partitions(postgres_server: str) -> None:
    db = Db(new_postgres_database(postgres_server))
    made(db)
    open_store(db.url, None)
    name = month_of(NOW)[0]
    assert db.sql(f"SELECT count(*) FROM intents_{name}") == [(2,)]
    assert db.sql("SELECT count(*) FROM intents_rest") == [(0,)]
    names = {row for (row,) in db.sql("SELECT relname FROM pg_class WHERE right(relname, 2) = '_3'")}
    assert names == set()
    there = {row for (row,) in db.sql("SELECT relname FROM pg_class WHERE relispartition")}
    assert {one.name for one in partitions(time.time())} <= there


def test_a_role_that_owns_nothing_is_refused(postgres_server: str) -> None:
    db = Db(new_postgres_database(postgres_server))
    made(db)
    role = f"r{db.url.partition('?')[0].rpartition('/')[2]}"
    db.sql(f"CREATE ROLE {role} LOGIN")
    db.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    head, _, rest = db.url.partition("//")
    with pytest.raises(Refused, match=f"version 3, expected {REVISION}") as caught:
        open_store(f"{head}//{role}@{rest.partition('@')[2]}", None)
    assert "evidence prepare" in str(caught.value.problems[0].hint)
