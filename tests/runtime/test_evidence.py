"""Evidence read back: by tenant, by caller, page by page; on PostgreSQL by a role that may see one tenant only."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from reconciler.runtime.ledger.entries import Denial, Intent, Outcome, new_id
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.ledger.reading import evidence, one
from reconciler.runtime.ledger.schema import month_of
from reconciler.runtime.parts import backend_of
from reconciler.store.url import parse_database
from tests.conftest import Db, new_postgres_database
from tests.store.support import cli_on

SECURED = (
    "intents",
    "outcomes",
    "denials",
    "denial_counts",
    "subjects",
    "paths",
    "policies",
    "pairs",
    "daily",
    "hours",
)


def filled(url: str) -> dict[str, list[str]]:
    """Two tenants: of each three calls and a denial; the ids by tenant, the oldest first."""
    found: dict[str, list[str]] = {"acme": [], "globex": []}

    async def main() -> None:
        ledger = Ledger(backend_of(parse_database(url, Path("/"))), 1e9)
        await ledger.values_key()  # as a server does: the store is there before anybody asks
        ledger.start()
        for number in range(3):
            for tenant in found:
                identity = new_id()
                caller = f"bot{number}"
                await ledger.admit(
                    Intent(
                        identity,
                        tenant,
                        caller,
                        "",
                        "template/t",
                        "connector/c",
                        "query",
                        "h",
                        "policy/p",
                        1,
                        False,
                        9.0,
                    )
                )
                ledger.settle(Outcome(identity, "success", 1, 2, 3))
                found[tenant].append(identity)
        for tenant in found:
            found[tenant].append(new_id())
            ledger.deny(Denial(found[tenant][-1], tenant, "bot0", "template/x", "no-policy", "", 1))
        await ledger.close()

    asyncio.run(main())
    return found


def test_read_back(db: Db, folder: Path) -> None:
    ids = filled(db.url)
    store = parse_database(db.url, Path("/"))
    for tenant, theirs in ids.items():
        assert [row["id"] for row in evidence(store, (tenant,), 100)] == theirs[::-1]
        assert [row["id"] for row in evidence(store, (tenant,), 2)] == theirs[:1:-1]
        assert [row["id"] for row in evidence(store, (tenant,), 100, before=theirs[2])] == theirs[1::-1]
        assert [row["id"] for row in evidence(store, (tenant,), 100, caller="bot0")] == [theirs[3], theirs[0]]
        assert one(store, theirs[0], (tenant,)) is not None
    assert len(evidence(store, (), 100)) == 8
    assert one(store, ids["acme"][0], ("globex",)) is None
    run = cli_on(db.url, folder)
    told = run("evidence", "list", "--tenant", "acme", "--store", db.url, "--format", "json").ok().json
    assert [row["id"] for row in told["evidence"]] == ids["acme"][::-1]
    known = "version: 1\ntenant: acme\ncallers: {bot0: {roles: [], auth: {api_key: {}}}}\n"
    (folder / "acme.yaml").write_text(known)
    assert "the tenant 'acmme' is neither" in run("evidence", "list", "--tenant", "acmme", "--store", db.url).ok().err
    assert "the caller 'bott' is neither" in run("evidence", "list", "--caller", "bott", "--store", db.url).ok().err
    assert run("evidence", "list", "--tenant", "acme", "--caller", "bot0", "--store", db.url).ok().err == ""
    shown = run("evidence", "show", ids["acme"][3], "--store", db.url).ok().out
    assert "no-policy" in shown
    assert "[unknown-evidence]" in run("evidence", "show", "0" * 32, "--store", db.url).ok(1).err


def test_without_a_store_it_says_how_to_name_one(db: Db, folder: Path) -> None:
    answer = cli_on(db.url, folder)("evidence", "list", "--store", f"sqlite:///{folder}/none.db").ok(1)
    assert "RECONCILER_RUNTIME_URL" in answer.err


def test_who_reads_sees_one_tenant(postgres_server: str, folder: Path) -> None:
    url = new_postgres_database(postgres_server)
    ids = filled(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN CREATE ROLE evidence_watcher LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        for n, (tenant, theirs) in enumerate(ids.items()):
            connection.execute("INSERT INTO denial_counts VALUES (%s, 0, 1)", (theirs[-1],))
            connection.execute("INSERT INTO pairs VALUES (%s, %s, 'bot', 1, 1, 'query', 0)", (n, tenant))
            connection.execute("INSERT INTO daily VALUES (%s, 1, 'success', '', %s, 1, 0, 0, 0, 0)", (n, tenant))
            connection.execute("INSERT INTO hours VALUES (%s, %s, 'x', 1)", (n, tenant))
        connection.execute(
            "GRANT SELECT ON runtime_schema, intents, outcomes, denials, denial_counts, subjects, paths, policies, pairs, "
            "daily, hours, counters TO evidence_watcher"
        )
    parts = conninfo_to_dict(url)
    reader = f"postgresql://evidence_watcher@/{parts['dbname']}?host={parts['host']}"

    def seen(connection: psycopg.Connection[Any], table: str) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # type: ignore[call-overload,index]

    with psycopg.connect(reader) as connection:
        for table in SECURED:
            assert seen(connection, table) == 0
        connection.execute("SET LOCAL reconciler.tenant = 'acme'")
        assert [seen(connection, table) for table in ("intents", "outcomes", "denials")] == [3, 3, 1]
        assert [seen(connection, table) for table in SECURED] == [3, 3, 1, 1, 3, 1, 1, 1, 1, 1]
        connection.rollback()
        assert seen(connection, "intents") == 0  # the setting reads '' now, and not NULL
        for statement in ("INSERT INTO denials SELECT * FROM denials", "DELETE FROM intents", "TRUNCATE intents"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type]
            connection.rollback()
    store = parse_database(reader, Path("/"))
    assert [row["id"] for row in evidence(store, ("acme",), 100)] == ids["acme"][::-1]
    assert evidence(store, (), 100) == []
    told = cli_on(url, folder)("evidence", "list", "--tenant", "globex", "--store", reader, "--format", "json").ok()
    assert [row["id"] for row in json.loads(told.out)["evidence"]] == ids["globex"][::-1]


def test_months_are_partitions_that_come_and_go(postgres_server: str) -> None:
    url = new_postgres_database(postgres_server)
    filled(url)
    db = Db(url)

    def months() -> list[str]:
        names = db.sql(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND left(relname, 8) = 'intents_' ORDER BY 1"
        )
        return [name for (name,) in names]

    now, following = (month_of(time.time(), ahead)[0] for ahead in (0, 1))
    assert months() == [f"intents_{now}", f"intents_{following}", "intents_rest"]
    assert db.sql(f"SELECT count(*) FROM intents_{now}") == [(6,)]
    name, first, behind = month_of(time.time(), -15)  # 400 days ago is 13 or 14 months ago, by the day
    db.sql(f"CREATE TABLE intents_{name} PARTITION OF intents FOR VALUES FROM ('{first}') TO ('{behind}')")
    db.sql(f"DROP TABLE denials_{following}")

    async def sweep() -> None:
        backend = backend_of(parse_database(url, Path("/")))
        await backend.sweep(10.0, 400 * 86400.0)
        await backend.close()

    asyncio.run(sweep())
    assert months() == [f"intents_{now}", f"intents_{following}", "intents_rest"]
    assert db.sql(f"SELECT count(*) FROM denials_{following}") == [(0,)]
    assert len(evidence(parse_database(url, Path("/")), (), 100)) == 8


@pytest.mark.parametrize(
    ("at", "ahead", "name"),
    [(1_767_225_599.0, 0, "2025_12"), (1_767_225_599.0, 1, "2026_01"), (1_767_225_600.0, -1, "2025_12")],
)
def test_months(at: float, ahead: int, name: str) -> None:
    found, first, behind = month_of(at, ahead)
    assert found == name
    assert first < f"{int(at * 1_000_000):014x}" < behind or ahead
    assert behind == month_of(at, ahead + 1)[1]
