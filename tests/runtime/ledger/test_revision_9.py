"""A store of each earlier revision with content becomes one that keeps messages, for roles with exactly the grants of docs/operations.md."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import psycopg
import pytest

from reconciler.runtime.ledger import deliveries
from reconciler.runtime.ledger.checks import check
from reconciler.runtime.ledger.deliveries import Addition, Ending
from reconciler.runtime.ledger.entries import new_id
from reconciler.runtime.ledger.schema import REVISION, statements
from reconciler.store.url import parse_database
from tests.conftest import ROOT, Db, new_postgres_database
from tests.runtime.ledger.support import store_of
from tests.runtime.ledger.test_revision_4 import open_store

CONTENT = {
    5: "INSERT INTO outbox VALUES ('e-1', 'hook', '{}', 1.5, 3, 2.5, 'it answered 500', NULL)",
    7: "INSERT INTO limit_marks VALUES ('acme', 'tenant', 'requests', 'day', 80, 1.5)",
    8: "INSERT INTO mcp_seen VALUES ('acme', 'calc', 'x', 1.5, 'abc')",
}


def made(db: Db, revision: int) -> None:
    every = [
        *statements("sqlite" if db.is_sqlite else "postgresql", 0, revision),
        "INSERT INTO settings VALUES ('values_key', 'ab')",
    ]
    every += [statement for number, statement in CONTENT.items() if number <= revision]
    if db.is_sqlite:
        with sqlite3.connect(db.path) as connection:
            for statement in every:
                connection.execute(statement)
        connection.close()
        return
    with psycopg.connect(db.url, autocommit=True) as connection:
        for statement in every:
            connection.execute(statement.replace("'abc')", "'abc'::bytea)"))  # type: ignore[arg-type]


def addition(tenant: str = "acme", key: str = "", digest: str = "") -> Addition:
    return Addition(new_id(), tenant, "alerts", f"u-{tenant}", "notify", "u-notify", key, digest, 0.0, False, b'["a"]')


@pytest.mark.parametrize("revision", range(5, 9))
def test_nothing_is_lost_and_messages_are_kept(db: Db, revision: int) -> None:
    made(db, revision)
    for _ in range(2):
        open_store(db.url, db.path if db.is_sqlite else None)
    assert db.sql("SELECT version FROM runtime_schema") == [(str(REVISION),)]
    assert db.sql("SELECT id, attempts, last_error, delivered FROM outbox") == [("e-1", 3, "it answered 500", None)]
    if revision >= 8:
        assert db.sql("SELECT tenant, connector, at FROM mcp_seen") == [("acme", "calc", 1.5)]
    assert deliveries.accept(store_of(db), addition(key="k")) is None
    assert deliveries.accept(store_of(db), addition(key="k")) is not None
    found = check(store_of(db))
    assert found.state == "ok", found.findings


def grants(role: str) -> list[str]:
    text = (ROOT / "docs" / "operations.md").read_text()
    return re.findall(rf"^GRANT .* TO {role};$", text, re.MULTILINE)


def test_a_writer_delivers_and_a_reader_sees_its_tenant(postgres_server: str) -> None:
    db = Db(new_postgres_database(postgres_server))
    open_new(db)
    name = db.url.partition("?")[0].rpartition("/")[2]
    stores = {}
    for role in ("evidence_writer", "evidence_reader"):
        own = f"{role}_{name}"
        db.sql(f"CREATE ROLE {own} LOGIN")
        for grant in grants(role):
            db.sql(grant.replace(f"TO {role}", f"TO {own}"))
        head, _, rest = db.url.partition("//")
        stores[role] = parse_database(f"{head}//{own}@{rest.partition('@')[2]}", Path("/"))
    writer, reader = stores.values()
    assert deliveries.accept(writer, addition(key="k")) is None
    assert deliveries.accept(writer, addition("globex", digest="d")) is None
    assert {*deliveries.due(writer)} == {("acme", "alerts"), ("globex", "alerts")}
    claimed = deliveries.claim(writer, "acme", "alerts")
    assert claimed is not None
    assert [one.body for one in claimed.messages] == [b'["a"]']
    assert deliveries.settle(writer, claimed, Ending((), "no", again=False)) is True
    deliveries.drop_old(writer)
    assert deliveries.backlogs_of(reader, ("acme",)).keys() == {("acme", "u-acme")}
    assert deliveries.backlogs_of(reader, ("globex",)).keys() == {("globex", "u-globex")}
    assert deliveries.backlogs_of(reader) == {}
    with pytest.raises(Exception, match="lacks a permission that is needed: SELECT on the table messages"):
        deliveries.sealed_bodies(reader)


def open_new(db: Db) -> None:
    from tests.runtime.ledger.support import with_ledger

    async def nothing(*_: object) -> None:
        return None

    with_ledger(db, nothing)
