"""A revision never changes, and a schema that is not what its revision makes is reported, repaired, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, event

from reconciler.runtime.ledger.schema import REVISION, statements
from reconciler.store.connect import writing
from reconciler.store.migrations import migrate
from reconciler.store.schema import REVISIONS, upgrade
from tests.conftest import Db, new_postgres_database
from tests.store import facts
from tests.store.support import cli_on, database_of, set_up

DIGESTS = {
    "sqlite": {
        "0001": "8705a2440f27d108",
        "0002": "37cd8a9db91fa59d",
        "0003": "fc596014c3f181bc",
        "0004": "a092a2a07c558bc3",
        "0005": "664f8462d0532b4f",
        "0006": "32728c9f8cbbb069",
        "0007": "bfc3ec9696304cd6",
        "0008": "e8ddeecf8d9dc463",
        "0009": "e70796ca8a97bd37",
        "0010": "e71cb190df5410b2",
        "0011": "05a556f0a65e014e",
        "0012": "3ffad7849ae887bf",
    },
    "postgresql": {
        "0001": "00c384e6d792ebf6",
        "0002": "413ae47fd0b5d6cd",
        "0003": "507d4ab790de01bd",
        "0004": "4675043aca765129",
        "0005": "1607d9f48f57113b",
        "0006": "15e3410b03fdfba5",
        "0007": "d41d57861361db44",
        "0008": "a469a8620b207960",
        "0009": "9cb3974d784a8c72",
        "0010": "742f5326aff0fb7b",
        "0011": "6c7fb0fe5be0c3b8",
        "0012": "2587136ea1b09006",
    },
}
"""Of the statements of each revision. Databases were made by them: add a revision, change none."""
STORE_DIGESTS = {
    "sqlite": {
        1: "6881ff7dedd16004",
        2: "f51f43ac552889c1",
        3: "a86f4e455a29b9de",
        4: "64b7ae59aa9b75ba",
        5: "5dba3e54958f04fd",
        6: "2222100ace09a3ef",
        7: "b3b3b3da540b7f9e",
        8: "218112eaebaa6b4d",
        9: "c51ef82caa418706",
    },
    "postgresql": {
        1: "1fb5c25d765aa249",
        2: "debd4def8a71f602",
        3: "d0da7472a6ef067c",
        4: "a09e673f28450ab2",
        5: "893dcf6ebebe4c58",
        6: "a2ac5c2b6ec80677",
        7: "a41149f8e5402bd0",
        8: "f8d4f994a8ebc05e",
        9: "500a3ea2e06a9ce6",
    },
}


def digest_of(statements: list[str]) -> str:
    return sha256("\0".join(statements).encode()).hexdigest()[:16]


@contextmanager
def recorded(connection: Connection) -> Iterator[list[str]]:
    found: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(connection, "before_cursor_execute", record)
    try:
        yield found
    finally:
        event.remove(connection, "before_cursor_execute", record)


def test_no_revision_was_changed(db: Db) -> None:
    found = {}
    for before, revision in zip((None, *REVISIONS), REVISIONS, strict=False):
        with writing(database_of(db), 10, create=True) as connection, connection.begin(), recorded(connection) as seen:
            migrate(connection, before, revision)
        found[revision] = digest_of(seen)
    assert found == DIGESTS["sqlite" if db.is_sqlite else "postgresql"]


@pytest.mark.parametrize("dialect", STORE_DIGESTS)
def test_no_revision_of_the_runtimes_store_was_changed(dialect: str) -> None:
    found = {version: digest_of(statements(dialect, version - 1, version)) for version in range(1, REVISION + 1)}
    assert found == STORE_DIGESTS[dialect]


def test_facts_are_what_migrations_make(db: Db, postgres_server: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db" if db.is_sqlite else new_postgres_database(postgres_server)
    own, store = facts.FILES["sqlite" if db.is_sqlite else "postgresql"]
    how = "run `python -m tests.store.facts`"
    assert facts.text_of(facts.of_the_database(db.url)) == own.read_text(), how
    assert facts.text_of(facts.of_the_runtimes_store(other)) == store.read_text(), how


REPAIRED = {
    "an index": ("DROP INDEX changes_by_address", "the index changes_by_address on changes"),
    "what 0003 was given later": ("ALTER TABLE changes DROP COLUMN sources", "the column changes.sources"),
    "what 0007 was given later": ("ALTER TABLE applied DROP COLUMN mac", "the column applied.mac"),
}
REPAIRED_ON = {
    True: {"a trigger": ("DROP TRIGGER audit_update", "the trigger audit_update on audit")},
    False: {
        "a trigger": ("DROP TRIGGER audit_keep ON audit", "the trigger audit_keep on audit"),
        "a function": ("DROP FUNCTION reconciler_bury() CASCADE", "the function reconciler_bury, the trigger resources_bury on resources"),
    },
}  # fmt: skip
REFUSED = {
    "a column": ("ALTER TABLE projects DROP COLUMN locked_by", "the column projects.locked_by is missing"),
    "a table": ("DROP TABLE fingerprints", "the table fingerprints is missing"),
}
REFUSED_ON = {
    True: {
        "another trigger": (
            "DROP TRIGGER audit_update; CREATE TRIGGER audit_update BEFORE UPDATE ON audit WHEN 0 BEGIN SELECT 1; END",
            "the trigger audit_update on audit is `CREATE TRIGGER audit_update BEFORE UPDATE ON audit WHEN 0",
        ),
        "no check": (
            "DROP TABLE mask_key; CREATE TABLE mask_key (one INTEGER PRIMARY KEY, key TEXT NOT NULL)",
            "the constraint CHECK (one = 1) of mask_key is missing",
        ),
    },
    False: {
        "a trigger that is off": (
            "ALTER TABLE resources DISABLE TRIGGER resources_stamp",
            "ALTER TABLE resources ENABLE TRIGGER resources_stamp",
        ),
        "a type": ("ALTER TABLE applied ALTER generation TYPE integer", "is `integer NOT NULL`, expected `bigint NOT NULL`"),
        "a null": ("ALTER TABLE applied ALTER uid DROP NOT NULL", "is `text`, expected `text NOT NULL`"),
        "a default": ("ALTER TABLE resources ALTER uid DROP DEFAULT", "expected `text NOT NULL DEFAULT (gen_random_uuid())::text`"),
        "a constraint": ("ALTER TABLE resources DROP CONSTRAINT resources_tenant_uid_key", "UNIQUE (tenant, uid) of resources is missing"),
        "a function": (
            "CREATE OR REPLACE FUNCTION reconciler_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "replace it: CREATE OR REPLACE FUNCTION reconciler_refuse()",
        ),
        "an unlogged table": ("ALTER TABLE fingerprints SET UNLOGGED", "is `UNLOGGED TABLE`, expected `TABLE`"),
        "rows that are hidden": ("ALTER TABLE resources ENABLE ROW LEVEL SECURITY", "is `TABLE, ENABLE ROW LEVEL SECURITY`"),
    },
}  # fmt: skip


def run_all(db: Db, statements: str) -> None:
    parts = [statements] if "BEGIN" not in statements and not db.is_sqlite else statements.split("; CREATE")
    for number, part in enumerate(parts):
        db.sql(f"CREATE{part}" if number else part)


def cases(common: dict[str, tuple[str, str]], own: dict[bool, dict[str, tuple[str, str]]], db: Db) -> dict[str, tuple[str, str]]:  # fmt: skip
    return {**common, **own[db.is_sqlite]}


@pytest.mark.parametrize("name", dict.fromkeys([*REPAIRED, *REPAIRED_ON[True], *REPAIRED_ON[False]]))
def test_what_holds_no_data_is_made_again(db: Db, folder: Path, name: str) -> None:
    chosen = cases(REPAIRED, REPAIRED_ON, db)
    if name not in chosen:
        pytest.skip("SQLite has no functions of its own")
    statement, expected = chosen[name]
    run = cli_on(db.url, folder)
    run("db", "upgrade").ok()
    run_all(db, statement)
    status = run("db", "status").ok().out
    assert "Differs:  " in status
    assert expected.partition(", ")[0] in status
    assert f"made again {expected}." in run("db", "upgrade").ok().out
    assert "Differs" not in run("db", "status").ok().out
    entry = json.loads(db.sql("SELECT body FROM audit ORDER BY seq DESC")[0][0])
    assert (entry["event"], entry["actor"], entry["repaired"]) == ("db-upgrade", "tester", expected.split(", "))
    assert "The audit trail holds: 2 entries" in run("audit", "verify").ok().out


@pytest.mark.parametrize("name", dict.fromkeys([*REFUSED, *REFUSED_ON[True], *REFUSED_ON[False]]))
def test_what_else_differs_is_named_and_nothing_is_changed(db: Db, folder: Path, name: str) -> None:
    chosen = cases(REFUSED, REFUSED_ON, db)
    if name not in chosen:
        pytest.skip("a statement of the other database")
    statement, expected = chosen[name]
    run = cli_on(db.url, folder)
    run("db", "upgrade").ok()
    run_all(db, statement)
    run_all(db, "DROP INDEX applied_by_address")  # could be made again, and isn't: all or nothing
    assert expected in run("db", "status").ok().out
    assert len(run("db", "status", "--format", "json").ok().json["differences"]) == 2
    refused = run("db", "upgrade").ok(6)
    assert "[schema-differs]" in refused.err
    assert expected in refused.err
    assert "nothing was changed" in refused.err
    assert len(run("db", "status", "--format", "json").ok().json["differences"]) == 2


def test_an_old_schema_is_held_to_its_own_revision(db: Db, folder: Path) -> None:
    set_up(db, "0003")
    db.sql("ALTER TABLE applied DROP COLUMN source")
    run = cli_on(db.url, folder)
    assert "the column applied.source is missing" in run("db", "status").ok().out
    assert "the column applied.source is missing (revision 0003)" in run("db", "upgrade").ok(6).err
    assert db.sql("SELECT version_num FROM reconciler_schema") == [("0003",)]


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE changes DROP COLUMN sources", "ALTER TABLE applied DROP COLUMN mac"]
)
def test_a_command_on_a_damaged_schema_says_what_to_run(db: Db, folder: Path, statement: str) -> None:
    run = cli_on(db.url, folder)
    (folder / "acme.yaml").write_text(
        '{"version": 1, "tenant": "acme", "limits": {"one": {"target": "tenant", "concurrent": 1}}}'
    )
    run("apply", "--auto-approve").ok()
    db.sql(statement)
    (folder / "acme.yaml").write_text(
        '{"version": 1, "tenant": "acme", "limits": {"one": {"target": "tenant", "concurrent": 2}}}'
    )
    for arguments in (["apply", "--auto-approve"], *([["history", "1"]] if "changes" in statement else ())):
        failed = run(*arguments).ok(1)
        assert "a table or a column of reconciler's schema is missing" in failed.err
        assert "`reconciler db status` names it; `reconciler db upgrade` adds what it can" in failed.err
    run("db", "upgrade").ok()
    run("apply", "--auto-approve").ok()
    run("history", "2").ok()


def test_what_is_not_ours(db: Db, folder: Path) -> None:
    """Tables and plain indexes are somebody's own; what changes how we write is reported."""
    run = cli_on(db.url, folder)
    run("db", "upgrade").ok()
    for statement in (
        "CREATE TABLE theirs (x INTEGER PRIMARY KEY)",
        "CREATE INDEX theirs_by_x ON theirs (x)",
        "CREATE INDEX resources_by_name ON resources (name)",
    ):
        db.sql(statement)
    assert "Differs" not in run("db", "status").ok().out
    db.sql("CREATE UNIQUE INDEX one_name ON resources (name)")
    db.sql("ALTER TABLE applied ADD COLUMN note TEXT")
    status = run("db", "status").ok().out
    assert "the index one_name on resources is not part of this revision" in status
    assert "the column applied.note is not part of this revision" in status
    assert "the column applied.note" in run("db", "upgrade").ok().out


