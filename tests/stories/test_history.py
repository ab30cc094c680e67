"""What was applied can be told, brought back, and handed on."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import BASE, Db, Run


def test_there_and_back_again(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    first = dict(db.sql("SELECT name, uid FROM resources"))
    body = db.rows()
    without = BASE.replace("cost_usd: 100", "cost_usd: 200").partition("datasources:")[0]
    limits = BASE.replace("cost_usd: 100", "cost_usd: 200").partition("limits:")[2]
    base.write_text(f"{without}limits:{limits}")
    run("apply", ".", "--auto-approve").ok()
    assert "acme/datasource/sales" not in db.rows()

    shown = run("rollback", "1", "--out", "back.plan").ok().out
    assert "undoes generation 2" in shown
    run("apply", "back.plan", "--auto-approve").ok()
    assert "the last apply was a rollback" in run("plan", ".").ok().out
    assert db.rows() == body
    assert dict(db.sql("SELECT name, uid FROM resources")) == first  # what comes back is what it was
    run("rollback", "2", "--auto-approve").ok()
    run("rollback", "1", "--auto-approve").ok()
    assert db.rows() == body
    assert "No changes." in run("rollback", "5", "--auto-approve").ok().out
    run("rollback", "99", "--auto-approve").ok(1)
    operations = [g["operation"] for g in run("history", "--format", "json").ok().json["generations"]]
    assert operations == ["rollback", "rollback", "rollback", "apply", "apply"]


def test_one_generation_is_reverted_and_later_ones_stay(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200"))
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200").replace("[public.orders]", "[public.sales]"))
    run("apply", ".", "--auto-approve").ok()
    run("revert", "2", "--auto-approve").ok()
    rows = db.rows()
    assert rows["acme/limit/month"]["cost_usd"] == "100"
    assert rows["acme/datasource/sales"]["tables"] == ["public.sales"]
    overlap = run("revert", "2", "--auto-approve").ok(4)
    assert "acme/limit/month was changed again by generation 4" in overlap.err


def test_blame_names_people_lines_and_outsiders(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve", env={"RECONCILER_ACTOR": "ada"}).ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200"))
    run("apply", ".", "--auto-approve", env={"RECONCILER_ACTOR": "ben"}).ok()
    db.set_field("acme/limit/month", "on_exceed", "warn")
    fields = {f["field"]: f for f in run("blame", "acme/limit/month", "--format", "json").ok().json["fields"]}
    assert (fields["cost_usd"]["by"], fields["cost_usd"]["generation"]) == ("ben", 2)
    assert (fields["per"]["by"], fields["per"]["generation"], fields["per"]["source"]) == ("ada", 1, "acme.yaml:9:32")
    assert (fields["labels"]["default"], fields["labels"]["source"]) == (True, None)
    assert "a default" in run("blame", "acme/limit/month").ok().out
    assert fields["on_exceed"]["generation"] is None
    assert "outside, by" in run("blame", "acme/limit/month").ok().out


def test_adopt_and_forget(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    run("forget", "acme/limit/month", "--auto-approve").ok()
    run("drift").ok(0)  # it was let go of on purpose
    assert "no project owns it" in run("plan", ".").ok(6).err
    run("adopt", "acme/limit/month", "--auto-approve").ok()
    run("plan", ".", "--detailed-exitcode").ok(0)
    run("adopt", "acme/limit/nothing", "--auto-approve").ok(1)
    run("forget", "acme/limit/nothing", "--auto-approve").ok(1)
    other = {"RECONCILER_PROJECT": "other"}
    assert "belongs to the project 'shop'" in run("adopt", "acme/limit/month", "--auto-approve", env=other).ok(6).err
    run("adopt", "acme/limit/month", "--from-project", "shop", "--auto-approve", env=other).ok()
    assert "belongs to the project 'other'" in run("plan", ".").ok(6).err


def test_export_plans_empty_and_against_plans_offline(run: Run, base: Path, folder: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    out = folder.parent / "out"
    out.mkdir()
    (out / "all.yaml").write_text(run("export").ok().out)
    run("plan", str(out), "--detailed-exitcode").ok(0)
    (folder / "live.json").write_text(run("export", "--canonical").ok().out)
    assert run("export", "--canonical").ok().out == (folder / "live.json").read_text()
    offline = {"RECONCILER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    run("plan", ".", "--against", "live.json", "--detailed-exitcode", env=offline).ok(0)
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200"))
    shown = run("plan", ".", "--against", "live.json", env=offline).ok().out
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in shown
    run("plan", ".", "--against", "live.json", "--out", "x.plan").ok(64)
    (folder / "live.json").write_text("{}")
    run("plan", ".", "--against", "live.json").ok(8)


def test_a_project_is_renamed(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    run("project", "rename", "shop", "store").ok()
    renamed = {"RECONCILER_PROJECT": "store"}
    run("plan", ".", "--detailed-exitcode", env=renamed).ok(0)
    assert len(run("history", env=renamed).ok().out.splitlines()) == 1
    assert run("plan", ".").ok(6)
    run("project", "rename", "shop", "store").ok(6)
    run("project", "rename", "store", "Bad_Name").ok(64)


def test_drift_for_a_job(run: Run, base: Path, folder: Path, db: Db) -> None:
    assert run("drift").ok(1)
    run("apply", ".", "--auto-approve").ok()
    assert "No drift." in run("drift").ok(0).out
    db.set_field("acme/connector/warehouse", "max_rows", 7)
    found = run("drift", "--format", "json", "--metrics", "drift.prom").ok(2).json
    assert found["counts"] == {"acme": {"connector": {"changed": 1}}}
    assert found["findings"][0]["fields"][0]["field"] == "max_rows"
    assert 'reconciler_drift_total{project="shop",environment=""} 1' in (folder / "drift.prom").read_text()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200"))
    (folder / "reconciler.yaml").write_text(
        "version: 1\nproject: shop\nignore:\n  - {address: '*/connector/*', field: max_rows, reason: tuned by hand}\n"
    )
    pending = run("drift", "--pending").ok(0).out
    assert "No drift." in pending
    assert "acme/limit/month will be updated in-place" in pending


def test_the_trail_is_verified(run: Run, base: Path, folder: Path, db: Db) -> None:
    run("secrets", "keys", "create", "--out", "key").ok()
    key = {"RECONCILER_KEY_FILE": str(folder / "key")}
    run("apply", ".", "--auto-approve", env=key).ok()
    assert "1 entries" in run("audit", "verify", env=key).ok().out
    run("audit", "checkpoint", "--out", "point", env=key).ok()
    run("audit", "verify", "--checkpoint", "point", env=key).ok()
    point = (folder / "point").read_text()
    (folder / "point").write_text(point.replace('"seq": 1', '"seq": 2'))
    run("audit", "verify", "--checkpoint", "point", env=key).ok(8)
    triggers = "DROP TRIGGER audit_update" if db.is_sqlite else "DROP TRIGGER audit_keep ON audit"
    db.sql(triggers)
    db.sql("UPDATE audit SET body = replace(body, 'tester', 'nobody')")
    assert "from entry 1 on" in run("audit", "verify", env=key).ok(8).err


def test_blame_names_the_line_of_the_field_in_whatever_file(run: Run, folder: Path, db: Db) -> None:
    """An overlay's or a default's own line, not that of the resource in the base."""
    (folder / "reconciler.yaml").write_text(
        "version: 1\nproject: shop\ninclude: [base.yaml]\nenvironments: {prod: {overlays: [prod]}}\n"
        "defaults:\n  limits:\n    description: from the defaults\n"
    )
    (folder / "prod").mkdir()
    base, overlay = folder / "base.yaml", folder / "prod" / "limits.yaml"
    base.write_text(
        "version: 1\ntenant: acme\nlimits:\n  month:\n    target: tenant\n    per: month\n    cost_usd: 100\n    tokens: 5\n"
    )
    overlay.write_text("version: 1\ntenant: acme\nlimits: {}\n")
    run("apply", "--env", "prod", "--auto-approve").ok()
    base.write_text(base.read_text().replace("tokens: 5", "tokens: 6"))
    overlay.write_text("version: 1\ntenant: acme\nlimits:\n  month:\n    cost_usd: 200\n")
    project = folder / "reconciler.yaml"
    project.write_text(project.read_text().replace("from the defaults", "other words"))
    shown = run("plan", "--env", "prod", "--format", "json").ok().json
    places = {field["field"]: field["source"] for field in shown["resource_changes"][0]["fields"]}
    assert places["cost_usd"] == {"file": "prod/limits.yaml", "line": 5, "column": 15}
    run("apply", "--env", "prod", "--auto-approve").ok()
    blamed = run("blame", "acme/limit/month", "--env", "prod", "--format", "json").ok().json["fields"]
    lines = {field["field"]: field["source"] for field in blamed}
    assert lines["cost_usd"] == "prod/limits.yaml:5:15"
    assert lines["tokens"] == "base.yaml:8:13"
    assert lines["description"] == "reconciler.yaml:7:18"
    assert lines["per"] == "base.yaml:6:10"


def test_going_back_behind_an_adoption_lets_go_and_deletes_nothing(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    run("forget", "acme/limit/month", "--auto-approve").ok()
    run("adopt", "acme/limit/month", "--auto-approve", env={"RECONCILER_PROJECT": "other"}).ok()
    run("apply", "--auto-approve", str(base), env={"RECONCILER_PROJECT": "other"}).ok(6)
    run("rollback", "0", "--auto-approve", env={"RECONCILER_PROJECT": "other"}).ok()
    assert "acme/limit/month" in db.rows()
    assert db.sql("SELECT project FROM resources WHERE kind = 'limit'") == [(None,)]


def test_going_back_behind_a_new_life_brings_back_the_old_one(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    first = db.sql("SELECT uid FROM resources WHERE kind = 'limit'")
    base.write_text(BASE.partition("limits:")[0])
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE)
    run("apply", ".", "--auto-approve").ok()
    assert db.sql("SELECT uid FROM resources WHERE kind = 'limit'") != first
    assert "the earlier one comes back" in run("rollback", "1", "--out", "back.plan").ok().out
    run("apply", "back.plan", "--auto-approve").ok()
    assert db.sql("SELECT uid FROM resources WHERE kind = 'limit'") == first
