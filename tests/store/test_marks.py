"""The marks by which a server's own databases are recognised, whatever name they are reached by."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from reconciler.store.marks import control_of
from reconciler.store.url import parse_database
from tests.conftest import Db, new_postgres_database
from tests.runtime.servers import world_with_data
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
