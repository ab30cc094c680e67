"""Rows that somebody changes by plain SQL: seen, whatever is bypassed; and rows that are nobody's, left alone."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import Db
from tests.store.support import Cli, cli_on

ADDRESS = "acme/limit/one"


def manifest(**bodies: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "tenant": "acme", "limits": bodies})


def limit(requests: int = 1) -> dict[str, Any]:
    return {"target": "tenant", "per": "day", "requests": requests}


@pytest.fixture
def run(db: Db, folder: Path) -> Cli:
    (folder / "acme.yaml").write_text(manifest(one=limit(), two=limit()))
    call = cli_on(db.url, folder)
    call("apply", "--auto-approve").ok()
    return call


def behind_the_triggers(db: Db, statement: str) -> None:
    """As a restore or a replica does it: nothing stamps the row."""
    if db.is_sqlite:
        connection = sqlite3.connect(db.path)
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()
        connection.close()
        return
    with psycopg.connect(db.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement)


def change(plan: Any, address: str = ADDRESS) -> Any:
    return next(change for change in plan["resource_changes"] if change["address"] == address)


SET = {
    True: "UPDATE resources SET spec = json_set(spec, '$.requests', 99) WHERE name = 'one'",
    False: "UPDATE resources SET spec = jsonb_set(spec, '{requests}', '99') WHERE name = 'one'",
}


@pytest.mark.parametrize("bypassed", [False, True])
def test_a_changed_spec_is_seen(db: Db, run: Cli, bypassed: bool) -> None:
    before = db.sql("SELECT row_version, digest, digest_of FROM resources WHERE name = 'one'")
    if bypassed:
        behind_the_triggers(db, SET[db.is_sqlite])
        assert db.sql("SELECT row_version, digest, digest_of FROM resources WHERE name = 'one'") == before
    else:
        db.sql(SET[db.is_sqlite])
    plan = run("plan", "--format", "json").ok().json
    assert [c["address"] for c in plan["resource_changes"]] == [ADDRESS]
    assert change(plan)["cause"] == "outside"
    assert change(plan)["change"]["before"]["requests"] == 99
    assert [d["address"] for d in plan["resource_drift"]] == [ADDRESS]
    if not bypassed:
        assert plan["resource_drift"][0]["by"] == ("unknown" if db.is_sqlite else "postgres")
    refused = run("apply", "--auto-approve").ok(6)
    assert "nobody has seen that this would be overwritten" in refused.err
    assert db.rows()[ADDRESS]["requests"] == 99
    run("apply", "--auto-approve", "--overwrite-outside").ok()
    assert db.rows()[ADDRESS]["requests"] == 1
    assert "No changes." in run("plan").ok().out


def test_a_saved_plan_is_stale_when_the_triggers_were_bypassed(db: Db, run: Cli, folder: Path) -> None:
    """The row_version is as planned; the body is not."""
    (folder / "acme.yaml").write_text(manifest(one=limit(5), two=limit()))
    run("plan", "--out", "saved.plan").ok()
    behind_the_triggers(db, SET[db.is_sqlite])
    assert f"{ADDRESS} is no longer as it was" in run("apply", "saved.plan", "--auto-approve").ok(4).err
    assert db.rows()[ADDRESS]["requests"] == 99


def test_the_same_body_written_another_way_is_no_change(db: Db, run: Cli) -> None:
    spaced = json.dumps(dict(reversed(db.rows()[ADDRESS].items())), indent=2)
    db.sql("UPDATE resources SET spec = ? WHERE name = 'one'", [spaced])
    assert "No changes." in run("plan").ok().out


def test_a_row_deleted_by_hand(db: Db, run: Cli) -> None:
    db.sql("DELETE FROM resources WHERE name = 'one'")
    plan = run("plan", "--format", "json").ok().json
    assert change(plan)["action"] == "create"
    assert plan["resource_drift"][0]["by"] == ("unknown" if db.is_sqlite else "postgres")
    run("apply", "--auto-approve", "--overwrite-outside").ok()


def test_a_row_deleted_behind_the_triggers(db: Db, run: Cli) -> None:
    behind_the_triggers(db, "DELETE FROM resources WHERE name = 'one'")
    plan = run("plan", "--format", "json").ok().json
    assert change(plan)["action"] == "create"
    assert plan["resource_drift"][0]["by"] == "unknown"


def test_a_row_deleted_and_made_again_is_not_ours(db: Db, run: Cli) -> None:
    """The address alone proves nothing: another uid is another resource."""
    db.sql("DELETE FROM resources WHERE name = 'one'")
    db.sql(
        "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'limit', 'one', ?)", [json.dumps(limit(7))]
    )
    assert "no project owns it" in run("plan").ok(6).err
    assert db.rows()[ADDRESS]["requests"] == 7


def test_a_row_renamed_by_hand(db: Db, run: Cli, folder: Path) -> None:
    db.sql("UPDATE resources SET name = 'renamed' WHERE name = 'one'")
    plan = run("plan", "--format", "json").ok().json
    assert [(c["address"], c["action"]) for c in plan["resource_changes"]] == [(ADDRESS, "create")]
    run("apply", "--auto-approve", "--overwrite-outside").ok()
    assert set(db.rows()) == {ADDRESS, "acme/limit/two", "acme/limit/renamed"}


def test_nobodys_rows_are_left_alone(db: Db, run: Cli, folder: Path) -> None:
    """Also a clone of a row of ours, with every column that says whose it is."""
    for tenant, name in (("acme", "theirs"), ("other", "theirs")):
        body = json.dumps(limit(3))
        db.sql("INSERT INTO resources (tenant, kind, name, spec) VALUES (?, 'limit', ?, ?)", [tenant, name, body])
    db.sql(
        "INSERT INTO resources (tenant, kind, name, spec, spec_version, project, digest, digest_of, created_by) SELECT "
        "tenant, kind, 'clone', spec, spec_version, project, digest, digest_of, created_by FROM resources WHERE name = 'one'"
    )
    before = db.sql("SELECT * FROM resources WHERE name IN ('theirs', 'clone') ORDER BY tenant, name")
    assert "No changes." in run("plan").ok().out
    (folder / "acme.yaml").write_text(manifest(two=limit(2)))
    done = run("apply", "--auto-approve").ok()
    assert "0 added, 1 changed, 1 destroyed" in done.out
    (folder / "acme.yaml").write_text(manifest())
    run("apply", "--auto-approve", "--allow-empty").ok()
    assert db.sql("SELECT * FROM resources ORDER BY tenant, name") == before


def test_an_address_that_somebody_else_has_is_a_conflict(db: Db, run: Cli, folder: Path) -> None:
    db.sql(
        "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'limit', 'new', ?)", [json.dumps(limit(3))]
    )
    (folder / "acme.yaml").write_text(manifest(one=limit(), two=limit(), new=limit(4)))
    refused = run("apply", "--auto-approve").ok(6)
    assert "adopt" in refused.err
    assert db.rows()["acme/limit/new"]["requests"] == 3


def test_a_claim_to_a_row_that_is_gone_hides_no_owner(db: Db, folder: Path) -> None:
    """`first` owned it until somebody deleted it; now `second` has one of that name, and `third` can't just take it."""
    path = folder / "acme.yaml"
    path.write_text(manifest(one=limit()))
    for project in ("zz-first", "second"):
        cli_on(db.url, folder, project)("apply", "--auto-approve").ok()
        if project == "zz-first":
            db.sql("DELETE FROM resources")
    path.write_text(json.dumps({**json.loads(manifest(one=limit())), "adopt": ["limit/one"]}))
    refused = cli_on(db.url, folder, "third")("apply", "--auto-approve").ok(6)
    assert "belongs to the project 'second'" in refused.err


