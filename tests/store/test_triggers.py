"""What the database itself keeps: numbers that never repeat, who and when, uids that stay."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Db
from tests.store.support import cli_on, set_up

INSERT = "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'limit', ?, ?)"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture
def made(db: Db) -> Db:
    set_up(db)
    return db


def version(db: Db, name: str = "x") -> int:
    return int(db.sql("SELECT row_version FROM resources WHERE name = ?", [name])[0][0])


def test_four_columns_are_enough(made: Db) -> None:
    import re

    for name in ("x", "y"):
        made.sql(INSERT, [name, '{"requests": 1}'])
    rows = made.sql("SELECT uid, spec_version, project, digest, row_version, changed_by FROM resources ORDER BY name")
    assert len({uid for uid, *_ in rows}) == 2
    assert all(re.fullmatch(UUID, uid) for uid, *_ in rows)
    assert [row[1:4] for row in rows] == [(1, None, None)] * 2
    assert 0 < rows[0][4] < rows[1][4]
    assert {row[5] for row in rows} == ({"unknown"} if made.is_sqlite else {"postgres"})


def test_the_four_columns_are_wanted(made: Db) -> None:
    for columns, values in (("tenant, kind, name", "'a', 'b', 'c'"), ("kind, name, spec", "'b', 'c', '{}'")):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.NotNullViolation)):
            made.sql(f"INSERT INTO resources ({columns}) VALUES ({values})")
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.InvalidTextRepresentation)):
        made.sql(INSERT, ["x", "{no json"])


def test_row_version_never_repeats(made: Db) -> None:
    seen = []
    for i in range(5):
        made.sql(INSERT, ["x", "{}"])
        seen.append(version(made))
        made.sql("UPDATE resources SET spec = ?", [json.dumps({"n": i})])
        seen.append(version(made))
        made.sql("DELETE FROM resources")
    buried = [v for (v,) in made.sql("SELECT row_version FROM tombstones ORDER BY row_version")]
    assert len(buried) == 5
    assert sorted({*seen, *buried}) == sorted([*seen, *buried])
    assert seen == sorted(seen)


CHANGES = ["spec = '[1]'", "name = 'z'", "tenant = 'other'", "kind = 'integration'", "project = 'p'"]
CHANGES += ["spec_version = 2", "digest = 'x'", "digest_of = 'x'"]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_stamped(made: Db, change: str) -> None:
    made.sql(INSERT, ["x", "{}"])
    made.sql("UPDATE resources SET changed_at = NULL, changed_by = 'somebody'")
    before = made.sql("SELECT row_version FROM resources")[0][0]
    made.sql(f"UPDATE resources SET {change}")
    after, by, at = made.sql("SELECT row_version, changed_by, changed_at FROM resources")[0]
    assert after > before
    assert by == ("unknown" if made.is_sqlite else "postgres")
    moment = datetime.fromisoformat(at) if made.is_sqlite else at
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60


def test_upsert_and_replace_are_stamped(made: Db) -> None:
    made.sql(INSERT, ["x", "{}"])
    first = version(made)
    made.sql(INSERT + " ON CONFLICT (tenant, kind, name) DO UPDATE SET spec = excluded.spec", ["x", '{"a": 1}'])
    assert version(made) > first
    if made.is_sqlite:
        uid = made.sql("SELECT uid FROM resources")
        second = version(made)
        made.sql(INSERT.replace("INSERT", "INSERT OR REPLACE"), ["x", '{"a": 2}'])
        assert version(made) > second
        assert made.sql("SELECT uid FROM resources") != uid


def test_uid_is_immutable(made: Db) -> None:
    made.sql(INSERT, ["x", "{}"])
    before = made.sql("SELECT * FROM resources")
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.CheckViolation), match="uid is immutable"):
        made.sql("UPDATE resources SET uid = 'another'")
    assert made.sql("SELECT * FROM resources") == before
    made.sql("UPDATE resources SET uid = uid")


def test_a_uid_is_there_once_per_tenant(made: Db) -> None:
    made.sql(INSERT, ["x", "{}"])
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
        made.sql(
            "INSERT INTO resources (tenant, kind, name, spec, uid) SELECT tenant, kind, 'clone', spec, uid FROM resources"
        )


def test_tombstones_say_who_and_when(made: Db) -> None:
    made.sql(INSERT, ["x", "{}"])
    uid = made.sql("SELECT uid FROM resources")[0][0]
    last = version(made)
    made.sql("DELETE FROM resources")
    rows = made.sql("SELECT tenant, kind, name, uid, project, deleted_by, row_version FROM tombstones")
    assert rows[0][:5] == ("acme", "limit", "x", uid, None)
    assert rows[0][5] == ("unknown" if made.is_sqlite else "postgres")
    assert rows[0][6] > last


def test_another_role_is_named(made: Db) -> None:
    if made.is_sqlite:
        made.sql(INSERT, ["x", "{}"])  # a file knows no roles
        assert made.sql("SELECT changed_by FROM resources") == [("unknown",)]
        return
    with psycopg.connect(made.url, autocommit=True) as connection:
        name = "night_" + connection.info.dbname
        connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
        connection.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}")
    with psycopg.connect(made.url.replace("postgres:@", f"{name}@")) as connection:
        connection.execute(INSERT.replace("?", "%s"), ["x", "{}"])
        connection.execute("SET LOCAL reconciler.actor = ''")  # what is left behind in a pool
        connection.execute("UPDATE resources SET spec = '[]'")
    assert made.sql("SELECT changed_by FROM resources") == [(name,)]


def test_numbers_are_drawn_by_everybody_at_once(made: Db) -> None:
    import threading

    def insert(worker: int) -> None:
        for i in range(10):
            made.sql(INSERT, [f"w{worker}-{i}", "{}"])

    threads = [threading.Thread(target=insert, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = [v for (v,) in made.sql("SELECT row_version FROM resources")]
    assert len(versions) == len(set(versions)) == 40


def test_what_an_apply_inserts_is_stamped_like_what_anybody_inserts(made: Db, folder: Path) -> None:
    """On SQLite an apply does it by itself; the trigger goes on stamping for everybody else, whatever they say."""
    made.sql(INSERT, ["before", "{}"])
    limits = {name: {"target": "tenant", "per": "day", "requests": 1} for name in ("one", "two", "three")}
    (folder / "acme.yaml").write_text(json.dumps({"version": 1, "tenant": "acme", "limits": limits}))
    cli_on(made.url, folder)("apply", "--auto-approve", RECONCILER_ACTOR="ci").ok()
    made.sql(
        "INSERT INTO resources (tenant, kind, name, spec, row_version, changed_by) VALUES ('acme', 'limit', 'after', '{}', 1, 'me')"
    )
    made.sql(INSERT, ["last", "{}"])
    found = made.sql("SELECT name, row_version, changed_by, changed_at FROM resources ORDER BY row_version")
    names = [name for name, *_ in found]
    assert (names[0], {*names[1:4]}, names[4:]) == ("before", {*limits}, ["after", "last"])
    assert len({version for _, version, *_ in found}) == 6
    nobody = "unknown" if made.is_sqlite else "postgres"
    assert [by for _, _, by, _ in found] == [nobody, "ci", "ci", "ci", nobody, nobody]
    if made.is_sqlite:
        assert all(datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ") for *_, at in found)
        assert made.sql("SELECT n FROM row_counter") == [(found[-1][1],)]
