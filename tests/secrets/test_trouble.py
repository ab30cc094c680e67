"""Databases that are empty, older, locked, read-only, or were written to by others."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from reconciler.store import changing
from reconciler.store import secrets as store
from reconciler.store.schema import _SETUP_LOCK
from tests.conftest import Db, reconciler
from tests.secrets.support import VALUE, Kept, clear
from tests.store.support import set_up, tables, without_privileges

READING = [("list",), ("expiring",), ("access-log",), ("keys", "list")]
WRITING = [("set", "acme/one"), ("rotate", "acme/one"), ("delete", "acme/one", "--auto-approve"), ("reencrypt",)]


def test_an_empty_database(db: Db, folder: Path, key_file: Path) -> None:
    """Looking makes nothing, and neither does a value that is none; the first value sets it up."""
    kept = Kept(db, folder, key_file)
    for arguments in READING:
        kept(*arguments).ok()
    for arguments in (("rotate", "acme/one"), ("delete", "acme/one")):
        clear(kept(*arguments, stdin=VALUE), 64, "unknown-secret")
    kept("reencrypt").ok()
    clear(kept("set", "acme/one", stdin=""), 64, "unfit-value")
    clear(kept("set", "acme/one", stdin=VALUE, RECONCILER_KEY_FILE=""), 6, "key-missing")
    assert not db.path.exists() if db.is_sqlite else tables(db) == []
    assert store.take(kept.database, "acme", "one", store.Actor("tester"), "test") is None
    second = json.loads(kept("keys", "add", "--format", "json").ok().out)["key"]
    kept("keys", "retire", second).ok()
    assert not db.path.exists() if db.is_sqlite else tables(db) == []
    kept("set", "acme/one", stdin=VALUE).ok()
    assert kept.value("one") == VALUE


def test_an_older_database(db: Db, folder: Path, key_file: Path) -> None:
    set_up(db, "0003")
    kept = Kept(db, folder, key_file)
    for arguments in (*READING, *WRITING):
        assert "`reconciler db upgrade`" in clear(kept(*arguments, stdin=VALUE), 6, "database-older").err
    reconciler("db", "upgrade", cwd=folder, env=kept.environment({})).ok()
    kept("set", "acme/one", stdin=VALUE).ok()
    assert kept.value("one") == VALUE


def test_a_read_only_database(kept: Kept) -> None:
    kept("set", "acme/one", stdin=VALUE).ok()
    kept("keys", "promote", json.loads(kept("keys", "add", "--format", "json").ok().out)["key"]).ok()
    own = kept.environment({})
    if kept.db.is_sqlite:
        with closing(sqlite3.connect(kept.db.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode=DELETE")
        kept.db.path.chmod(0o444)
        words = "database-unreachable"
        without_privileges("secrets", "list", cwd=kept.folder, env=own).ok()
        ran = without_privileges("secrets", "reencrypt", cwd=kept.folder, env=own)
        clear(ran, 1, words)
        clear(without_privileges("secrets", "delete", "acme/one", "--auto-approve", cwd=kept.folder, env=own), 1, words)
        return
    with psycopg.connect(kept.db.url, autocommit=True) as pg:
        pg.execute(f"ALTER DATABASE {pg.info.dbname} SET default_transaction_read_only = on")
    for arguments in READING:
        kept(*arguments).ok()
    for arguments in WRITING:
        clear(kept(*arguments, stdin=VALUE), 1, "database-read-only")


def test_a_locked_database(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits, waits for a bounded time, and says so."""
    kept("set", "acme/one", stdin=VALUE).ok()
    kept("keys", "promote", json.loads(kept("keys", "add", "--format", "json").ok().out)["key"]).ok()
    monkeypatch.setattr(changing, "WAIT_SECONDS", 0.2)
    writing = [
        *WRITING,
        ("keys", "retire", next(key for key, row in kept.key_states().items() if row["state"] != "primary")),
    ]
    if kept.db.is_sqlite:
        with closing(sqlite3.connect(kept.db.path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            for arguments in writing:
                clear(kept(*arguments, stdin=VALUE), 5, "lock-timeout")
            for arguments in READING:
                kept(*arguments).ok()
    else:
        with psycopg.connect(kept.db.url) as pg:
            pg.execute("LOCK TABLE secrets, secret_keys, audit_head IN SHARE MODE")
            for arguments in writing:
                clear(kept(*arguments, stdin=VALUE), 5, "lock-timeout")
            for arguments in READING:
                kept(*arguments).ok()
    assert kept.value("one") == VALUE


def test_an_empty_database_that_is_locked(
    db: Db, folder: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody else sets it up."""
    kept = Kept(db, folder, key_file)
    monkeypatch.setattr(changing, "WAIT_SECONDS", 0.2)
    if db.is_sqlite:
        with closing(sqlite3.connect(db.path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            clear(kept("set", "acme/one", stdin=VALUE), 5, "lock-timeout")
        return
    with psycopg.connect(db.url) as pg:
        pg.execute("SELECT pg_advisory_xact_lock(%s)", [_SETUP_LOCK])
        clear(kept("set", "acme/one", stdin=VALUE), 5, "lock-timeout")


ROWS = [
    "version = 0",
    "version = -1",
    "blob = ''",
    "changed_at = '0999-01-01T00:00:00Z'",
    "key_id = 'k-other'",
    "uid = 'other'",
]
ANY_ROWS = [
    "version = 'x'",
    "blob = 1000000000000",
    "blob = 'text'",
    "changed_at = 'soon'",
    "expires_at = x'00'",
    "rotate_days = 'x'",
    "type = x'ff'",
]


@pytest.mark.parametrize("change", [*ROWS, *ANY_ROWS])
def test_rows_by_others(kept: Kept, change: str) -> None:
    """They may be wrong: then that is what is said. They may not be a defect, or another value."""
    kept("set", "acme/one", stdin=VALUE).ok()
    try:
        kept.db.sql(f"UPDATE secrets SET {change}")
    except psycopg.Error:
        assert change in ANY_ROWS  # PostgreSQL has types
        return
    kept("keys", "promote", json.loads(kept("keys", "add", "--format", "json").ok().out)["key"]).ok()
    for arguments in (("list",), ("expiring",), ("reencrypt",), ("keys", "list")):
        ran = kept(*arguments)
        assert ran.code in (0, 8), ran.text
    harmless = change.startswith(("changed_at = '0", "key_id"))
    assert (kept("reencrypt").code == 0) is (harmless or (change.startswith("type") and not kept.db.is_sqlite))


def test_an_entry_by_others(kept: Kept) -> None:
    kept("set", "acme/one", stdin=VALUE).ok()
    for seq, body in enumerate(
        ('{"event":"secret-set"', '["event":"secret-', '{"event":"secret-set"}', '["\\"event\\":\\"secret-"]'), 50
    ):
        kept.db.sql("INSERT INTO audit (seq, body, hash) VALUES (?, ?, '')", [seq, body])
        assert kept("access-log").code in (0, 8)
    assert "entry 51 of the audit trail is not as it was written" in clear(kept("access-log"), 8, "entry-damaged").err
