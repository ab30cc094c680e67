"""``on_delete: retain``: what no manifest declares any more is let go of, and nothing deletes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Db
from tests.store.support import Cli, cli_on

HEAD = "version: 1\ntenant: acme\nlimits:\n  day: {target: tenant, per: day, requests: 9}\n"
KEPT = "  month: {target: tenant, per: month, requests: 9, on_delete: retain}\n"


@pytest.fixture
def call(db: Db, folder: Path) -> Cli:
    (folder / "acme.yaml").write_text(HEAD + KEPT)
    call = cli_on(db.url, folder)
    call("apply", "--auto-approve").ok()
    return call


def test_it_is_let_go_of_and_stays(call: Cli, db: Db, folder: Path) -> None:
    (folder / "acme.yaml").write_text(HEAD)
    assert "1 deletion is left out: acme/limit/month" in call("plan", "--no-delete").ok().out
    planned = call("plan").ok().out
    assert "because `on_delete: retain` is live" in planned
    assert "0 to destroy" in planned
    call("apply", "--auto-approve").ok()  # no guard counts it as a deletion
    assert "acme/limit/month" in db.rows()
    assert "No changes." in call("plan").ok().out
    assert call("drift").code == 0
    (folder / "acme.yaml").write_text(HEAD + KEPT)
    conflict = call("plan")
    assert (conflict.code, "adopt: [limit/month]" in conflict.err) == (6, True)
    (folder / "acme.yaml").write_text(HEAD + KEPT + "adopt: [limit/month]\n")
    call("apply", "--auto-approve").ok()
    assert "No changes." in call("plan").ok().out


def test_live_decides_and_not_the_last_manifest(call: Cli, db: Db, folder: Path) -> None:
    (folder / "acme.yaml").write_text(HEAD + KEPT.replace("retain", "delete"))
    assert "protection-removed" in call("plan", "--format", "json").ok().text
    call("apply", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(HEAD + KEPT.replace(", on_delete: retain", ""))
    assert "No changes." in call("plan").ok().out  # `delete` is the default
    (folder / "acme.yaml").write_text(HEAD)
    call("apply", "--auto-approve", "--allow-deletes", "1").ok()
    assert {*db.rows()} == {"acme/limit/day"}


def test_a_rollback_of_its_creation_lets_go_too(db: Db, folder: Path) -> None:
    call = cli_on(db.url, folder)
    (folder / "acme.yaml").write_text(HEAD)
    call("apply", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(HEAD + KEPT)
    call("apply", "--auto-approve").ok()
    call("rollback", "1", "--auto-approve").ok()
    assert {*db.rows()} == {"acme/limit/day", "acme/limit/month"}


def test_no_other_resource_takes_its_place(call: Cli, db: Db, folder: Path) -> None:
    moved = "moved: [{from: limit/day, to: limit/month}]\n"
    (folder / "acme.yaml").write_text(HEAD.replace("day:", "month:") + moved)
    refused = call("apply", "--auto-approve", "--allow-deletes", "2")
    assert (refused.code, "retained" in call("plan", "--format", "json").text) == (6, True)
    assert "acme/limit/month is to be retained" in refused.err
    assert {*db.rows()} == {"acme/limit/day", "acme/limit/month"}


def test_what_protects_protects_from_letting_go(call: Cli, folder: Path) -> None:
    (folder / "acme.yaml").write_text(HEAD + KEPT.replace("retain", "retain, protected: true"))
    call("apply", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(HEAD)
    assert "is protected, and this plan would forget it" in call("apply", "--auto-approve").err
