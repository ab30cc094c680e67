"""Things that happen to platform teams, told from the command line, on both databases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.conftest import BASE, ROOT, Db, Run


def test_two_pull_requests_from_one_base_are_merged_one_after_the_other(
    run: Run, base: Path, folder: Path, db: Db
) -> None:
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200"))
    run("plan", ".", "--out", "one.plan").ok()
    base.write_text(BASE.replace("[public.orders]", "[public.orders, public.customers]"))
    run("plan", ".", "--out", "two.plan").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 300"))
    run("plan", ".", "--out", "clash.plan").ok()

    run("apply", "one.plan", "--auto-approve").ok()
    run("apply", "two.plan", "--auto-approve").ok()  # another row: an unrelated edit does not make it stale
    clash = run("apply", "clash.plan", "--auto-approve").ok(4)
    assert "acme/limit/month is no longer as it was" in clash.err
    again = run("apply", "one.plan", "--auto-approve").ok(0)  # applied already: nothing to do
    assert "0 added, 0 changed, 0 destroyed" in again.out
    rows = db.rows()
    assert rows["acme/limit/month"]["cost_usd"] == "200"
    assert rows["acme/datasource/sales"]["tables"] == ["public.customers", "public.orders"]
    assert db.sql("SELECT max(number) FROM generations") == [(3,)]


def test_a_row_fixed_by_hand_at_night_then_an_unattended_apply(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    db.set_field("acme/connector/warehouse", "max_rows", 50)
    shown = run("plan", ".").ok()
    assert "acme/connector/warehouse will be updated in-place" in shown.out
    assert "max_rows = 50 -> 1000  # changed outside" in shown.out
    assert "changed outside by" in shown.out
    plan = run("plan", ".", "--format", "json").ok().json
    assert [f["cause"] for f in plan["resource_changes"][0]["fields"]] == ["outside"]
    assert plan["resource_drift"][0]["address"] == "acme/connector/warehouse"

    refused = run("apply", ".", "--auto-approve").ok(6)
    assert "acme/connector/warehouse" in refused.err
    assert "--overwrite-outside" in refused.err
    assert db.rows()["acme/connector/warehouse"]["max_rows"] == 50
    # somebody reviews a saved plan that shows it
    run("plan", ".", "--out", "seen.plan").ok()
    run("apply", "seen.plan", "--auto-approve").ok()
    assert db.rows()["acme/connector/warehouse"]["max_rows"] == 1000


def test_the_same_fix_goes_into_git_and_is_accepted(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    db.set_field("acme/limit/month", "cost_usd", "500")
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 500"))
    assert "acme/limit/month will be adopted" in run("plan", ".").ok().out
    run("apply", ".", "--auto-approve").ok()
    run("plan", ".", "--detailed-exitcode").ok(0)


def test_an_unattended_apply_overwrites_when_the_project_says_so(run: Run, base: Path, folder: Path, db: Db) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nguards: {outside: overwrite}\n")
    run("apply", "--auto-approve").ok()
    db.set_field("acme/connector/warehouse", "max_rows", 50)
    run("apply", "--auto-approve").ok()
    assert db.rows()["acme/connector/warehouse"]["max_rows"] == 1000


def test_a_connector_is_renamed_under_five_datasources(run: Run, folder: Path, db: Db) -> None:
    def manifest(name: str, moved: str) -> str:
        sources = "\n".join(f"  d{i}: {{type: database, connector: {name}, tables: [t{i}]}}" for i in range(5))
        return f"version: 1\ntenant: acme\n{moved}connectors:\n  {name}: {{type: sql, dialect: sqlite, database: x.db}}\ndatasources:\n{sources}\n"

    (folder / "a.yaml").write_text(manifest("old", ""))
    run("apply", ".", "--auto-approve").ok()
    uid = db.sql("SELECT uid FROM resources WHERE kind = 'connector'")
    (folder / "a.yaml").write_text(manifest("new", "moved: [{from: connector/old, to: connector/new}]\n"))
    shown = run("plan", ".").ok()
    assert "acme/connector/old has moved to acme/connector/new" in shown.out
    assert "Plan: 0 to add, 5 to change, 0 to destroy." in shown.out
    run("apply", ".", "--auto-approve").ok()
    assert db.sql("SELECT name, uid FROM resources WHERE kind = 'connector'") == [("new", uid[0][0])]
    run("plan", ".", "--detailed-exitcode").ok(0)  # the entry may stay in git


def test_names_are_swapped_and_stay_swapped(run: Run, folder: Path, db: Db) -> None:
    text = "version: 1\ntenant: acme\nconnectors:\n  a: {type: sql, dialect: sqlite, database: %s}\n  b: {type: sql, dialect: sqlite, database: %s}\n"
    (folder / "a.yaml").write_text(text % ("one.db", "two.db"))
    run("apply", ".", "--auto-approve").ok()
    before = dict(db.sql("SELECT name, uid FROM resources"))
    moved = "moved: [{from: connector/a, to: connector/b}, {from: connector/b, to: connector/a}]\n"
    (folder / "a.yaml").write_text(text % ("two.db", "one.db") + moved)
    run("apply", ".", "--auto-approve").ok()
    assert dict(db.sql("SELECT name, uid FROM resources")) == {"a": before["b"], "b": before["a"]}
    run("plan", ".", "--detailed-exitcode").ok(0)


def test_a_tenant_is_removed(run: Run, base: Path, folder: Path, db: Db) -> None:
    other = folder / "globex.yaml"
    other.write_text(BASE.replace("acme", "globex"))
    run("apply", ".", "--auto-approve").ok()
    other.unlink()
    assert "an apply would be refused" in run("plan", ".").ok().out
    refused = run("apply", ".", "--auto-approve").ok(6)
    assert "globex" in refused.err
    assert "--allow-empty" in refused.err
    assert len(db.rows()) == 6
    done = run("apply", ".", "--auto-approve", "--allow-empty").ok()
    assert "0 added, 0 changed, 3 destroyed" in done.out
    assert {address.split("/")[0] for address in db.rows()} == {"acme"}


def test_a_resource_moves_from_one_project_to_another(run: Run, folder: Path, db: Db) -> None:
    first, second = folder / "first", folder / "second"
    for place in (first, second):
        place.mkdir()
    one = "version: 1\ntenant: acme\nconnectors:\n  mine: {type: sql, dialect: sqlite, database: a.db}\n"
    shared = "  shared: {type: sql, dialect: sqlite, database: b.db}\n"
    (first / "a.yaml").write_text(one + shared)
    own = {"RECONCILER_PROJECT": "first"}
    other = {"RECONCILER_PROJECT": "second"}
    run("apply", "first", "--auto-approve", env=own).ok()
    uid = db.sql("SELECT uid FROM resources WHERE name = 'shared'")

    wanted = "version: 1\ntenant: acme\nconnectors:\n" + shared
    (second / "b.yaml").write_text(wanted)
    conflict = run("plan", "second", env=other).ok(6)
    assert "belongs to the project 'first'" in conflict.err
    assert "from_project: first" in conflict.err
    (second / "b.yaml").write_text(wanted + "adopt: [{address: connector/shared, from_project: first}]\n")
    assert "acme/connector/shared will be adopted" in run("plan", "second", env=other).ok().out
    run("apply", "second", "--auto-approve", env=other).ok()
    run("plan", "second", "--detailed-exitcode", env=other).ok(0)

    conflict = run("plan", "first", env=own).ok(6)  # the old declaration must go
    assert "belongs to the project 'second'" in conflict.err
    (first / "a.yaml").write_text(one)
    run("plan", "first", "--detailed-exitcode", env=own).ok(0)  # and nothing is deleted on the way
    assert db.sql("SELECT uid, project FROM resources WHERE name = 'shared'") == [(uid[0][0], "second")]


def test_let_go_of_a_resource_then_adopt_it_again(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    without = BASE.partition("limits:")[0]
    base.write_text(without + "removed: [{from: limit/month, destroy: false}]\n")
    assert "acme/limit/month will no longer be managed, and will not be destroyed" in run("plan", ".").ok().out
    run("apply", ".", "--auto-approve").ok()
    assert "acme/limit/month" in db.rows()
    run("plan", ".", "--detailed-exitcode").ok(0)
    base.write_text(BASE)
    assert "no project owns it" in run("plan", ".").ok(6).err
    base.write_text(BASE + "adopt: [limit/month]\n")
    run("apply", ".", "--auto-approve").ok()
    run("plan", ".", "--detailed-exitcode").ok(0)


def test_one_plan_deletes_what_another_starts_to_use(run: Run, base: Path, folder: Path, db: Db) -> None:
    spare = "  spare: {type: sql, dialect: sqlite, database: spare.db}\n"
    with_spare = BASE.replace("datasources:", spare + "datasources:")
    base.write_text(with_spare)
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE)
    run("plan", ".", "--out", "delete.plan").ok()
    base.write_text(with_spare.replace("limits:", "  more: {type: database, connector: spare, tables: [t]}\nlimits:"))
    run("plan", ".", "--out", "use.plan").ok()

    run("apply", "use.plan", "--auto-approve").ok()
    stale = run("apply", "delete.plan", "--auto-approve").ok(4)
    assert "acme/datasource/more refers to acme/connector/spare" in stale.err
    assert "acme/connector/spare" in db.rows()


def test_one_plan_uses_what_another_has_deleted(run: Run, base: Path, folder: Path, db: Db) -> None:
    spare = "  spare: {type: sql, dialect: sqlite, database: spare.db}\n"
    with_spare = BASE.replace("datasources:", spare + "datasources:")
    base.write_text(with_spare)
    run("apply", ".", "--auto-approve").ok()
    base.write_text(with_spare.replace("limits:", "  more: {type: database, connector: spare, tables: [t]}\nlimits:"))
    run("plan", ".", "--out", "use.plan").ok()
    base.write_text(BASE)
    run("apply", ".", "--auto-approve").ok()
    stale = run("apply", "use.plan", "--auto-approve").ok(4)
    assert "acme/datasource/more refers to acme/connector/spare, which is not live" in stale.err
    assert "acme/datasource/more" not in db.rows()


def test_another_project_depends_on_what_is_deleted(run: Run, folder: Path, db: Db) -> None:
    first, second = folder / "first", folder / "second"
    first.mkdir()
    second.mkdir()
    connector = "version: 1\ntenant: acme\nconnectors:\n  wh: {type: sql, dialect: sqlite, database: a.db}\n"
    rest = "  other: {type: sql, dialect: sqlite, database: b.db}\n"
    (first / "a.yaml").write_text(connector + rest)
    user = "version: 1\ntenant: acme\nexternal: [connector/wh]\ndatasources:\n  d: {type: database, connector: wh, tables: [t]}\n"
    (second / "b.yaml").write_text(user)
    own, other = {"RECONCILER_PROJECT": "first"}, {"RECONCILER_PROJECT": "second"}
    missing = run("apply", "second", "--auto-approve", env=other).ok(6)
    assert "acme/connector/wh, which is declared external and is not live" in missing.err
    run("apply", "first", "--auto-approve", env=own).ok()
    run("apply", "second", "--auto-approve", env=other).ok()
    (first / "a.yaml").write_text(connector.partition("  wh")[0] + rest)
    refused = run("apply", "first", "--auto-approve", env=own).ok(6)
    assert "of the project 'second', refers to acme/connector/wh" in refused.err
    assert "acme/connector/wh" in db.rows()


def test_a_new_tool_version_with_a_changed_default(run: Run, base: Path, db: Db) -> None:
    """The older tool's default of max_rows was 500: in what is live and in what was applied, and nobody wrote it."""
    run("apply", ".", "--auto-approve").ok()
    where = "WHERE tenant = 'acme' AND kind = 'connector'"
    db.set_field("acme/connector/warehouse", "max_rows", 500)
    (spec,) = db.sql(f"SELECT {'spec' if db.is_sqlite else 'spec::text'} FROM resources {where}")[0]
    db.sql(f"UPDATE applied SET spec = ?, digest = 'as-the-older-tool-wrote-it' {where}", [spec])
    plan = run("plan", ".", "--format", "json").ok().json
    assert [(f["field"], f["cause"]) for f in plan["resource_changes"][0]["fields"]] == [("max_rows", "tool")]
    assert "the tool's default changed" in run("plan", ".").ok().out
    run("apply", ".", "--auto-approve").ok()  # nobody's outside change is overwritten
    run("plan", ".", "--detailed-exitcode").ok(0)


