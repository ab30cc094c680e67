"""Nobody reads "no changes" where there are some: what a selection, --no-delete or a rule leaves out is counted and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.render.left_out import NO_CHANGES, NO_DRIFT
from tests.conftest import Db, Run

LIMITS = "version: 1\ntenant: {tenant}\nlimits:\n"
FORMATS = ("markdown", "html", "github")


def _write(folder: Path, **limits: int) -> None:
    """Two files, one for each tenant; a name tells its tenant."""
    for tenant in ("acme", "globex"):
        own = {name: number for name, number in limits.items() if name.startswith(tenant[0])}
        lines = "".join(f"  {name}: {{target: tenant, per: day, requests: {number}}}\n" for name, number in own.items())
        (folder / f"{tenant}.yaml").write_text(LIMITS.format(tenant=tenant) + lines if own else "")
        if not own:
            (folder / f"{tenant}.yaml").unlink()


def _left_out(run: Run, *arguments: str) -> list[tuple[str, int, list[str]]]:
    document = run("plan", *arguments, "--format", "json").ok().json
    return [(one["why"], one["count"], one["addresses"]) for one in document["left_out"]]


@pytest.fixture
def changed(run: Run, folder: Path) -> Path:
    """One change of each sort, in both tenants."""
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\n")
    _write(folder, ax=1, ay=1, az=1, gx=1, gy=1)
    run("apply", "--auto-approve").ok()
    _write(folder, ax=1, ay=2, anew=1, gx=2, gy=1)
    return folder


def test_a_target_without_changes(run: Run, changed: Path) -> None:
    there = ["acme/limit/anew", "acme/limit/ay", "acme/limit/az", "globex/limit/gx"]
    select = ("--target", "acme/limit/ax")
    out = run("plan", *select).ok().out
    assert "No changes in what was selected (acme/limit/ax).\n" in out
    assert f"4 changes outside of what was selected are left out: {', '.join(there)}.\n" in out
    assert NO_CHANGES not in out
    assert _left_out(run, *select) == [("not-selected", 4, there)]
    for name in FORMATS:
        shown = run("plan", *select, "--format", name).ok().out
        assert "No changes in what was selected (" in shown
        assert "4 changes outside of what was selected are left out" in shown
        assert NO_CHANGES not in shown
        assert "Live is as the configuration says" not in shown
    for arguments in (("plan", "-q", *select), ("apply", *select, "--auto-approve")):
        out = run(*arguments).ok().out
        assert "4 changes outside of what was selected are left out" in out
        assert NO_CHANGES not in out


def test_tenant_path_and_no_delete(run: Run, changed: Path) -> None:
    assert _left_out(run, "--tenant", "globex") == [
        ("not-selected", 3, ["acme/limit/anew", "acme/limit/ay", "acme/limit/az"])
    ]
    assert _left_out(run, "globex.yaml") == [("not-selected", 3, ["acme/limit/anew", "acme/limit/ay", "acme/limit/az"])]
    assert _left_out(run, "--no-delete") == [("deletion", 1, ["acme/limit/az"])]
    assert "1 deletion is left out: acme/limit/az.\n" in run("plan", "--no-delete").ok().out
    for arguments in (("-q",), *(("--format", name) for name in FORMATS)):  # beside changes too
        assert "1 deletion is left out" in run("plan", "--no-delete", *arguments).ok().out, arguments
    run("apply", "--no-delete", "--auto-approve").ok()
    assert "No changes besides what is left out." in run("plan", "--no-delete").ok().out
    run("apply", "--auto-approve").ok()
    for arguments in (("--target", "acme/limit/ax"), ("--tenant", "globex"), ("globex.yaml",), ("--no-delete",), ()):
        assert NO_CHANGES in run("plan", *arguments).ok().out, "now it is true"


def test_a_saved_plan_keeps_what_it_left_out(run: Run, changed: Path) -> None:
    run("plan", "--tenant", "globex", "--out", "a.plan").ok()
    assert "3 changes outside of what was selected are left out" in run("show", "a.plan").ok().out
    run("apply", "a.plan", "--auto-approve").ok()


def test_what_rules_cover(run: Run, changed: Path, db: Db) -> None:
    run("apply", "--auto-approve").ok()
    rule = "ignore: [{address: 'acme/limit/*', field: requests, reason: others}]\n"
    (changed / "reconciler.yaml").write_text(f"version: 1\nproject: shop\n{rule}")
    for name, number in (("ax", 7), ("ay", 8)):
        db.set_field(f"acme/limit/{name}", "requests", number)
    out = run("plan").ok().out
    assert f"{NO_CHANGES[:-1]}, but for what ignore rules leave to others." in out
    assert "2 differences are left to others by ignore rules: acme/limit/ax, acme/limit/ay.\n" in out
    found = run("drift").ok().out
    assert f"{NO_DRIFT[:-1]}, but for what ignore rules leave to others." in found
    assert "2 differences are left to others by ignore rules: acme/limit/ax, acme/limit/ay.\n" in found
    for name in ("markdown", "html"):
        assert NO_DRIFT not in run("drift", "--format", name).ok().out


def test_drift_of_a_selection(run: Run, changed: Path, db: Db) -> None:
    run("apply", "--auto-approve").ok()
    db.set_field("acme/limit/ax", "requests", 7)
    select = ("--tenant", "globex")
    out = run("drift", *select).ok().out
    assert "No drift in what was selected (tenant globex).\n" in out
    assert "1 finding outside of what was selected is left out: acme/limit/ax.\n" in out
    told: Any = run("drift", *select, "--format", "json").ok().json["left_out"]
    assert told == [{"why": "drift", "count": 1, "addresses": ["acme/limit/ax"]}]
    for name in ("markdown", "html"):
        shown = run("drift", *select, "--format", name).ok().out
        assert "1 finding outside of what was selected is left out" in shown
        assert NO_DRIFT not in shown


def test_a_rollback_has_words_of_its_own(run: Run, changed: Path) -> None:
    out = run("rollback", "1", "--auto-approve").ok().out
    assert "No changes. There is nothing left to rollback." in out
    assert NO_CHANGES not in out