def test_what_is_kept_must_not_refer_to_what_goes(db: Db, folder: Path) -> None:
    """Letting go of a datasource while its connector is deleted would leave it dangling."""
    run = cli_on(db.url, folder)
    connector = {"type": "sql", "dialect": "postgresql", "dsn": "vault://kv/acme/w#dsn"}
    datasource = {"type": "database", "connector": "warehouse", "tables": ["public.orders"]}
    document = {"version": 1, "tenant": "acme", "limits": {"one": limit()}}
    (folder / "acme.yaml").write_text(
        json.dumps({**document, "connectors": {"warehouse": connector}, "datasources": {"sales": datasource}})
    )
    run("apply", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(
        json.dumps({**document, "removed": [{"from": "datasource/sales", "destroy": False}]})
    )
    refused = run("apply", "--auto-approve")
    assert refused.code == 6, refused.text
    assert "acme/datasource/sales" in refused.err
    assert "refers to acme/connector/warehouse" in refused.err
    assert set(db.rows()) == {ADDRESS, "acme/connector/warehouse", "acme/datasource/sales"}


ODD = ["null", '"text"', "[]", "true", "12", "{}", '{"target": 5}', "[" * 500 + "]" * 500, '{"requests": 1e300}']


@pytest.mark.parametrize("spec", ODD)
def test_whatever_somebody_writes_is_a_change_and_no_crash(db: Db, run: Cli, spec: str) -> None:
    db.sql("UPDATE resources SET spec = ? WHERE name = 'one'", [spec])
    assert change(run("plan", "--format", "json").ok().json)["action"] in {"update", "replace"}
    run("list").ok()
    run("apply", "--auto-approve", "--overwrite-outside").ok()
    assert db.rows()[ADDRESS]["requests"] == 1


def test_sqlite_keeps_bytes_as_bytes(run: Cli, db: Db) -> None:
    """A BLOB in a text column, with the very body that we wrote: no change, and no crash."""
    if not db.is_sqlite:
        with pytest.raises(psycopg.errors.DatatypeMismatch):
            db.sql("UPDATE resources SET spec = '\\x7b7d'::bytea")
        return
    db.sql("UPDATE resources SET spec = CAST(spec AS BLOB)")
    assert "No changes." in run("plan").ok().out


def test_a_damaged_note_of_what_was_written_by_whom(run: Cli, db: Db, folder: Path) -> None:
    for damage in ("x", "null", "[1]", "{}"):
        db.sql("UPDATE applied SET explicit = ?", [damage])
        assert "No changes." in run("plan").ok().out
    (folder / "acme.yaml").write_text(manifest(one=limit(2), two=limit()))
    run("apply", "--auto-approve").ok()


class TestStatus:
    """Spec is ours; status is not."""

    @pytest.fixture
    def suspended(self, db: Db, folder: Path) -> Cli:
        self.write(folder)
        run = cli_on(db.url, folder)
        run("apply", "--auto-approve").ok()
        db.sql(
            "INSERT INTO statuses (tenant, uid, suspended_by, suspended_reason, error) "
            "SELECT tenant, uid, 'olga', 'abuse', '401' FROM resources WHERE kind = 'integration'"
        )
        return run

    def write(self, folder: Path, **changes: Any) -> None:
        body = {"provider": "openai", "credential": "vault://kv/acme/openai#api_key", **changes}
        (folder / "acme.yaml").write_text(json.dumps({"version": 1, "tenant": "acme", "integrations": {"llm": body}}))

    def statuses(self, db: Db) -> list[tuple[Any, ...]]:
        return db.sql(
            "SELECT s.suspended_by, s.error FROM resources r LEFT JOIN statuses s ON (s.tenant, s.uid) = (r.tenant, r.uid)"
        )

    def test_another_field_touches_no_status(self, db: Db, suspended: Cli, folder: Path) -> None:
        self.write(folder, labels={"team": "x"}, enabled=False)
        suspended("apply", "--auto-approve").ok()
        assert self.statuses(db) == [("olga", "401")]

    @pytest.mark.parametrize(
        "changes", [{"credential": "vault://kv/acme/new#api_key"}, {"config": {"organization": "org-1"}}]
    )
    def test_a_changed_credential_clears_the_error_only(
        self, db: Db, suspended: Cli, folder: Path, changes: dict[str, Any]
    ) -> None:
        self.write(folder, **changes)
        suspended("apply", "--auto-approve").ok()
        assert self.statuses(db) == [("olga", None)]

    def test_another_provider_is_another_thing(self, db: Db, suspended: Cli, folder: Path) -> None:
        uid = db.sql("SELECT uid FROM resources")
        self.write(folder, provider="anthropic")
        suspended("apply", "--auto-approve").ok()
        assert db.sql("SELECT uid FROM resources") != uid
        assert self.statuses(db) == [(None, None)]

    def test_a_rename_keeps_the_status(self, db: Db, suspended: Cli, folder: Path) -> None:
        uid = db.sql("SELECT uid FROM resources")
        text = (folder / "acme.yaml").read_text().replace('"llm"', '"renamed"')
        moved = {**json.loads(text), "moved": [{"from": "integration/llm", "to": "integration/renamed"}]}
        (folder / "acme.yaml").write_text(json.dumps(moved))
        suspended("apply", "--auto-approve").ok()
        assert db.sql("SELECT uid FROM resources") == uid
        assert self.statuses(db) == [("olga", "401")]

    def test_deleted_and_created_again_has_none(self, db: Db, suspended: Cli, folder: Path) -> None:
        text = (folder / "acme.yaml").read_text()
        (folder / "acme.yaml").write_text('{"version": 1, "tenant": "acme", "integrations": {}}')
        suspended("apply", "--auto-approve", "--allow-empty").ok()
        (folder / "acme.yaml").write_text(text)
        suspended("apply", "--auto-approve").ok()
        assert self.statuses(db) == [(None, None)]
