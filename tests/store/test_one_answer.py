"""*Is this what was applied?* Plan, drift, apply, `serve` and `access explain` give one answer, over the same random states."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.store.known import read_known
from tests.conftest import Db
from tests.runtime.worlds import WORLD
from tests.store.support import Cli, cli_on, database_of
from tests.store.test_outside import behind_the_triggers

POLICY, CALLER, TEMPLATE = "acme/policy/read", "acme/caller/bot", "acme/template/top"
WRITTEN = {
    POLICY: WORLD["policies"]["read"],
    CALLER: WORLD["callers"]["bot"],
    TEMPLATE: WORLD["templates"]["top"],
}
OPEN = {"effect": "allow", "subjects": "any", "actions": "any", "targets": "any"}


@pytest.fixture
def run(db: Db, folder: Path) -> Cli:
    (folder / "acme.yaml").write_text(json.dumps(WORLD))
    call = cli_on(db.url, folder)
    call("apply", "--auto-approve").ok()
    return call


def settled(db: Db, address: str) -> bool:
    known = {str(one.address): one for one in read_known(database_of(db))}
    return address in known and known[address].settled


def allowed(run: Cli) -> bool:
    found = run("access", "explain", "template/top", "--caller", "bot", "--format", "json").ok().json
    return bool(found["decision"] == "allow")


def answers(run: Cli, db: Db, address: str) -> dict[str, bool]:
    """Whether the row is what was applied, by each that is asked; the last of them writes."""
    plan = run("plan", "--format", "json").ok().json
    drift = run("drift", "--format", "json").json
    found = {
        "plan": not any(one["address"] == address for one in plan["resource_drift"]),
        "plan's changes": not any(one["address"] == address for one in plan["resource_changes"]),
        "drift": not any(one["address"] == address for one in drift["findings"]),
        "serve": settled(db, address),
        "apply": run("apply", "--auto-approve").code == 0,
    }
    if address in {POLICY, CALLER}:
        found["explain"] = allowed(run)
    return found


def spec(db: Db, address: str) -> dict[str, Any]:
    return dict(db.rows()[address])


def _write(db: Db, address: str, body: dict[str, Any], also: str = "", behind: bool = False) -> None:
    text = json.dumps(body).replace("'", "''")
    cast = "" if db.is_sqlite else "::jsonb"
    sql = f"UPDATE resources SET spec = '{text}'{cast}{also} WHERE name = '{Address.parse(address).name}'"
    if behind:
        behind_the_triggers(db, sql)
    else:
        db.sql(sql)


def _forged(db: Db, body: dict[str, Any]) -> str:
    """Every column beside the body, as the tool once wrote it."""
    text = json.dumps(body).replace("'", "''")
    digest = "NULL" if db.is_sqlite else f"md5('{text}'::jsonb::text)"
    return f", digest_of = {digest}, digest = 'forged'"


def turned(body: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(body.items()))


HANDS: dict[str, tuple[bool, Callable[[Db, str, random.Random], None]]] = {
    "nothing": (True, lambda db, at, pick: None),
    "the order of keys": (True, lambda db, at, pick: _write(db, at, turned(spec(db, at)))),
    "defaults left out": (True, lambda db, at, pick: _write(db, at, WRITTEN[at])),
    "defaults left out, unseen": (True, lambda db, at, pick: _write(db, at, turned(WRITTEN[at]), behind=True)),
    "columns beside the body": (
        True,
        lambda db, at, pick: _write(db, at, spec(db, at), ", digest = 'x', digest_of = 'x'"),
    ),
    "an older age": (True, lambda db, at, pick: _write(db, at, spec(db, at), ", spec_version = 0")),
    "another meaning": (
        False,
        lambda db, at, pick: _write(db, at, {**spec(db, at), "description": f"by hand {pick.random()}"}),
    ),
    "another meaning, unseen": (
        False,
        lambda db, at, pick: _write(db, at, {**spec(db, at), "labels": {"a": str(pick.random())}}, behind=True),
    ),
    "another meaning, digests forged": (
        False,
        lambda db, at, pick: _write(
            db, at, body := {**spec(db, at), "description": "forged"}, _forged(db, body), behind=pick.random() < 0.5
        ),
    ),
    "no body at all": (False, lambda db, at, pick: _write(db, at, {"description": 5})),
}


@pytest.mark.parametrize("seed", range(3))
def test_all_of_them_say_the_same(db: Db, run: Cli, seed: int) -> None:
    pick = random.Random(seed)
    for name in pick.sample([*HANDS], len(HANDS)):
        same, hand = HANDS[name]
        address = pick.choice([*WRITTEN])
        hand(db, address, pick)
        found = answers(run, db, address)
        assert set(found.values()) == {same}, (name, address, found)
        if not same:
            run("apply", "--auto-approve", "--overwrite-outside").ok()
        assert set(answers(run, db, address).values()) == {True}, (name, address)


def test_a_clone_a_rename_and_a_deletion(db: Db, run: Cli) -> None:
    """Ownership is address and uid: a copy with every column of the original is not what was applied."""
    columns = "tenant, kind, spec, spec_version, project, digest, digest_of"
    db.sql(f"INSERT INTO resources (name, {columns}) SELECT 'copy', {columns} FROM resources WHERE name = 'read'")
    assert not settled(db, "acme/policy/copy")
    assert set(answers(run, db, POLICY).values()) == {True}
    db.sql("DELETE FROM resources WHERE name = 'copy'")
    db.sql("UPDATE resources SET name = 'renamed' WHERE name = 'read'")
    assert not settled(db, "acme/policy/renamed")
    assert set(answers(run, db, POLICY).values()) == {False}
    db.sql("DELETE FROM resources WHERE name = 'renamed'")
    run("apply", "--auto-approve", "--overwrite-outside").ok()
    assert set(answers(run, db, POLICY).values()) == {True}


@pytest.mark.parametrize("project", ["", "other"])
def test_a_policy_that_was_taken_over_is_in_force(db: Db, run: Cli, folder: Path, project: str) -> None:
    """Made by hand, or by another project, and taken over by `adopt`: plan empty, no drift, and access."""
    db.sql("DELETE FROM resources WHERE name = 'read'")
    run("apply", "--auto-approve", "--overwrite-outside").ok()
    document = {**WORLD, "policies": {}}
    (folder / "acme.yaml").write_text(json.dumps(document))
    run("apply", "--auto-approve", "--allow-empty").ok()
    assert not allowed(run)
    if project:
        other = folder.parent / "other"
        other.mkdir()
        (other / "p.yaml").write_text(
            json.dumps({"version": 1, "tenant": "acme", "policies": {"read": {**OPEN, "optional": True}}})
        )
        cli_on(db.url, other, project)("apply", "--auto-approve").ok()
    else:
        text = json.dumps(turned(OPEN))
        db.sql("INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'policy', 'read', ?)", [text])
        assert not allowed(run)
    entry = {"address": "policy/read", "from_project": project} if project else "policy/read"
    (folder / "acme.yaml").write_text(json.dumps({**WORLD, "policies": {"read": OPEN}, "adopt": [entry]}))
    run("apply", "--auto-approve").ok()
    assert set(answers(run, db, POLICY).values()) == {True}
    # the row stays as somebody wrote it, and its witness is that of what is there: nothing has to be read anew
    assert db.sql("SELECT count(*) FROM applied WHERE digest_of IS NULL") == [(0,)]


def test_a_digest_in_the_row_is_nothing_that_anybody_trusts(db: Db, run: Cli) -> None:
    """The issue's own statement: on PostgreSQL it went unseen."""
    cast = "" if db.is_sqlite else "::jsonb"
    text = json.dumps({**spec(db, TEMPLATE), "sql": "SELECT name FROM wages"}).replace("'", "''")
    also = "" if db.is_sqlite else f", digest_of = md5('{text}'::jsonb::text)"
    db.sql(f"UPDATE resources SET spec = '{text}'{cast}{also} WHERE name = 'top'")
    assert set(answers(run, db, TEMPLATE).values()) == {False}
