"""Database URLs: what is opened, what a person may read of it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from reconciler.errors import UsageError
from reconciler.store.url import parse_database
from tests.conftest import Db, new_postgres_database
from tests.store.support import SECRET, cli_on, database_of

POSTGRESQL = ["postgres://", "postgresql://", "postgresql+psycopg://", "postgres+psycopg://", "  postgresql://"]


def test_harmless_options_are_shown() -> None:
    url = "postgresql://h/db?application_name=ci&connect_timeout=3&options=-csearch_path%3Da%2Cb&sslmode=verify-full"
    shown = parse_database(url, Path("/")).display
    for word in ("application_name=ci", "connect_timeout=3", "search_path", "sslmode=verify-full"):
        assert word in shown
    assert "***" not in shown


@pytest.mark.parametrize("scheme", POSTGRESQL)
def test_every_way_to_say_postgresql(scheme: str) -> None:
    database = parse_database(f"{scheme}me:pw@db.example.com:6543/live?sslmode=require", Path("/"))
    assert database.url.drivername == "postgresql+psycopg"
    assert (database.url.host, database.url.port, database.url.database) == ("db.example.com", 6543, "live")
    assert database.url.password == "pw"
    assert database.display == "postgresql://me:***@db.example.com:6543/live?sslmode=require"
    assert (database.is_shared, database.is_sqlite, database.path) == (True, False, None)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql:///live?host=/var/run/pg", "/var/run/pg", None),
        ("postgresql://me@/live?host=/var/run/pg&port=6543", "/var/run/pg", "6543"),
        ("postgresql://%2Fvar%2Frun%2Fpg/live", "/var/run/pg", None),
        ("postgres://me@%2fvar%2frun%2fpg:6543/live", "/var/run/pg", 6543),
    ],
)
def test_unix_sockets(url: str, host: str, port: object) -> None:
    database = parse_database(url, Path("/"))
    options = {**database.url.translate_connect_args(), **database.url.query}
    assert (options["host"], options.get("port"), options["database"]) == (host, port, "live")
    assert "host=/var/run/pg" in database.display


def test_unix_sockets_connect(postgres_server: str, folder: Path) -> None:
    url = new_postgres_database(postgres_server)
    parts = conninfo_to_dict(url)
    socket, name = str(parts["host"]), parts["dbname"]
    (folder / "acme.yaml").write_text("version: 1\ntenant: acme\nlimits: {}\n")
    for form in (
        f"postgres://postgres@/{name}?host={socket}",
        f"postgresql://postgres@{socket.replace('/', '%2F')}/{name}",
    ):
        assert "new and empty" in cli_on(form, folder)("plan").ok().out


@pytest.mark.parametrize(
    ("url", "password"),
    [
        (f"postgresql://me:{SECRET}@h/db", SECRET),
        ("postgresql://me:p%40%2F%3A%25@h/db", "p@/:%"),
        ("postgresql://me:s%23cret#1?x@h/db", "s#cret#1?x"),
        (f"postgresql://h/db?user=me&password={SECRET}", None),
        (f"postgresql://h/db?sslpassword={SECRET}&sslPassword={SECRET}", None),
        (f"postgresql://h/db?password=a&{SECRET}=1", None),  # an & that is part of the password
        (f"postgresql://h/db?apikey={SECRET}&sslmode=require", None),
        (f"postgresql://h/db?options=-c%20custom.token%3D{SECRET}", None),
        (f"postgresql://h/db?options=-csearch_path%3Da%20-c%20custom.token%3D{SECRET}", None),
    ],
)
def test_passwords_are_used_and_never_shown(url: str, password: str | None) -> None:
    database = parse_database(url, Path("/"))
    assert database.url.password == password
    assert "***" in database.display
    for word in (SECRET, "p@", "p%40", "cret"):
        assert word not in database.display


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:a@{SECRET}@h/db",  # an @ that should have been %40: the rest is no host
        f"postgresql://me:pw@h:{SECRET}/db",
        f"mysql://me:{SECRET}@h/db",
        f"postgresql+asyncpg://me:{SECRET}@h/db",
        f"{SECRET}",
        "",
        "postgresql:db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://host/x.db",
        "sqlite:///x.db?mode=rwc",
        "sqlite:x.db",
    ],
)
def test_what_is_refused_is_not_repeated(url: str, folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_database(url, Path("/"))
    (problem,) = caught.value.problems
    assert problem.code == "database-url"
    assert problem.hint
    assert SECRET not in f"{problem.message} {problem.hint}"
    (folder / "acme.yaml").write_text("version: 1\ntenant: acme\n")
    if url:
        assert cli_on(url, folder)("db", "status").ok(64).err.startswith("Error: ")


@pytest.mark.parametrize("name", ["a b.db", "x#y.db", "100%.db", "ünïcode.db", "it's.db", 'q"q.db'])
def test_sqlite_files_of_any_name(tmp_path: Path, folder: Path, name: str) -> None:
    database = parse_database(f"sqlite:///{name}", tmp_path)
    assert database.path == tmp_path / name
    assert (database.is_shared, database.is_sqlite) == (False, True)
    (folder / "acme.yaml").write_text(
        "version: 1\ntenant: acme\nlimits: {one: {target: tenant, per: day, requests: 1}}\n"
    )
    run = cli_on(f"sqlite:///{tmp_path}/{name}", folder)
    run("apply", "--auto-approve").ok()
    assert "No changes." in run("plan").ok().out
    assert name in {path.name for path in tmp_path.iterdir()}


def test_percent_encoded_files(tmp_path: Path) -> None:
    assert parse_database("sqlite:///a%20b%3F.db", tmp_path).path == tmp_path / "a b?.db"
    assert parse_database("sqlite:///a%2520b.db", tmp_path).path == tmp_path / "a%20b.db"


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the folder that is given; shown from where one is."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    database = parse_database("sqlite:///x/state.db", tmp_path / "here")
    assert database.path == tmp_path / "here/x/state.db"
    assert database.display == "sqlite:///here/x/state.db"
    assert parse_database("sqlite:////a/b.db", tmp_path).path == Path("/a/b.db")
    assert parse_database("sqlite:////a/b.db", tmp_path).display == "sqlite:////a/b.db"


def test_the_plan_header_shows_no_password(postgres_server: str, folder: Path) -> None:
    url = new_postgres_database(postgres_server).replace("postgres:@", f"postgres:{SECRET}@")
    (folder / "acme.yaml").write_text(
        "version: 1\ntenant: acme\nlimits: {one: {target: tenant, per: day, requests: 1}}\n"
    )
    run = cli_on(url, folder)
    for arguments in (
        ["plan", "--out", "saved.plan"],
        ["plan", "--format", "json"],
        ["apply", "--auto-approve"],
        ["db", "status"],
        ["db", "backup", "x"],
    ):
        assert "postgres:***@" in run(*arguments).text
    assert SECRET not in (folder / "saved.plan").read_text()
    assert database_of(Db(url)).url.password == SECRET
