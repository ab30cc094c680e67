"""What a database is, and how it gets to the current schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.model.live import DatabaseState
from reconciler.store import migrations
from reconciler.store.reading import read_live, read_overview
from reconciler.store.schema import REVISIONS, upgrade
from tests.conftest import Db
from tests.store.support import cli_on, database_of, set_up, tables

TRIGGERS = {
    True: {"resources_stamp_insert", "resources_stamp_update", "resources_uid", "resources_bury"},
    False: {"resources_stamp", "resources_bury"},
}
LIMIT = {"target": "tenant", "per": "day", "requests": 1}
MANIFEST = json.dumps({"version": 1, "tenant": "acme", "limits": {"one": LIMIT}})


def triggers(db: Db) -> set[str]:
    sql = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if db.is_sqlite
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
    )
    return {name for (name,) in db.sql(sql)}


def schema(db: Db) -> list[tuple[object, ...]]:
    """Every table, column, index, trigger and function as the database describes it."""
    if db.is_sqlite:
        return db.sql("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
    columns = db.sql(
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    indexes = db.sql("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 2")
    functions = db.sql("SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1")
    return [*columns, *indexes, *functions, *db.sql("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")]


def state(db: Db) -> DatabaseState:
    return read_live(database_of(db), "shop").state


def test_every_migration_has_a_file_and_every_file_a_line() -> None:
    files = sorted(file.stem for file in Path(migrations.__file__).parent.glob("v*.py"))
    assert [*migrations.MIGRATIONS.values()] == files
    assert [*REVISIONS] == sorted(REVISIONS) == [name[1:5] for name in files]


def test_empty_to_current_and_again(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    assert state(db) in {DatabaseState.MISSING, DatabaseState.EMPTY}
    assert f"to {REVISIONS[-1]}." in run("db", "upgrade").ok().out
    assert state(db) is DatabaseState.CURRENT
    before = schema(db)
    assert f"is at revision {REVISIONS[-1]} already" in run("db", "upgrade").ok().out
    answer = run("db", "upgrade", "--format", "json").ok().json
    assert (answer["before"], answer["after"]) == (REVISIONS[-1], REVISIONS[-1])
    assert schema(db) == before
    assert triggers(db) >= TRIGGERS[db.is_sqlite]


@pytest.mark.parametrize("start", REVISIONS)
def test_from_every_revision_to_the_same_schema(db: Db, folder: Path, tmp_path: Path, start: str) -> None:
    """Rows of before are there after it, and so are the triggers, by name."""
    set_up(db, start)
    db.sql("INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'limit', 'old', '{}')")
    version = db.sql("SELECT row_version FROM resources")
    if start != REVISIONS[-1]:
        assert state(db) is DatabaseState.OLDER
        (folder / "acme.yaml").write_text(MANIFEST)
        for arguments in (["plan"], ["apply", "--auto-approve"]):
            refused = cli_on(db.url, folder)(*arguments).ok(6)
            assert "is older than this reconciler" in refused.err
            assert "`reconciler db upgrade`" in refused.err
        assert triggers(db) >= TRIGGERS[db.is_sqlite]
    assert upgrade(database_of(db), 10, only_empty=False)[:2] == (start, REVISIONS[-1])
    assert state(db) is DatabaseState.CURRENT
    assert triggers(db) >= TRIGGERS[db.is_sqlite]
    assert db.sql("SELECT row_version FROM resources") == version
    db.sql("UPDATE resources SET spec = '{\"a\": 1}'")
    assert db.sql("SELECT row_version FROM resources") > version
    if db.is_sqlite:
        fresh = Db(f"sqlite:///{tmp_path}/fresh.db")
        upgrade(database_of(fresh), 10, only_empty=True)
        assert schema(fresh) == schema(db)


def test_a_foreign_database_is_left_alone_until_somebody_says_upgrade(db: Db, folder: Path) -> None:
    db.sql("CREATE TABLE theirs (x INTEGER)")
    db.sql("INSERT INTO theirs VALUES (42)")
    run = cli_on(db.url, folder)
    (folder / "acme.yaml").write_text(MANIFEST)
    assert state(db) is DatabaseState.FOREIGN
    for arguments in (["plan"], ["apply", "--auto-approve"]):
        refused = run(*arguments).ok(6)
        assert "is not empty and holds no reconciler schema" in refused.err
        assert "`reconciler db upgrade`" in refused.err
    assert tables(db) == ["theirs"]
    assert "Schema:   foreign (revision none" in run("db", "status").ok().out
    run("db", "upgrade").ok()
    run("apply", "--auto-approve").ok()
    assert db.sql("SELECT x FROM theirs") == [(42,)]
    assert list(db.rows()) == ["acme/limit/one"]


def test_a_view_makes_a_database_foreign_too(db: Db) -> None:
    db.sql("CREATE VIEW theirs AS SELECT 1 AS x")
    assert state(db) is DatabaseState.FOREIGN


def test_a_newer_database_is_refused(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    (folder / "acme.yaml").write_text(MANIFEST)
    run("apply", "--auto-approve").ok()
    db.sql("UPDATE reconciler_schema SET version_num = '9999'")
    assert state(db) is DatabaseState.NEWER
    before = schema(db)
    for arguments in (["plan"], ["apply", "--auto-approve"], ["db", "upgrade"]):
        assert "is newer than this reconciler" in run(*arguments).ok(6).err
    assert "Schema:   newer (revision 9999, " in run("db", "status").ok().out
    assert schema(db) == before


def test_status_tells_projects(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    status = run("db", "status", "--format", "json").ok().json
    assert status["state"] == ("missing" if db.is_sqlite else "empty")
    (folder / "acme.yaml").write_text(MANIFEST)
    run("apply", "--auto-approve").ok()
    cli_on(db.url, folder, "other")("db", "status").ok()
    status = run("db", "status", "--format", "json").ok().json
    assert (status["state"], status["revision"]) == ("current", REVISIONS[-1])
    assert status["projects"] == [{"project": "shop", "environment": None, "generation": 1, "resources": 1}]
    assert "Project:  shop, generation 1, owns 1 resources" in run("db", "status").ok().out


@pytest.mark.parametrize(
    "arguments", [["plan"], ["plan", "--out", "/dev/null/x"], ["db", "status"], ["list"], ["validate"]]
)
def test_readers_write_nothing_to_what_is_not_there(db: Db, folder: Path, arguments: list[str]) -> None:
    """No file, no folder, no table."""
    (folder / "acme.yaml").write_text(MANIFEST)
    url = db.url.replace("state.db", "not/there/state.db") if db.is_sqlite else db.url
    cli_on(url, folder)(*arguments)
    cli_on(url, folder)("plan", "--out", str(folder / "saved.plan")).ok()
    if db.is_sqlite:
        assert not (db.path.parent / "not").exists()
    else:
        assert tables(db) == []
        assert db.sql("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == [(0,)]


def test_readers_write_nothing_to_an_empty_file(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    (folder / "acme.yaml").write_text(MANIFEST)
    run = cli_on(f"sqlite:///{file}", folder)
    assert "(new and empty)" in run("plan").ok().out
    run("db", "status").ok()
    assert file.stat().st_size == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "work"]
    run("apply", "--auto-approve").ok()
    assert read_overview(database_of(Db(f"sqlite:///{file}"))).resources == 1


def test_a_plan_reads_without_writing(db: Db, folder: Path) -> None:
    """A read-only transaction, whatever somebody makes of it later."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from reconciler.store.connect import reading
    from reconciler.store.failures import DatabaseFailed

    upgrade(database_of(db), 10, only_empty=True)
    with pytest.raises((DBAPIError, DatabaseFailed)), reading(database_of(db)) as connection:
        connection.execute(text("INSERT INTO resources (tenant, kind, name, spec) VALUES ('a', 'b', 'c', '{}')"))
    assert db.rows() == {}
