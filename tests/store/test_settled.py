"""What is settled by keys and digests: nothing that anybody touched, by whatever way, on either database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.store.reading import read_live
from tests.conftest import Db, reconciler

from .support import database_of

MANIFEST = """version: 1
tenant: acme
connectors:
  a: {type: http, base_url: 'https://a.example.com'}
  b: {type: http, base_url: 'https://b.example.com'}
"""
NAMES = {"acme/connector/a", "acme/connector/b"}


@pytest.fixture
def applied(db: Db, tmp_path: Path) -> Db:
    (tmp_path / "reconciler.yaml").write_text("version: 1\nproject: shop\n")
    (tmp_path / "a.yaml").write_text(MANIFEST)
    reconciler("apply", "--auto-approve", "--database", db.url, cwd=tmp_path).ok()
    return db


def settled(db: Db, wanted: dict[str, str] | None = None) -> set[str]:
    return {*read_live(database_of(db), "shop", {"acme"}, wanted, whole=False).settled}


def test_what_is_as_it_was_applied(applied: Db) -> None:
    assert settled(applied) == NAMES
    digests = {str(a): one.digest for a, one in read_live(database_of(applied), "shop").applied.items()}
    assert settled(applied, digests) == NAMES
    assert settled(applied, {**digests, "acme/connector/a": "0" * 32}) == {"acme/connector/b"}
    assert settled(applied, {}) == set()


@pytest.mark.parametrize(
    "hand",
    [
        "UPDATE resources SET spec = REPLACE(CAST(spec AS TEXT), 'a.example', 'evil.example'){cast} WHERE name = 'a'",
        "UPDATE applied SET digest_of = NULL WHERE name = 'a'",
        "UPDATE resources SET spec_version = 7 WHERE name = 'a'",
        "UPDATE applied SET uid = 'another' WHERE name = 'a'",
        "UPDATE applied SET project = 'shop2' WHERE name = 'a'",
        "DELETE FROM resources WHERE name = 'a'",
        "DELETE FROM applied WHERE name = 'a'",
        "UPDATE resources SET name = 'c' WHERE name = 'a'",
    ],
)
def test_whatever_a_hand_did_is_seen(applied: Db, hand: str) -> None:
    if "shop2" in hand:
        applied.sql("INSERT INTO projects (name, lineage) VALUES ('shop2', 'l2')")
    cast = "" if applied.url.startswith("sqlite") else "::jsonb"
    applied.sql(
        hand.replace("{cast}", cast)
        .replace("REPLACE(", f"{'(' if cast else ''}REPLACE(")
        .replace("'evil.example')", "'evil.example')" + (")" if cast else ""))
    )
    assert settled(applied) == {"acme/connector/b"}
    live = read_live(database_of(applied), "shop", {"acme"}, whole=False)
    assert {a.name for a in {*live.rows, *live.applied}} >= {"c" if "'c'" in hand else "a"}


def test_a_digest_of_something_else_is_not_what_is_wanted(applied: Db) -> None:
    wanted = {str(a): one.digest for a, one in read_live(database_of(applied), "shop").applied.items()}
    applied.sql("UPDATE applied SET digest = 'another' WHERE name = 'a'")
    assert settled(applied, wanted) == {"acme/connector/b"}


def test_what_stands_in_the_row_itself_proves_nothing(applied: Db) -> None:
    """Whoever can write a body can write every column beside it."""
    text = "spec" if applied.is_sqlite else "spec::text"
    mark = "'x'" if applied.is_sqlite else f"md5({text})"
    cast = "" if applied.is_sqlite else "::jsonb"
    applied.sql(
        f"UPDATE resources SET spec = (replace({text}, 'a.example', 'evil.example')){cast}, digest = "
        "(SELECT digest FROM applied WHERE name = 'a') WHERE name = 'a'"
    )
    applied.sql(f"UPDATE resources SET digest_of = {mark} WHERE name = 'a'")
    assert settled(applied) == {"acme/connector/b"}


def plan_of(db: Db, sql: str) -> str:
    rows: Any = db.sql(("EXPLAIN QUERY PLAN " if db.url.startswith("sqlite") else "EXPLAIN ") + sql)
    return "\n".join(str(tuple(row.values()) if isinstance(row, dict) else row) for row in rows)


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT spec FROM resources WHERE (tenant, kind, name) = ('acme', 'connector', 'a')", "resources"),
        ("SELECT kind FROM resources WHERE tenant = 'acme' AND uid = 'x'", "resources"),
        (
            "SELECT spec FROM applied WHERE (project, tenant, kind, name) = ('shop', 'acme', 'connector', 'a')",
            "applied",
        ),
        ("SELECT project FROM applied WHERE (tenant, kind, name) = ('acme', 'connector', 'a')", "applied"),
        ("SELECT action FROM changes WHERE project = 'shop' AND generation = 1 ORDER BY position", "changes"),
        ("SELECT action FROM changes WHERE (tenant, kind, name) = ('acme', 'connector', 'a')", "changes"),
        ("SELECT 1 FROM generations WHERE apply_id = 'x'", "generations"),
        ("SELECT 1 FROM tombstones WHERE (tenant, kind, name, uid) = ('acme', 'connector', 'a', 'x')", "tombstones"),
    ],
)
def test_what_is_asked_for_by_key_is_found_by_an_index(applied: Db, sql: str, index: str) -> None:
    if not applied.url.startswith("sqlite"):
        applied.sql("ALTER TABLE resources SET (autovacuum_enabled = true)")
    told = plan_of(applied, sql) if applied.url.startswith("sqlite") else _without_scans(applied, sql)
    assert "INDEX" in told.upper(), told
    assert "SCAN " + index.upper() not in told.upper(), told


def _without_scans(db: Db, sql: str) -> str:
    """Two rows are scanned whatever indexes there are: the question is whether one would serve."""
    import psycopg

    with psycopg.connect(db.url) as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        return "\n".join(row[0] for row in connection.execute("EXPLAIN " + sql).fetchall())  # type: ignore[arg-type]