def test_another_schema_and_another_role(postgres_server: str, folder: Path) -> None:
    """Names of schemas and roles are no part of what is compared; a reader needs no right but to read."""
    db = Db(new_postgres_database(postgres_server))
    role = f"r{db.url.partition('?')[0].rpartition('/')[2]}"
    db.sql("CREATE SCHEMA ours")
    db.sql(f"CREATE ROLE {role} LOGIN")
    db.sql(f"GRANT USAGE ON SCHEMA ours TO {role}")
    own = db.url + "&options=-csearch_path%3Dours"
    run = cli_on(own, folder)
    run("db", "upgrade").ok()
    with psycopg.connect(db.url) as connection:
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA ours TO {role}")
    assert "Differs" not in run("db", "status").ok().out
    head, _, rest = own.partition("//")
    reader = cli_on(f"{head}//{role}@{rest.partition('@')[2]}", folder)
    assert "Differs" not in reader("db", "status").ok().out
    with psycopg.connect(db.url) as connection:
        connection.execute("DROP INDEX ours.changes_by_address")
    assert "the index changes_by_address on changes is missing" in reader("db", "status").ok().out


def test_a_set_up_that_an_apply_makes_is_no_upgrade(db: Db) -> None:
    upgrade(database_of(db), 10, only_empty=True)
    assert db.sql("SELECT count(*) FROM audit") == [(0,)]


def test_an_upgrade_is_in_the_audit_trail_once(db: Db, folder: Path) -> None:
    set_up(db, "0004")
    run = cli_on(db.url, folder)
    run("db", "upgrade").ok()
    run("db", "upgrade").ok()
    entries = [json.loads(body) for (body,) in db.sql("SELECT body FROM audit ORDER BY seq")]
    assert [(one["event"], one["actor"], one["before"], one["after"], one["repaired"]) for one in entries] == [
        ("db-upgrade", "tester", "0004", REVISIONS[-1], [])
    ]
