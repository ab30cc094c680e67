"""What a plan does to access: who may do what after it, the risks that follow, and guards that refuse them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from reconciler.render.effects import sentences
from tests.conftest import Db
from tests.store.support import Cli, cli_on

PROJECT = "version: 1\nproject: shop\nguards: {refuse: [access-widened, access-narrowed]}\n"
KEY = {"api_key": {"max_age_days": 90}}
World = dict[str, Any]

WORLD: World = {
    "version": 1,
    "tenant": "acme",
    "connectors": {
        "shop": {"type": "sql", "dialect": "sqlite", "database": "shop.db"},
        "hr": {"type": "sql", "dialect": "sqlite", "database": "hr.db"},
    },
    "datasources": {
        "sales": {"type": "database", "connector": "shop", "classification": "internal"},
        "wages": {
            "type": "database",
            "connector": "shop",
            "classification": "restricted",
            "access_roles": ["hr"],
            "lifecycle": "inactive",
        },
    },
    "templates": {
        "orders": {"type": "sql", "datasource": "sales", "sql": "SELECT 1", "labels": {"team": "sales"}},
        "secret": {"type": "sql", "datasource": "sales", "sql": "SELECT 2", "labels": {"kept": "yes"}},
        "hidden": {"type": "sql", "datasource": "sales", "sql": "SELECT 3"},
        "wages": {"type": "sql", "datasource": "wages", "sql": "SELECT 4"},
        "writes": {"type": "sql", "datasource": "sales", "sql": "SELECT 5"},
    },
    "planes": {"desk": {"datasources": ["sales"], "actions": {"query": "template/orders"}}},
    "callers": {
        "sales-bot": {"roles": ["analyst"], "auth": KEY},
        "payroll": {"roles": ["hr"], "auth": KEY, "enabled": False},
        "other": {"auth": KEY},
        "clerk": {"roles": ["hr"], "auth": KEY},
    },
    "policies": {
        "read": {
            "effect": "allow",
            "subjects": {"roles": ["analyst"]},
            "actions": ["query"],
            "targets": {"classification": ["internal", "public"]},
        },
        "wages": {
            "effect": "allow",
            "subjects": {"callers": ["sales-bot"]},
            "actions": "any",
            "targets": {"names": ["template/wages"]},
        },
        "kept": {"effect": "deny", "subjects": "any", "actions": "any", "targets": {"labels": {"kept": "yes"}}},
        "named": {"effect": "deny", "subjects": "any", "actions": "any", "targets": {"names": ["template/hidden"]}},
        "off": {"effect": "deny", "subjects": "any", "actions": "any", "targets": {"names": ["plane/*"]}},
    },
}
for _policy in WORLD["policies"].values():
    _policy["optional"] = True  # the edits below leave some of them without anything that they fit


class Example(NamedTuple):
    """An edit, the line that the plan prints about it, the risk, and the changes that have it."""

    edit: Callable[[World], object]
    line: str
    risk: str
    causes: set[str]


def moved(world: World, kind: str, old: str, new: str) -> None:
    plural = {"template": "templates", "caller": "callers", "connector": "connectors", "policy": "policies"}[kind]
    world[plural][new] = world[plural].pop(old)
    world["moved"] = [{"from": f"{kind}/{old}", "to": f"{kind}/{new}"}]


EXAMPLES = {
    "the label that a deny asks for is dropped": Example(
        lambda w: w["templates"]["secret"].pop("labels"),
        "sales-bot may now: query template/secret",
        "access-widened",
        {"acme/template/secret"},
    ),
    "moved out of a deny's names": Example(
        lambda w: moved(w, "template", "hidden", "seen"),
        "sales-bot may now: query template/seen",
        "access-widened",
        {"acme/template/seen"},
    ),
    "the labels of a caller": Example(
        lambda w: (
            w["callers"]["other"].update(labels={"team": "hr"}),
            w["policies"].update(
                hr={
                    "effect": "allow",
                    "subjects": {"labels": {"team": "hr"}},
                    "actions": "any",
                    "targets": {"names": ["template/orders"]},
                }
            ),
        ),
        "other may now: query template/orders",
        "access-widened",
        {"acme/caller/other", "acme/policy/hr"},
    ),
    "the roles of a caller": Example(
        lambda w: w["callers"]["other"].update(roles=["analyst"]),
        "other may now: query template/orders, template/writes",
        "access-widened",
        {"acme/caller/other"},
    ),
    "a new template under an old allow": Example(
        lambda w: w["templates"].update(fresh={"type": "sql", "datasource": "sales", "sql": "SELECT 9"}),
        "sales-bot may now: query template/fresh",
        "access-widened",
        {"acme/template/fresh"},
    ),
    "access_roles emptied and lifecycle active": Example(
        lambda w: w["datasources"]["wages"].update(access_roles=[], lifecycle="active"),
        "sales-bot may now: query template/wages",
        "access-widened",
        {"acme/datasource/wages"},
    ),
    "a classification lowered": Example(
        lambda w: w["datasources"]["wages"].update(access_roles=[], lifecycle="active", classification="internal"),
        "sales-bot may now: query template/wages",
        "access-widened",
        {"acme/datasource/wages"},
    ),
    "a deny gone": Example(
        lambda w: w["policies"].pop("off"),
        "sales-bot may now: query plane/desk",
        "access-widened",
        {"acme/policy/off"},
    ),
    "another connector": Example(
        lambda w: w["datasources"]["sales"].update(connector="hr"),
        "sales-bot may now: query template/orders (through connector/hr), template/writes (through connector/hr)",
        "access-widened",
        {"acme/datasource/sales"},
    ),
    "a role that a token brings": Example(
        lambda w: w["callers"]["other"].update(
            auth={
                "jwt": {
                    "issuer": "corp",
                    "claims": {"azp": "other"},
                    "roles_from": {"claim": "groups", "map": {"crm": "analyst"}},
                }
            }
        ),
        "other with the role analyst from its token may now: query template/orders, template/writes",
        "access-widened",
        {"acme/caller/other"},
    ),
    "another way in": Example(
        lambda w: w["callers"]["sales-bot"].update(
            auth={**KEY, "jwt": {"issuer": "corp", "claims": {"azp": "sales-bot"}}}
        ),
        "sales-bot by jwt may now: query template/orders, template/writes",
        "access-widened",
        {"acme/caller/sales-bot"},
    ),
    "a deny more": Example(
        lambda w: w["policies"]["named"]["targets"].update(names=["template/hidden", "template/ord*"]),
        "sales-bot may no longer: query template/orders",
        "access-narrowed",
        {"acme/policy/named"},
    ),
    "a caller switched off": Example(
        lambda w: w["callers"]["sales-bot"].update(enabled=False),
        "sales-bot may no longer: query template/orders, template/writes",
        "access-narrowed",
        {"acme/caller/sales-bot"},
    ),
}


def write(folder: Path, world: World) -> None:
    (folder / "acme.yaml").write_text(yaml.safe_dump(world))


@pytest.fixture
def applied(db: Db, folder: Path) -> Cli:
    run = cli_on(db.url, folder)
    (folder / "reconciler.yaml").write_text(PROJECT)
    write(folder, WORLD)
    run("apply", "--auto-approve", "--allow-risk", "access-widened").ok()
    return run


def test_a_plan_says_it_and_a_guard_refuses_it(applied: Cli, folder: Path, db: Db) -> None:
    before = db.rows()
    for name, example in EXAMPLES.items():
        world = copy.deepcopy(WORLD)
        example.edit(world)
        write(folder, world)
        document = applied("plan", "--format", "json", "--out", "some.plan").ok().json
        lines = [sentence.text() for sentence in sentences(document, 99, 99)]
        assert lines[0] == example.line, name
        risky = {one["address"] for one in document["resource_changes"] if example.risk in one["risks"]}
        assert risky == example.causes, name
        assert {address for one in document["access_effects"] for address in one["causes"]} == example.causes, name
        assert document["access_summary"]["subjects"] == len(document["access_effects"]) > 0
        assert f"({example.risk})" in applied("apply", "some.plan", "--auto-approve").ok(6).err, name
    assert db.rows() == before


def test_what_is_shown(applied: Cli, folder: Path) -> None:
    world = copy.deepcopy(WORLD)
    world["policies"].pop("off")
    write(folder, world)
    assert "\nAccess:\n  sales-bot may now: query plane/desk\n\nPlan: 0 to add" in applied("plan").ok().out
    assert "- `sales-bot` may now: `query plane/desk`\n" in applied("plan", "--format", "markdown").ok().out
    page = applied("plan", "--format", "html").ok().out
    assert "<li><code>sales-bot</code> may now: <code>query plane/desk</code></li>" in page
    assert "Access:" not in applied("plan", "--quiet").ok().out
    assert "(access-widened)" in applied("apply", "--auto-approve").ok(6).err
    applied("apply", "--auto-approve", "--allow-risk", "access-widened").ok()
    assert "Access:" not in applied("plan").ok().out


def test_a_first_plan_says_it_before_there_is_a_database(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    (folder / "reconciler.yaml").write_text(PROJECT)
    write(folder, WORLD)
    document = run("plan", "--format", "json", "--out", "first.plan").ok().json
    assert "sales-bot may now: query plane/desk" not in (shown := run("plan").ok().out)
    assert "sales-bot may now: query template/orders" in shown
    assert document["access_summary"]["widened"] > 0
    assert "(access-widened)" in run("apply", "first.plan", "--auto-approve").ok(6).err
