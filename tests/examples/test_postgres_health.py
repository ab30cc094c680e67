"""The example `postgres-health`: it applies, and every template runs on real servers with no more than pg_monitor."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.numeric import Int8

from reconciler.errors import Problems
from reconciler.kinds.template.placeholders import placeholders
from reconciler.load.load import load
from reconciler.load.project import read_project
from tests.conftest import ROOT, new_postgres_database
from tests.examples.conftest import Example, schema_problems

FOLDER = ROOT / "examples" / "postgres-health"
ROLE = "agent_health"
SAMPLES = {"schema": "shop", "search": "mem"}
# columns and views that only some of the versions 15 to 18 have
NOT_EVERYWHERE = """
    checkpoints_timed checkpoints_req buffers_checkpoint buffers_backend max_dead_tuples num_dead_tuples
    max_dead_tuple_bytes num_dead_item_ids indexes_total delay_time wal_write wal_sync last_seq_scan last_idx_scan
    n_tup_newpage_upd conflicting inactive_since invalidation_reason pg_stat_io pg_stat_checkpointer total_vacuum_time
    parallel_workers_launched
"""
SIMPLE = (str, int, Decimal, datetime)  # what an agent can be given: no intervals, no networks, no arrays
SCHEMA = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id int PRIMARY KEY, region text, note text) WITH (autovacuum_enabled = false);
INSERT INTO shop.orders SELECT n, 'north', repeat('x', 100) FROM generate_series(1, 3000) AS n;
CREATE INDEX orders_region ON shop.orders (region);
CREATE INDEX orders_region_again ON shop.orders (region);
DELETE FROM shop.orders WHERE id > 2000;
ANALYZE shop.orders;
"""


def _templates() -> dict[str, dict[str, Any]]:
    problems = Problems()
    project = read_project(FOLDER / "reconciler.yaml", problems)
    assert project is not None, problems.found
    resources = load(project, None).configuration.resources
    return {a.name: dict(r.body) for a, r in resources.items() if a.kind == "template"}


TEMPLATES = _templates()


class Reader:
    """Runs templates as the runtime would: read-only, values bound, and as a role that may only monitor."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, row_factory=dict_row)
        self._connection.read_only = True

    def run(self, name: str, **given: Any) -> list[dict[str, Any]]:
        statement, parameters = bound(TEMPLATES[name]["sql"]), TEMPLATES[name]["parameters"]
        values = {key: given.get(key, parameter.get("default")) for key, parameter in parameters.items()}
        # the widest integers there are: what works with these works with whatever a driver chooses
        values = {k: Int8(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in values.items()}
        with self._connection.transaction():
            self._connection.execute(f"SET LOCAL ROLE {ROLE}")
            self._connection.execute("SET LOCAL statement_timeout = '5s'")
            return self._connection.execute(statement.encode(), values).fetchall()

    def close(self) -> None:
        self._connection.close()


def bound(sql: str) -> str:
    """``:name`` as psycopg wants it, found by the project's own lexer."""
    lexed = placeholders(sql, "postgresql")
    assert not lexed.flaws
    pieces, end = [], 0
    for name, offset in lexed.placeholders:
        pieces += [sql[end:offset].replace("%", "%%"), f"%({name})s"]
        end = offset + 1 + len(name)
    return "".join((*pieces, sql[end:].replace("%", "%%")))


@pytest.fixture(scope="module", params=["postgres_16_server", "postgres_server"])
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    """A database with a table that has seen something, and a role that sees statistics only."""
    url = new_postgres_database(request.getfixturevalue(request.param))
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchall():
            connection.execute(f"CREATE ROLE {ROLE} IN ROLE pg_monitor")
        connection.execute(SCHEMA)
        connection.execute("SELECT count(*) FROM shop.orders WHERE note = 'y'")
        connection.execute("SELECT pg_stat_force_next_flush()")
    found = Reader(url)
    yield found
    found.close()


def test_it_applies_once_and_then_changes_nothing(example: Callable[..., Example]) -> None:
    health = example("postgres-health", sqlite=".reconciler/state.db")
    live = health.is_applied_once()
    assert {address.split("/")[0] for address in live} == {"operations"}
    assert sum("/template/" in address for address in live) == len(TEMPLATES) >= 12
    assert live["operations/template/dead-rows"]["timeout_seconds"] == 5  # from the project's defaults
    assert live["operations/template/database-sizes"]["timeout_seconds"] == 10  # which a template may override


