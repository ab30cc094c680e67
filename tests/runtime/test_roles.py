"""Roles of PostgreSQL with the grants that docs/operations.md writes: each can do its work, and no more."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from reconciler.runtime.ledger.rollup import may_roll_up
from reconciler.runtime.parts import backend_of
from reconciler.store.secrets import Actor
from reconciler.store.status import freeze
from reconciler.store.url import parse_database
from reconciler.store.watch import Watch
from tests.conftest import ROOT, Db, new_postgres_database
from tests.runtime.servers import OPERATOR, free_port, served, settings, start, world_with_data
from tests.runtime.test_evidence import SECURED
from tests.runtime.worlds import WORLD, apply
from tests.store.support import cli_on


def documented(role: str) -> str:
    """The grants as docs/operations.md writes them."""
    text = (ROOT / "docs" / "operations.md").read_text()
    return next(part for part in re.findall(r"```sql\n(.*?)```", text, re.DOTALL) if f"ROLE {role} " in part)


def test_a_server_that_owns_nothing_adds_and_can_not_read_or_remove(postgres_server: str, folder: Path) -> None:
    control, url = new_postgres_database(postgres_server), new_postgres_database(postgres_server)
    roles = ("evidence_writer", "evidence_reader")
    parts = conninfo_to_dict(url)
    writer, reader = (f"postgresql://{role}@/{parts['dbname']}?host={parts['host']}" for role in roles)
    document = world_with_data(folder)
    with served(folder, Db(control), document) as server:  # makes keys; its own store is another one
        key = server.key
    with psycopg.connect(url, autocommit=True) as connection:
        for role in roles:
            connection.execute(f"DROP ROLE IF EXISTS {role}")  # type: ignore[arg-type]
        connection.execute("CREATE ROLE evidence_writer LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    run = cli_on(control, folder)
    assert "permission denied" in run("serve", "--store", writer).ok(1).err
    assert "is ready" in run("evidence", "prepare", "--keep-days", "400", "--store", url).ok().out
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE evidence_writer")
        for role in roles:
            connection.execute(documented(role))  # type: ignore[arg-type]
    agents, operators = free_port(), free_port()
    settings(folder, agents, operators)
    process = start(folder, Db(control), agents, operators, {"RECONCILER_EVIDENCE_URL": reader}, writer)
    try:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{agents}", headers=headers, timeout=20) as client:
            asked = {"arguments": {"region": "eu"}}
            assert client.post("/v1/tools/top/call", json=asked).status_code == 200
            assert client.post("/v1/tools/none/call", json=asked).status_code == 404
            again = {"headers": {"Idempotency-Key": "k"}, "json": {"arguments": {}}}
            answers = [client.post("/v1/tools/add/call", **again) for _ in range(2)]  # type: ignore[arg-type]
            assert [one.status_code for one in answers] == [200, 200]
        time.sleep(0.3)
        token = {"Authorization": f"Bearer {OPERATOR}"}
        told = httpx.get(f"http://127.0.0.1:{operators}/v1/tenants/acme/evidence", headers=token).json()["evidence"]
        assert sorted(one.get("outcome") or one["reason"] for one in told) == [
            *("repeated", "success", "success", "unknown-target")
        ]
        assert {one["detail"] for one in told if one.get("reason") == "repeated"} == {answers[0].json()["evidence_id"]}
        other = httpx.get(f"http://127.0.0.1:{operators}/v1/tenants/globex/evidence", headers=token)
        assert other.json()["evidence"] == []
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(15)
    assert [may_roll_up(parse_database(one, Path("/"))) for one in (writer, url)] == [False, True]
    with psycopg.connect(writer) as connection:
        assert connection.execute("SELECT count(id) FROM intents WHERE ends > 0").fetchone() == (2,)
        forbidden = ["SELECT tenant FROM intents", "SELECT * FROM denials", "SELECT code FROM outcomes"]
        forbidden += [f"SELECT * FROM {table}" for table in SECURED]
        forbidden += [f"DELETE FROM {table}" for table in SECURED]
        forbidden += ["UPDATE paths SET target = ''", "INSERT INTO daily SELECT * FROM daily"]
        forbidden += ["UPDATE outcomes SET outcome = 'success'", "UPDATE intents SET ends = 0", "DROP TABLE denials"]
        for statement in forbidden:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type]
            connection.rollback()

    async def sweep() -> int:
        backend = backend_of(parse_database(writer, Path("/")))
        try:
            return await backend.sweep(-100.0, 1.0)
        finally:
            await backend.close()

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM outcomes")
    assert asyncio.run(sweep()) == 2  # orphans are told; what is old is the owner's to remove
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM intents").fetchone() == (2,)
        for role in roles:
            connection.execute(f"DROP OWNED BY {role}")  # type: ignore[arg-type]
            connection.execute(f"DROP ROLE {role}")  # type: ignore[arg-type]


def test_the_documented_grants_are_enough_and_no_more(postgres_server: str, folder: Path) -> None:
    """Of the server, on the database of the configuration: as docs/operations.md writes them."""
    url = new_postgres_database(postgres_server)
    apply(Db(url), folder, WORLD)
    block = documented("reconciler_loader")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reconciler_loader")
        connection.execute(block)
    parts = conninfo_to_dict(url)
    loader = f"postgresql://reconciler_loader@/{parts['dbname']}?host={parts['host']}"
    watch = Watch(parse_database(loader, Path("/")))
    world = watch.world()
    assert {one.address.kind for one in world.known} >= {"caller", "policy", "template"}
    assert all(one.settled for one in world.known)
    watch.close()
    assert freeze(parse_database(loader, Path("/")), "tenant/acme", "incident", Actor("server"))
    with psycopg.connect(loader) as connection:
        for statement in (
            "DELETE FROM resources",
            "UPDATE resources SET spec = '{}'",
            "INSERT INTO caller_keys (id) VALUES ('x')",
            "DELETE FROM audit",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type]
            connection.rollback()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP OWNED BY reconciler_loader")
        connection.execute("DROP ROLE reconciler_loader")
