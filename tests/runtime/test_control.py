"""What the server itself is made of is no data source: neither the configuration nor the evidence, by whatever name."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from reconciler.runtime.control import control_of
from reconciler.runtime.setup import resolving
from reconciler.secrets.fetch import Outside
from reconciler.secrets.policy import Policy
from reconciler.secrets.resolve import Resolver
from reconciler.store.url import parse_database
from tests.conftest import Db, new_postgres_database
from tests.runtime.servers import served, world_with_data
from tests.runtime.worlds import apply


def test_a_database_is_recognised_by_what_it_is(db: Db, tmp_path: Path) -> None:
    apply(db, tmp_path, world_with_data(tmp_path))
    database = parse_database(db.url, Path("/"))
    marks = control_of(database)
    if database.path is None:
        assert marks == {*db.sql("SELECT system_identifier::text, current_database() FROM pg_control_system()")}
    else:
        status = database.path.stat()
        assert marks == {(status.st_dev, status.st_ino), ("path", str(database.path))}


def test_a_role_that_may_not_know_the_server_starts_all_the_same(postgres_server: str) -> None:
    url = new_postgres_database(postgres_server)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        connection.execute("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    assert len(control_of(parse_database(url, Path("/")))) == 1
    plain = make_url(url).set(username="plain").render_as_string(hide_password=False)
    assert control_of(parse_database(plain, Path("/"))) == set()


def test_what_is_not_there_marks_nothing_but_its_place(tmp_path: Path) -> None:
    missing = parse_database(f"sqlite:///{tmp_path}/no.db", tmp_path)
    nobody = parse_database("postgresql://nobody@127.0.0.1:1/none", tmp_path)
    assert control_of(missing) == {("path", f"{tmp_path}/no.db")}
    with pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
        control_of(nobody)


def test_no_template_reads_evidence(db: Db, tmp_path: Path) -> None:
    document = world_with_data(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path)
    document["connectors"]["warehouse"]["database"] = str(tmp_path / "alias" / "runtime.db")
    document["templates"]["top"] = {"type": "sql", "datasource": "sales", "sql": "SELECT caller FROM intents"}
    with served(tmp_path, db, document, permits={"sqlite_roots": ["."], "networks": []}) as server:
        assert server.call("top").json()["code"] == "control-database"
        # another file in its place is one that the next start would use: nothing is asked before the store is back
        os.rename(tmp_path / "runtime.db", tmp_path / "old.db")
        (tmp_path / "runtime.db").write_bytes(b"")
        assert server.call("top").json()["code"] == "unavailable"


def test_a_refused_secret_is_asked_for_past_what_was_kept() -> None:
    environ = {"TOKEN": "old"}
    resolve, anew = resolving(Resolver(Policy(), Outside(environ)))

    async def work() -> list[str]:
        found = [await resolve("acme", "env://TOKEN")]
        environ["TOKEN"] = "new"
        return [*found, await resolve("acme", "env://TOKEN"), await anew("acme", "env://TOKEN")]

    assert asyncio.run(work()) == ["old", "old", "new"]