@pytest.mark.parametrize("example", ["sqlite"], indirect=True)
def test_the_readme_is_right(example: Callable[..., Example]) -> None:
    health = example("postgres-health")
    assert health.does_what_its_readme_says() == 5
    readme = (FOLDER / "README.md").read_text()
    assert f"{len(TEMPLATES)} questions" in readme
    assert all(f"`{name}`" in readme for name in TEMPLATES)
    # and what it says about query texts
    file = health.folder / "templates" / "sessions.yaml"
    file.write_text(file.read_text().replace("datasource: activity", "datasource: statistics"))
    assert "uses the table pg_catalog.pg_stat_activity, which operations/datasource/statistics does not list" in (
        health.run("validate").ok(3).err
    )


def test_editors_find_nothing_to_underline() -> None:
    assert schema_problems(FOLDER) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_runs_within_the_bounds_of_its_parameters(reader: Reader, name: str) -> None:
    parameters = TEMPLATES[name]["parameters"]
    assert all("default" in parameter or parameter["nullable"] for parameter in parameters.values())
    for bound_name in ("min", "max"):
        reader.run(name, **{key: p[bound_name] for key, p in parameters.items() if bound_name in p})
    reader.run(name, **{key: SAMPLES[key] for key, p in parameters.items() if p["nullable"]})
    for row in reader.run(name):
        assert all(value is None or isinstance(value, SIMPLE) for value in row.values()), row


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_is_governed(name: str) -> None:
    template = TEMPLATES[name]
    assert template["read_only"] is True
    assert template["timeout_seconds"] <= 10
    assert template["max_rows"] == 100
    assert len(template["description"]) > 60
    for parameter in template["parameters"].values():
        assert parameter["description"]
        assert parameter["type"] == "boolean" or {"max", "max_length"} & parameter.keys()
    words = set(re.findall(r"\w+", template["sql"]))
    assert not words & set(NOT_EVERYWHERE.split())
    if template["datasource"] != "activity":
        assert "pg_stat_activity" not in words


def test_they_tell_what_is_the_matter(reader: Reader) -> None:
    assert {row["table_name"] for row in reader.run("biggest-tables", schema="shop")} == {"orders"}
    dead = {row["table_name"]: row for row in reader.run("dead-rows")}
    assert dead["orders"]["dead_rows"] == 1000
    assert dead["orders"]["estimated_dead_bytes"] > 0
    assert "orders" in {row["table_name"] for row in reader.run("tables-due-for-vacuum")}
    assert "orders" in {row["table_name"] for row in reader.run("sequential-scans", min_rows=1000)}
    unused = {row["index_name"] for row in reader.run("unused-indexes", min_bytes=0)}
    assert unused == {"orders_region", "orders_region_again"}  # not the primary key
    (duplicate,) = reader.run("duplicate-indexes")
    assert duplicate["index_names"] == "orders_region, orders_region_again"
    assert reader.run("connection-headroom")[0]["used"] >= 1
    assert reader.run("database-sizes")[0]["bytes"] > 1_000_000
    assert reader.run("checkpoint-and-background-writer")[0]["bytes_to_replay_after_a_crash"] > 0


def test_settings_do_not_give_away_secrets(reader: Reader) -> None:
    with psycopg.connect(reader.url, autocommit=True) as connection:
        database = connection.info.dbname
        connection.execute(f"ALTER DATABASE {database} SET app.jwt_secret = 'CANARY'")
        connection.execute(f"ALTER DATABASE {database} SET work_mem = '5MB'")
    fresh = Reader(reader.url)  # a session sees what was set before it began
    rows = fresh.run("settings-not-default")
    found = [row["setting"] for row in fresh.run("settings-not-default", search="work_mem")]
    fresh.close()
    assert "CANARY" not in str(rows)
    assert found == ["5120"]


def test_who_waits_for_whom(reader: Reader) -> None:
    with psycopg.connect(reader.url) as holder, psycopg.connect(reader.url) as waiter:
        holder.execute("LOCK TABLE shop.orders")
        thread = threading.Thread(target=waiter.execute, args=["SELECT count(*) FROM shop.orders"])
        thread.start()
        try:
            row = _first(lambda: reader.run("blocking-locks"))
            assert (row["waiting_pid"], row["blocking_pid"]) == (waiter.info.backend_pid, holder.info.backend_pid)
            assert row["blocking_state"] == "idle in transaction"
            assert row["waiting_query"].startswith("SELECT count(*)")
            states = {row["state"] for row in reader.run("connections-by-state")}
            assert {"active", "idle in transaction"} <= states
            time.sleep(1.1)
            assert [r["pid"] for r in reader.run("idle-in-transaction", min_seconds=1)] == [holder.info.backend_pid]
            (slow,) = reader.run("long-running-queries", min_seconds=1, query_characters=10)
            assert (slow["wait_event_type"], slow["query"]) == ("Lock", "SELECT cou")
        finally:
            holder.rollback()
            thread.join()


def _first(rows: Callable[[], list[dict[str, Any]]]) -> dict[str, Any]:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found = rows()
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("nothing was found within ten seconds")
