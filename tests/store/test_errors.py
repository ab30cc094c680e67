"""Databases that can't be used: one clear sentence, what to do next, no traceback, no password, no row."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Db, Ran, new_postgres_database
from tests.store.support import SECRET, cli_on, without_privileges

MANIFEST = "version: 1\ntenant: acme\nlimits: {one: {target: tenant, per: day, requests: 1}}\n"
APPLY = ("apply", "--auto-approve")


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "acme.yaml").write_text(MANIFEST)
    return folder


@pytest.fixture
def pg(postgres_server: str) -> Db:
    return Db(new_postgres_database(postgres_server))


def clear(ran: Ran, code: int, *words: str) -> None:
    """One error of one sentence, with its code."""
    ran.ok(code)
    errors = [line for line in ran.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, ran.err
    for word in words:
        assert word in ran.err, ran.err
    for word in (SECRET, "psycopg", "sqlalchemy", "sqlite3", "Background on this error"):
        assert word not in ran.text, ran.text


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- PostgreSQL


@pytest.mark.parametrize("arguments", [("plan",), APPLY, ("db", "status"), ("db", "upgrade"), ("list",)])
def test_nobody_listens(folder: Path, arguments: tuple[str, ...]) -> None:
    run = cli_on(f"postgresql://me:{SECRET}@127.0.0.1:{closed_port()}/live", folder)
    clear(run(*arguments), 1, "can't connect to postgresql://me:***@127.0.0.1", "refused", "[database-unreachable]")
    assert "database-unreachable" in run(*arguments, "--format", "json").out


def test_no_such_host(folder: Path) -> None:
    run = cli_on(f"postgresql://me:{SECRET}@no-such-host.invalid/live", folder)
    clear(run("plan"), 1, "can't connect to postgresql://me:***@no-such-host.invalid/live", "[database-unreachable]")


def test_no_such_socket(folder: Path, tmp_path: Path) -> None:
    run = cli_on(f"postgresql://me:{SECRET}@/live?host={tmp_path}", folder)
    clear(run("plan"), 1, "can't connect to postgresql://me:***@/live?host=/", "[database-unreachable]")


def test_no_such_database(folder: Path, pg: Db) -> None:
    run = cli_on(pg.url.replace("/t", f"/{'x' * 8}", 1).replace("postgres:@", f"postgres:{SECRET}@"), folder)
    clear(run("plan"), 1, "can't connect to", "does not exist", "[database-unreachable]")


def test_an_option_that_libpq_does_not_know(folder: Path, pg: Db) -> None:
    clear(cli_on(f"{pg.url}&colour=blue", folder)("plan"), 1, "can't connect to", "[database-unreachable]")


@pytest.fixture
def passwords(postgres_server: str) -> Iterator[None]:
    """The server wants a password of the role ``locked``."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        file = Path(connection.execute("SHOW hba_file").fetchone()[0])  # type: ignore[index]
        before = file.read_text()
        connection.execute(f"CREATE ROLE locked LOGIN PASSWORD '{SECRET}'")
        file.write_text(f"local all locked scram-sha-256\n{before}")
        connection.execute("SELECT pg_reload_conf()")
        yield
        file.write_text(before)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("DROP ROLE locked")


@pytest.mark.usefixtures("passwords")
def test_wrong_password(folder: Path, pg: Db) -> None:
    wrong = cli_on(pg.url.replace("postgres:@", f"locked:not-{SECRET}@"), folder)
    clear(wrong("plan"), 1, "can't connect to", "password authentication failed", "[database-unreachable]")
    none = cli_on(pg.url.replace("postgres:@", "locked@"), folder)
    clear(none("plan"), 1, "can't connect to", "password", "[database-unreachable]")
    assert "new and empty" in cli_on(pg.url.replace("postgres:@", f"locked:{SECRET}@"), folder)("plan").ok().out


@pytest.fixture
def role(pg: Db) -> str:
    """A role that may do nothing yet."""
    with psycopg.connect(pg.url, autocommit=True) as connection:
        name = f"role_{connection.info.dbname}"
        connection.execute(f"CREATE ROLE {name} LOGIN")
    return name


def test_a_role_that_may_not_create_tables(folder: Path, pg: Db, role: str) -> None:
    run = cli_on(pg.url.replace("postgres:@", f"{role}:{SECRET}@"), folder)
    run("plan").ok()
    for arguments in (APPLY, ("db", "upgrade")):
        clear(run(*arguments), 1, "this role lacks a permission", "[database-permission]")
    assert pg.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


def test_a_role_that_may_not_read_or_write(folder: Path, pg: Db, role: str) -> None:
    cli_on(pg.url, folder)(*APPLY).ok()
    (folder / "acme.yaml").write_text(MANIFEST.replace("requests: 1", "requests: 2"))
    run = cli_on(pg.url.replace("postgres:@", f"{role}@"), folder)
    for arguments in (("plan",), APPLY, ("list",), ("db", "status")):
        clear(run(*arguments), 1, "this role lacks a permission", "[database-permission]")
    pg.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    assert "1 to change" in run("plan").ok().out
    clear(run(*APPLY), 1, "this role lacks a permission", "[database-permission]")
    assert pg.sql("SELECT number FROM generations") == [(1,)]


