"""``--exclude`` of plan and apply: what stays out, by address or pattern; counted, named, and never half of something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Db
from tests.store.support import Cli, cli_on

LIMITS = "version: 1\ntenant: acme\nlimits:\n"
MANIFEST = """
version: 1
tenant: acme
connectors: {warehouse: {type: sql, dialect: sqlite, database: w.db}}
datasources: {sales: {type: database, connector: warehouse, tables: [orders]}}
templates: {top: {type: sql, datasource: sales, sql: SELECT id FROM orders}}
limits: {month: {target: tenant, per: month, requests: 9}}
"""


@pytest.fixture
def call(db: Db, folder: Path) -> Cli:
    (folder / "acme.yaml").write_text(MANIFEST)
    return cli_on(db.url, folder)


def test_what_is_excluded_is_left_out_and_named(call: Cli, db: Db) -> None:
    planned = call("plan", "--exclude", "acme/limit/*").ok()
    assert "Plan: 3 to add" in planned.out
    assert "1 change outside of what was selected is left out: acme/limit/month" in " ".join(planned.out.split())
    document = call("plan", "--exclude", "acme/limit/month", "--format", "json").ok().json
    assert document["selected"] == ["without acme/limit/month"]
    assert [one["addresses"] for one in document["left_out"]] == [["acme/limit/month"]]
    call("apply", "--auto-approve", "--exclude", "*/limit/*").ok()
    assert "acme/limit/month" not in db.rows()
    nothing = call("plan", "--exclude", "acme/limit/*").ok().out
    assert "No changes in what was selected (without acme/limit/*)." in nothing
    call("apply", "--auto-approve").ok()
    assert "acme/limit/month" in db.rows()


def test_a_saved_plan_keeps_what_was_excluded(call: Cli, db: Db) -> None:
    call("plan", "--exclude", "acme/limit/*", "--out", "p.json").ok()
    refused = call("apply", "p.json", "--auto-approve", "--exclude", "acme/template/*")
    assert (refused.code, "applied as it is" in refused.err) == (64, True)
    call("apply", "p.json", "--auto-approve").ok()
    assert len(db.rows()) == 3


def test_deletions_stay_out_too(call: Cli, db: Db, folder: Path) -> None:
    call("apply", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(LIMITS + "  week: {target: tenant, per: day, requests: 9}\n")
    call("apply", "--auto-approve", "--allow-deletes", "9", "--exclude", "acme/limit/month").ok()
    assert {*db.rows()} == {"acme/limit/month", "acme/limit/week"}


def test_with_targets_it_narrows(call: Cli) -> None:
    both = ("--target", "acme/limit/month", "--target", "acme/connector/warehouse")
    assert "Plan: 1 to add" in call("plan", *both, "--exclude", "*/limit/*").ok().out
    nothing = call("plan", "--target", "acme/limit/month", "--exclude", "acme/limit/*")
    assert (nothing.code, "--exclude together select nothing" in nothing.err) == (64, True)


def test_a_move_is_left_out_whole(call: Cli, db: Db, folder: Path) -> None:
    call("apply", "--auto-approve").ok()
    moved = "moved: [{from: limit/month, to: limit/monthly}]\n"
    (folder / "acme.yaml").write_text(MANIFEST.replace("month:", "monthly:") + moved)
    for name in ("month", "monthly"):
        planned = call("plan", "--exclude", f"acme/limit/{name}").ok().out
        assert "No changes in what was selected" in planned
        assert "acme/limit/monthly" in planned
    call("apply", "--auto-approve").ok()
    assert "acme/limit/monthly" in db.rows()


def test_an_unmet_reference_names_the_option(call: Cli) -> None:
    found = call("plan", "--exclude", "acme/conn*/*")
    assert (
        found.code,
        "reference-not-selected" in call("plan", "--exclude", "acme/conn*/*", "--format", "json").text,
    ) == (3, True)
    assert "leave out --exclude 'acme/conn*/*'" in found.err


@pytest.mark.parametrize("pattern", ["acme/limit/mont", "acmee/*", "acme", "limit/month"])
def test_what_excludes_nothing_is_an_error(pattern: str, call: Cli) -> None:
    found = call("plan", "--exclude", pattern)
    assert (found.code, "matches nothing" in found.err) == (64, True)


def test_other_commands_refuse_it(call: Cli) -> None:
    for command in ("drift", "export", "validate", "list"):
        assert "takes no --exclude: it would narrow nothing" in call(command, "--exclude", "acme/limit/month").err
