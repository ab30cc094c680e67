"""Databases that each commit which touched a schema left behind are brought to today's, and hold what they held."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from reconciler.store.schema import REVISIONS
from tests.conftest import Db
from tests.store.golden.world import GENERATIONS, GOVERNED, KEYS, PROJECT
from tests.store.support import Cli, cli_on

HERE = Path(__file__).parent
COMMITS = sorted(file.name.partition("-")[0] for file in HERE.glob("*-sqlite.sql.gz") if "store" not in file.name)
EDITED = {
    "bc0290e": ["the column changes.spec_version", "the column changes.sources"],
    "aaab4c5": ["the column changes.sources"],
    "782bb24": ["the column applied.digest_of", "the column applied.mac", "the table mask_key", "the index caller_keys_by_uid on caller_keys"],
    "eca330a": ["the column applied.digest_of", "the column applied.mac", "the table mask_key"],
    "0c2020c": ["the column applied.mac"],
    "8fd35e9": ["the column applied.digest_of", "the column applied.mac", "the table mask_key", "the index caller_keys_by_uid on caller_keys"],
    "f54a8af": ["the column applied.mac"],
    "0aa3f62": ["the seals of 8 records"],
}  # fmt: skip
"""What the revision that a commit names was given only later."""


def restore(name: str, db: Db) -> None:
    text = gzip.decompress((HERE / f"{name}-{'sqlite' if db.is_sqlite else 'postgresql'}.sql.gz").read_bytes()).decode()
    if db.is_sqlite:
        with closing(sqlite3.connect(db.path)) as connection:
            connection.executescript(text)
        return
    with psycopg.connect(db.url) as connection:
        connection.execute(text.encode())


def with_keys(db: Db, folder: Path) -> Cli:
    """The command line with the key that signed what is there."""
    file = folder / "keys.json"
    file.write_text(json.dumps(KEYS))
    file.chmod(0o600)
    run = cli_on(db.url, folder, PROJECT)
    return lambda *arguments, **more: run(*arguments, RECONCILER_KEY_FILE=str(file), **more)


@pytest.mark.parametrize("commit", COMMITS)
def test_it_is_upgraded_and_nothing_is_left_to_do(db: Db, folder: Path, commit: str) -> None:
    restore(commit, db)
    governed = db.sql("SELECT count(*) FROM resources WHERE kind = 'caller'") == [(1,)]
    (folder / "acme.yaml").write_text(GENERATIONS[-1] + (GOVERNED if governed else ""))
    run = with_keys(db, folder)
    rows, applied = db.rows(), db.sql("SELECT name, uid, spec, generation FROM applied ORDER BY kind, name")
    upgraded = run("db", "upgrade", "--format", "json").ok().json
    assert upgraded["repaired"] == EDITED.get(commit, [])
    assert (upgraded["after"], upgraded["differences"]) == (REVISIONS[-1], [])
    assert run("db", "status", "--format", "json").ok().json["differences"] == []
    assert run("db", "verify").ok().out.endswith("The database holds.\n")
    assert "No changes." in run("plan").ok().out
    assert db.rows() == rows
    assert db.sql("SELECT name, uid, spec, generation FROM applied ORDER BY kind, name") == applied
    assert "No drift" in run("drift").ok().out
    assert [one["number"] for one in run("history", "--format", "json").ok().json["generations"]] == [3, 2, 1]
    assert "openai-prod" in run("history", "2").ok().out
    run("blame", "acme/limit/month").ok()
    (folder / "acme.yaml").write_text(GENERATIONS[1] + (GOVERNED if governed else ""))
    assert "1 to destroy" in run("plan").ok().out
    run("apply", "--auto-approve", "--allow-undo").ok()
    run("rollback", "3", "--auto-approve").ok()
    assert set(db.rows()) == set(rows)
    run("db", "verify").ok()


@pytest.mark.parametrize("commit", COMMITS)
def test_an_older_or_edited_one_is_named_before_it_is_touched(db: Db, folder: Path, commit: str) -> None:
    restore(commit, db)
    status = with_keys(db, folder)("db", "status", "--format", "json").ok().json
    missing = [one["what"] for one in status["differences"] if "mask_key." not in one["what"]]
    assert sorted(missing) == sorted(what for what in EDITED.get(commit, []) if "seals" not in what)
    assert {one["found"] for one in status["differences"]} <= {None}