def test_what_the_server_says_of_rows_is_not_repeated(folder: Path, pg: Db) -> None:
    """`DETAIL: Failing row contains (...)` quotes the row; a trigger of theirs may quote anything."""
    cli_on(pg.url, folder)(*APPLY).ok()
    pg.sql("ALTER TABLE resources ADD CONSTRAINT theirs CHECK (spec->>'description' = '') NOT VALID")
    (folder / "acme.yaml").write_text(MANIFEST.replace("requests: 1", f"requests: 1, description: {SECRET}"))
    clear(cli_on(pg.url, folder)(*APPLY, "-q"), 1, "the database refused a statement (SQLSTATE 23514)")
    pg.sql("ALTER TABLE resources DROP CONSTRAINT theirs")
    shout = "BEGIN RAISE EXCEPTION 'no: %', NEW.spec; END"
    pg.sql(f"CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ {shout} $$".replace("%", "%%"))
    for when in ("BEFORE UPDATE ON resources", "AFTER UPDATE ON resources DEFERRABLE INITIALLY DEFERRED"):
        kind = "CONSTRAINT TRIGGER" if "DEFERRED" in when else "TRIGGER"
        pg.sql(f"CREATE {kind} theirs {when} FOR EACH ROW EXECUTE FUNCTION shout()")
        clear(cli_on(pg.url, folder)(*APPLY, "-q"), 1, "the database refused a statement (SQLSTATE P0001)")
        pg.sql("DROP TRIGGER theirs ON resources")
    assert pg.sql("SELECT number FROM generations") == [(1,)]


def test_a_schema_that_somebody_damaged(folder: Path, db: Db) -> None:
    cli_on(db.url, folder)(*APPLY).ok()
    db.sql("DROP TABLE applied")
    words = ("a table or a column of reconciler's schema is missing", "`reconciler db status` names it")
    clear(cli_on(db.url, folder)("plan"), 1, *words)


# --- SQLite


def test_a_file_that_is_no_database(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("this is not a database, and it is longer than the header of one, which has a hundred bytes" * 3)
    run = cli_on(f"sqlite:///{file}", folder)
    for arguments in (("plan",), APPLY, ("db", "status"), ("db", "upgrade"), ("db", "backup", str(tmp_path / "copy"))):
        clear(run(*arguments), 1, "is not a SQLite database", "next: ")
    assert file.read_text().startswith("this is not")
    assert not (tmp_path / "copy").exists()


def test_a_folder(folder: Path, tmp_path: Path) -> None:
    run = cli_on(f"sqlite:///{tmp_path}", folder)
    for arguments in (("plan",), APPLY, ("db", "status"), ("db", "backup", str(tmp_path / "copy"))):
        clear(run(*arguments), 1, "can't be used: Is a directory", "[database-unreachable]")


def test_below_a_file(folder: Path) -> None:
    run = cli_on(f"sqlite:///{folder}/acme.yaml/state.db", folder)
    clear(run(*APPLY), 1, "can't be used", "[database-unreachable]")


@pytest.mark.parametrize("how", ["overwritten", "cut"])
def test_a_damaged_file(folder: Path, tmp_path: Path, how: str) -> None:
    file = tmp_path / "state.db"
    run = cli_on(f"sqlite:///{file}", folder)
    run(*APPLY).ok()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, pages = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count"))
    with file.open("r+b") as handle:
        if how == "cut":
            handle.truncate(page * (pages // 2) + 100)
        else:
            handle.seek(page)
            handle.write(os.urandom(page * (pages - 1)))
    for arguments in (("plan",), APPLY):
        clear(run(*arguments), 1, "is damaged", "restore it from a backup")


def test_a_folder_that_can_not_be_written(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    url = {"RECONCILER_DATABASE_URL": f"sqlite:///{home}/state.db", "RECONCILER_PROJECT": "shop"}
    home.chmod(0o555)
    try:
        assert "new and empty" in without_privileges("plan", cwd=folder, env=url).ok().out
        clear(without_privileges(*APPLY, cwd=folder, env=url), 1, "can't be opened", "its folder can be written")
        below = {**url, "RECONCILER_DATABASE_URL": f"sqlite:///{home}/more/state.db"}
        clear(without_privileges(*APPLY, cwd=folder, env=below), 1, "can't be used: Permission denied")
        home.chmod(0o755)
        without_privileges(*APPLY, cwd=folder, env=url).ok()
        home.chmod(0o555)
        ran = without_privileges("plan", cwd=folder, env=url)
        clear(ran, 1, "can't be opened", "its folder can be written (SQLite keeps its log beside the file)")
        home.chmod(0o000)
        clear(without_privileges("plan", cwd=folder, env=url), 1, "can't be used: Permission denied")
    finally:
        home.chmod(0o755)


def test_a_file_that_can_not_be_written(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    url = {"RECONCILER_DATABASE_URL": f"sqlite:///{file}", "RECONCILER_PROJECT": "shop"}
    without_privileges(*APPLY, cwd=folder, env=url).ok()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    (folder / "acme.yaml").write_text(MANIFEST.replace("requests: 1", "requests: 2"))
    file.chmod(0o444)
    assert "1 to change" in without_privileges("plan", cwd=folder, env=url).ok().out
    clear(without_privileges(*APPLY, cwd=folder, env=url), 1, "can't be written", "check the permissions")
    file.chmod(0o000)
    clear(without_privileges("plan", cwd=folder, env=url), 1, "can't be opened")


def test_locked_by_a_program_that_lets_nobody_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.store.connect.READ_WAIT", 0.2)
    file = tmp_path / "state.db"
    run = cli_on(f"sqlite:///{file}", folder)
    run(*APPLY).ok()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        clear(run("plan"), 5, "is locked by another program", "[lock-timeout]")
        clear(run("list"), 5, "is locked by another program", "[lock-timeout]")


def test_the_connection_ends_while_a_plan_reads(folder: Path, pg: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    cli_on(pg.url, folder)(*APPLY).ok()

    def ends(*_: object) -> None:
        pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'")

    monkeypatch.setattr("reconciler.store.reading.read_project", ends)
    clear(cli_on(pg.url, folder)("plan"), 1, "the connection ended while it was read", "[connection-lost]")