def test_yesterdays_backup_under_todays_plan(run: Run, base: Path, folder: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    if db.is_sqlite:
        run("db", "backup", "yesterday.db").ok()
    else:
        _copy_database(db, db.url, "yesterday")
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200"))
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 300"))
    run("plan", ".", "--out", "today.plan").ok()
    if db.is_sqlite:
        for leftover in db.path.parent.glob("state.db*"):
            leftover.unlink()
        shutil.copy(folder / "yesterday.db", db.path)
    else:
        _copy_database(db, "yesterday", db.url)
    assert "restored from a backup" in run("apply", "today.plan", "--auto-approve").ok(4).err
    assert db.rows()["acme/limit/month"]["cost_usd"] == "100"
    run("apply", ".", "--auto-approve").ok()
    assert db.rows()["acme/limit/month"]["cost_usd"] == "300"


def _copy_database(db: Db, source: str, target: str) -> None:
    """On PostgreSQL: one database as the copy of another, as a restored dump is."""
    name = urlsplit(db.url).path.lstrip("/")
    names = {db.url: name, "yesterday": f"{name}_yesterday"}
    with psycopg.connect(db.url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {names[target]} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {names[target]} TEMPLATE {names[source]}")


def test_the_quickstart_converges(run: Run, folder: Path, db: Db) -> None:
    shutil.copytree(ROOT / "examples" / "quickstart", folder, dirs_exist_ok=True)
    assert "(new and empty)" in run("plan", ".").ok().out
    run("plan", ".", "--detailed-exitcode").ok(2)
    assert "Apply complete! Resources: 5 added, 0 changed, 0 destroyed." in run("apply", ".", "--auto-approve").ok().out
    before = {
        table: db.sql(f"SELECT * FROM {table} ORDER BY 1, 2, 3")
        for table in ("resources", "applied", "generations", "changes")
    }
    assert (
        "No changes. Your infrastructure matches the configuration."
        in run("plan", ".", "--detailed-exitcode").ok(0).out
    )
    again = run("apply", ".", "--auto-approve", "--format", "json").ok().json
    assert again["outcome"] == "no_changes"
    assert before == {table: db.sql(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in before}
    assert (
        json.loads(run("show", "acme/integration/openai-prod", "--format", "json").ok().out)["status"]["usable"] is True
    )
