"""Stores of evidence that each commit which touched their schema left behind are opened, and hold what they held."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from reconciler.errors import ReconcilerError, Refused
from reconciler.runtime.ledger import postgresql, rollup, sqlite
from reconciler.runtime.ledger.checks import check
from reconciler.runtime.ledger.reading import evidence, one
from tests.conftest import Db, new_postgres_database
from tests.store.golden.runtime import BY_NUMBERS, COMMITS
from tests.store.golden.test_golden import restore, with_keys
from tests.store.support import database_of

KEPT = ("settings", "counters")
"""Tables that no revision has changed."""
EVIDENCE = {
    "0645a2e7f00001": ("acme", "bot", "template/totals", "warehouse", "query", "acme/policy/read", "done"),
    "0645a2e7f00002": ("globex", "bot", "template/totals", "warehouse", "query", "acme/policy/read", "unknown"),
    "0645a2e7f00003": ("acme", "bot", "template/salaries", "", "", "", "no-policy"),
}
"""What every golden store holds: by id, in the form of revision 4."""


def open_store(db: Db, url: str | None = None) -> None:
    async def opened() -> None:
        await (await postgresql.opened(url or db.url, new=False)).close()

    if db.is_sqlite:
        sqlite.opened(db.path, new=False).close()
    else:
        asyncio.run(opened())


def rows(db: Db) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(db.sql(f"SELECT * FROM {table}")) for table in KEPT}


def told(db: Db) -> dict[str, tuple[object, ...]]:
    names = ("tenant", "caller", "target", "connector", "action", "policy")
    found = evidence(database_of(db), (), 10)
    return {
        row["id"].rstrip("0"): (*(row[name] for name in names), row.get("outcome") or row["reason"]) for row in found
    }


@pytest.mark.parametrize("commit", COMMITS)
def test_it_is_opened_and_keeps_its_rows(db: Db, folder: Path, commit: str) -> None:
    restore(f"store-{commit}", db)
    before = rows(db)
    with pytest.raises(ReconcilerError, match="evidence prepare"):
        evidence(database_of(db), (), 10)
    open_store(db)
    open_store(db)
    assert rows(db) == before
    assert told(db) == EVIDENCE
    assert check(database_of(db)).state == "ok", check(database_of(db)).findings
    run = with_keys(Db(f"sqlite:///{folder}/state.db"), folder)
    run("db", "upgrade").ok()
    assert "ok       evidence  2 calls" in run("db", "verify", "--store", db.url).ok().out


CALLED = {
    "tenant": "acme",
    "caller": "bot",
    "key": "a1b2",
    "token_roles": [],
    "run": "run-1",
    "target": "template/totals",
    "connector": "connector/warehouse",
    "action": "query",
    "policy": "policy/read",
    "project": "shop",
    "generation": 3,
    "path": [
        {"address": "acme/template/totals", "uid": "u1"},
        {"address": "acme/datasource/sales", "uid": "u2"},
        {"address": "acme/connector/warehouse", "uid": "u3"},
    ],
    "trace": "0af7651916cd43dd8448eb211c80319c",
    "outcome": "success",
    "status": 200,
    "rows": 2,
    "value_hash": "cd" * 32,
    "output_hash": "ef" * 32,
}
ENDED = {1: "success", 2: "unknown", 3: "failure", 4: "no-policy", 5: "limit-exceeded"}


@pytest.mark.parametrize("commit", BY_NUMBERS)
def test_evidence_by_numbers_is_opened_and_says_the_same(db: Db, folder: Path, commit: str) -> None:
    """Dictionaries, limits, repeats and counted days too: they are counted anew from the evidence, and nothing differs."""
    restore(f"store-{commit}", db)
    before = rows(db)
    counted = [sorted(db.sql(f"SELECT * FROM {table}")) for table in ("pairs", "daily", "hours")]
    assert all(counted)
    open_store(db)
    open_store(db)
    assert rows(db) == before
    assert ("acme", "u9", "requests", "2026-11", 2) in before["counters"]
    found = {row["id"]: row for row in evidence(database_of(db), (), 10)}
    ids = {number: f"0645a2e7f0000{number}" + "0" * 18 for number in ENDED}
    assert {number: found[ids[number]].get("outcome") or found[ids[number]]["reason"] for number in ids} == ENDED
    assert {**found[ids[1]], **CALLED} == found[ids[1]]
    assert (found[ids[2]]["key"], found[ids[2]]["token_roles"]) == ("jwt:corp", ["analyst"])
    assert (found[ids[3]]["status"], found[ids[3]]["code"]) == (503, "upstream-status")
    assert (found[ids[5]]["times"], found[ids[5]]["detail"]) == (14, "integration/openai-prod:requests/month")
    assert one(database_of(db), ids[4]) == found[ids[4]]
    assert db.sql("SELECT tenant, caller, key, id FROM repeats") == [("acme", "u4", "k1", ids[1])]
    rebuilt = rollup.rebuild(database_of(db))
    assert (len(rebuilt.days), rebuilt.left) == (1, [])
    assert [sorted(db.sql(f"SELECT * FROM {table}")) for table in ("pairs", "daily", "hours")] == counted
    assert check(database_of(db)).state == "ok", check(database_of(db)).findings
    run = with_keys(Db(f"sqlite:///{folder}/state.db"), folder)
    run("db", "upgrade").ok()
    assert "ok       evidence  3 calls" in run("db", "verify", "--store", db.url).ok().out


def test_who_may_not_change_it_is_told_who_may(postgres_server: str, folder: Path) -> None:
    db = Db(new_postgres_database(postgres_server))
    restore("store-ea0f08e", db)
    role = f"r{db.url.partition('?')[0].rpartition('/')[2]}"
    with psycopg.connect(db.url) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    head, _, rest = db.url.partition("//")
    with pytest.raises(Refused, match="before evidence had partitions"):
        open_store(db, f"{head}//{role}@{rest.partition('@')[2]}")
    assert len(db.sql("SELECT * FROM intents")) == 2


DAMAGE = {
    "DROP INDEX intents_by_tenant": "the index intents_by_tenant on intents is missing",
    "DELETE FROM intents": "1 outcomes have no intent",
    "ALTER TABLE denials ADD COLUMN x TEXT": "the column denials.x is not part of this revision",
}
DAMAGE_ON_POSTGRESQL = {
    "ALTER TABLE intents DISABLE ROW LEVEL SECURITY": "FORCE ROW LEVEL SECURITY`, expected",
    "DROP POLICY reader ON outcomes": "the policy reader on outcomes is missing",
    "ALTER TABLE intents DETACH PARTITION intents_rest": "the partition intents_rest is missing",
}


@pytest.mark.parametrize("statement", [*DAMAGE, *DAMAGE_ON_POSTGRESQL])
def test_damage_is_found(db: Db, folder: Path, statement: str) -> None:
    if db.is_sqlite and statement in DAMAGE_ON_POSTGRESQL:
        pytest.skip("SQLite has neither roles nor partitions")
    restore("store-176bdf5", db)
    open_store(db)
    db.sql(statement)
    run = with_keys(Db(f"sqlite:///{folder}/state.db"), folder)
    run("db", "upgrade").ok()
    ran = run("db", "verify", RECONCILER_RUNTIME_URL=db.url).ok(8)
    assert "FAILED   evidence" in ran.out
    assert {**DAMAGE, **DAMAGE_ON_POSTGRESQL}[statement] in ran.out


def test_a_store_that_is_not_there(folder: Path) -> None:
    run = with_keys(Db(f"sqlite:///{folder}/state.db"), folder)
    run("db", "upgrade").ok()
    assert "is not there" in run("db", "verify", "--store", f"sqlite:///{folder}/none.db").ok(8).out
