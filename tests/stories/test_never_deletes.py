"""What must never delete anything, and the guards against what may."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import BASE, Db, Run


@pytest.fixture
def applied(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    assert len(db.rows()) == 3


@pytest.mark.usefixtures("applied")
def test_an_empty_folder(run: Run, folder: Path, db: Db) -> None:
    (folder / "empty").mkdir()
    assert "holds no manifest" in run("apply", "empty", "--auto-approve").ok(3).err
    (folder / "empty" / "only-comments.yaml").write_text("# nothing\n")
    assert "holds no manifest" in run("apply", "empty", "--auto-approve").ok(3).err
    assert len(db.rows()) == 3


@pytest.mark.usefixtures("applied")
def test_a_wrong_path(run: Run, db: Db) -> None:
    assert "does not exist" in run("apply", "acmee.yaml", "--auto-approve").ok(3).err
    assert len(db.rows()) == 3


@pytest.mark.usefixtures("applied")
def test_a_glob_that_matches_nothing(run: Run, folder: Path, db: Db) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\ninclude: [manifest/*.yaml]\n")
    refused = run("apply", "--auto-approve").ok(3)
    assert "`manifest/*.yaml` matches no file" in refused.err
    assert "reconciler.yaml:3:11" in refused.err
    assert len(db.rows()) == 3


@pytest.mark.usefixtures("applied")
def test_a_single_file_creates_and_updates_only(run: Run, folder: Path, db: Db) -> None:
    (folder / "one.yaml").write_text(
        "version: 1\ntenant: acme\nlimits:\n  day: {target: tenant, per: day, requests: 5}\n"
    )
    done = run("apply", "one.yaml", "--auto-approve").ok()
    assert "1 added, 0 changed, 0 destroyed" in done.out
    run(
        "apply",
        "-",
        "--auto-approve",
        stdin="version: 1\ntenant: acme\nlimits:\n  day: {target: tenant, per: day, requests: 6}\n",
    ).ok()
    assert len(db.rows()) == 4
    assert db.rows()["acme/limit/day"]["requests"] == 6


def test_a_path_in_a_project_selects_and_never_deletes(run: Run, base: Path, folder: Path, db: Db) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\n")
    extra = folder / "extra.yaml"
    extra.write_text("version: 1\ntenant: acme\nlimits:\n  day: {target: tenant, per: day, requests: 5}\n")
    run("apply", "--auto-approve").ok()
    base.write_text(BASE.partition("limits:")[0])
    extra.write_text(extra.read_text().replace("requests: 5", "requests: 7"))
    done = run("apply", "extra.yaml", "--auto-approve").ok()
    assert "0 added, 1 changed, 0 destroyed" in done.out
    run("apply", "acme.yaml", "--auto-approve").ok()
    assert "acme/limit/month" in db.rows()
    assert "0 added, 0 changed, 1 destroyed" in run("apply", "--auto-approve").ok().out


def test_the_production_database_with_the_development_configuration(run: Run, base: Path, folder: Path, db: Db) -> None:
    (folder / "reconciler.yaml").write_text(
        "version: 1\nproject: shop\nenvironments:\n  dev: {overlays: [dev]}\n  prod: {}\n"
    )
    (folder / "dev").mkdir()
    (folder / "dev" / "less.yaml").write_text("version: 1\ntenant: acme\nlimits: {month: null}\n")
    run("apply", "--auto-approve", "--env", "prod").ok()
    for command in ("plan", "apply"):
        refused = run(command, "--env", "dev", *(["--auto-approve"] if command == "apply" else [])).ok(6)
        assert "'prod'" in refused.err
        assert "'dev'" in refused.err
    run("plan").ok(64)
    run("plan", "--env", "staging").ok(64)
    assert len(db.rows()) == 3


@pytest.mark.usefixtures("applied")
def test_an_empty_configuration(run: Run, base: Path, db: Db) -> None:
    base.write_text("version: 1\ntenant: acme\n")
    refused = run("apply", ".", "--auto-approve").ok(6)
    assert "--allow-empty" in refused.err
    assert len(db.rows()) == 3
    run("apply", ".", "--auto-approve", "--allow-empty").ok()
    assert db.rows() == {}


def many(count: int) -> str:
    return "version: 1\ntenant: acme\nlimits:\n" + "".join(
        f"  l{i}: {{target: tenant, per: day, requests: {i}}}\n" for i in range(count)
    )


def test_too_many_deletions(run: Run, folder: Path, db: Db) -> None:
    (folder / "a.yaml").write_text(many(20))
    run("apply", ".", "--auto-approve").ok()
    (folder / "a.yaml").write_text(many(14))
    run("apply", ".", "--auto-approve").ok()  # 6 of 20: not more than 30%
    (folder / "a.yaml").write_text(many(9))
    refused = run("apply", ".", "--auto-approve").ok(6)
    assert "--allow-deletes 5" in refused.err
    run("apply", ".", "--auto-approve", "--allow-deletes", "4").ok(6)
    assert len(db.rows()) == 14
    # a saved plan is judged again when it is applied
    run("plan", ".", "--out", "p.plan").ok()
    run("apply", "p.plan", "--auto-approve").ok(6)
    run("apply", "p.plan", "--auto-approve", "--allow-deletes", "5").ok()
    assert len(db.rows()) == 9
    (folder / "a.yaml").write_text(many(2))
    run("apply", ".", "--auto-approve").ok()  # below ten a share says nothing


def test_max_deletes(run: Run, folder: Path) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nguards: {max_deletes: 1}\n")
    (folder / "a.yaml").write_text(many(5))
    run("apply", "--auto-approve").ok()
    (folder / "a.yaml").write_text(many(3))
    run("apply", "--auto-approve").ok(6)
    (folder / "a.yaml").write_text(many(4))
    run("apply", "--auto-approve").ok()


def test_no_delete(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.partition("limits:")[0])
    run("apply", ".", "--auto-approve", "--no-delete").ok()
    assert len(db.rows()) == 3


def test_protection_lives_in_the_database(run: Run, base: Path, db: Db) -> None:
    protected = BASE.replace("cost_usd: 100}", "cost_usd: 100, protected: true}")
    base.write_text(protected)
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.partition("limits:")[0])
    shown = run("plan", ".", "--detailed-exitcode").ok(2)
    assert "acme/limit/month will be destroyed" in shown.out
    assert "protected" in shown.out
    run("plan", ".", "--out", "p.plan").ok()
    for arguments in ((".",), ("p.plan",)):
        assert "acme/limit/month is protected" in run("apply", *arguments, "--auto-approve").ok(6).err
    assert "acme/limit/month" in db.rows()
    base.write_text(BASE)
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.partition("limits:")[0])
    run("apply", ".", "--auto-approve").ok()
    assert "acme/limit/month" not in db.rows()


def test_nobody_to_ask(run: Run, base: Path, db: Db) -> None:
    assert "--auto-approve" in run("apply", ".").ok(6).err
    run("plan", ".", "--detailed-exitcode").ok(2)


def test_unmanaged_rows_are_never_touched(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    spec = '{"target": "tenant", "per": "day", "requests": 1}'
    db.sql("INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'limit', 'by-hand', ?)", [spec])
    db.sql(
        "INSERT INTO resources (tenant, kind, name, spec, project) "
        "SELECT tenant, kind, 'clone', spec, project FROM resources WHERE name = 'month'"
    )
    before = db.sql("SELECT * FROM resources WHERE name IN ('by-hand', 'clone') ORDER BY name")
    run("plan", ".", "--detailed-exitcode").ok(0)
    base.write_text(BASE.partition("limits:")[0])
    run("apply", ".", "--auto-approve").ok()
    assert before == db.sql("SELECT * FROM resources WHERE name IN ('by-hand', 'clone') ORDER BY name")


def test_an_unattended_apply_follows_git(run: Run, base: Path, folder: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    git("init")
    git("add", "acme.yaml")
    git("commit", "-m", "one")
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 150"))
    assert "dirty" in run("apply", ".", "--auto-approve").ok(6).err
    git("commit", "-am", "two")
    run("plan", ".", "--out", "two.plan").ok()  # an untracked plan beside the manifests is no dirt
    run("apply", "two.plan", "--auto-approve").ok()
    git("checkout", "-b", "side", "HEAD~1")
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 170"))
    git("commit", "-am", "side")
    assert "not an ancestor" in run("apply", ".", "--auto-approve").ok(6).err
    run("apply", ".", "--auto-approve", "--allow-diverged").ok()


def test_selections(run: Run, base: Path, folder: Path, db: Db) -> None:
    (folder / "globex.yaml").write_text(BASE.replace("acme", "globex"))
    run("apply", ".", "--auto-approve", "--tenant", "globex").ok()
    assert {a.split("/")[0] for a in db.rows()} == {"globex"}
    unmet = run("apply", ".", "--auto-approve", "--target", "acme/datasource/sales").ok(3)
    assert "--target acme/connector/warehouse" in unmet.err
    assert "acme/datasource/sales refers to acme/connector/warehouse" in unmet.err
    both = ("--target", "acme/datasource/sales", "--target", "acme/connector/warehouse")
    run("apply", ".", "--auto-approve", *both).ok()
    assert len(db.rows()) == 5
    assert "did you mean acme" in run("plan", ".", "--tenant", "acmee").ok(64).err
    assert "did you mean acme/limit/month" in run("plan", ".", "--target", "acme/limit/moth").ok(64).err
    run("plan", ".", "--target", "nonsense").ok(64)
