"""An apply judges access by what is live under its lock, and what it was judged by is what is known afterwards."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from reconciler.access.sides import sides_of
from reconciler.apply.execute import execute
from reconciler.apply.terms import Terms
from reconciler.errors import Refused
from reconciler.guards.check import Allowances
from reconciler.model.body import canonical
from reconciler.model.configuration import Guards
from reconciler.model.effects import Effects
from reconciler.model.known import Known
from reconciler.plan.file import read_plan
from reconciler.store.known import read_known
from tests.conftest import Db
from tests.store.support import cli_on, database_of
from tests.stories.test_access_effects import WORLD, World, moved

HAND = {
    "effect": "allow",
    "subjects": "any",
    "actions": "any",
    "targets": {"names": ["template/orders"]},
    "optional": True,
}
LENT: World = {
    "version": 1,
    "tenant": "acme",
    "templates": {"lent": {"type": "sql", "datasource": "sales", "sql": "SELECT 7"}},
    "policies": {"theirs": HAND | {"subjects": {"callers": ["nobody"]}}},
}
EVERYTHING = ("apply", "--auto-approve", "--overwrite-outside")


class Projects:
    """Two projects in one tenant: `shop`, and `lender`, which has a template and a policy there."""

    def __init__(self, db: Db, folder: Path) -> None:
        self.db, self.folder = db, folder
        self.worlds = {"shop": copy.deepcopy(WORLD), "lender": copy.deepcopy(LENT)}
        for name in self.worlds:
            (folder / name).mkdir()
            more = {"external": ["acme/datasource/sales"]} if name == "lender" else {}
            (folder / name / "reconciler.yaml").write_text(yaml.safe_dump({"version": 1, "project": name, **more}))
            self.apply(name)

    def run(self, project: str, *arguments: str) -> Any:
        folder = self.folder / project
        (folder / "acme.yaml").write_text(yaml.safe_dump(self.worlds[project]))
        return cli_on(self.db.url, folder, project)(*arguments)

    def apply(self, project: str) -> None:
        self.run(project, *EVERYTHING).ok()

    def by_hand(self, kind: str, name: str, body: Any) -> None:
        self.db.sql(
            "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', ?, ?, ?)", [kind, name, json.dumps(body)]
        )

    def refused(self, project: str, risk: str) -> list[str]:
        """What the plan says; an apply of it, with all of that taken out of it, is refused by the guard and passes without."""
        self.run(project, "plan", "--out", "some.plan").ok()
        plan = read_plan(self.folder / project / "some.plan")
        silent = replace(plan, effects=Effects(), changes=tuple(replace(one, risks=()) for one in plan.changes))
        guards = Guards(refuse=frozenset({risk}), max_delete_percent=100)
        terms = Terms("tester", guards=guards, allowed=Allowances(outside=True))
        before = self.db.rows()
        with pytest.raises(Refused) as error:
            execute(silent, database_of(self.db), terms)
        assert [problem.code for problem in error.value.problems] == ["risk"]
        assert f"({risk})" in str(error.value)
        assert self.db.rows() == before
        execute(silent, database_of(self.db), replace(terms, allowed=Allowances(outside=True, risks=frozenset({risk}))))
        lines = []
        for effect in plan.effects.listed:
            verb = "may now" if effect.widened else "may no longer"
            lines += [f"{effect.caller} {verb} {one.action} {one.target}" for one in effect.reaches]
        return lines


@pytest.fixture
def projects(db: Db, folder: Path) -> Projects:
    return Projects(db, folder)


def test_ownership_and_drift_decide_too(projects: Projects) -> None:
    shop, lender = projects.worlds["shop"], projects.worlds["lender"]
    lender["templates"]["lent"]["shared_with"] = ["shop"]
    assert projects.refused("lender", "access-widened") == ["sales-bot may now query template/lent"]

    projects.by_hand("policy", "hand", HAND)
    shop["policies"]["hand"] = HAND
    shop["adopt"] = ["policy/hand"]
    assert projects.refused("shop", "access-widened") == [
        "clerk may now query template/orders",
        "other may now query template/orders",
    ]
    del shop["policies"]["hand"], shop["adopt"]
    shop["removed"] = [{"from": "policy/hand", "destroy": False}]
    assert projects.refused("shop", "access-narrowed") == [
        "clerk may no longer query template/orders",
        "other may no longer query template/orders",
    ]
    del shop["removed"]

    for address in ("acme/caller/sales-bot", "acme/policy/wages"):
        projects.db.set_field(address, "description", "changed by hand")
    assert projects.refused("shop", "access-widened")[0] == "sales-bot may now query template/lent"

    lender["policies"]["theirs"] = HAND | {"subjects": {"callers": ["other"]}, "targets": {"names": ["template/lent"]}}
    assert projects.refused("lender", "access-widened") == ["other may now query template/lent"]
    shop["policies"]["theirs"] = lender["policies"].pop("theirs")
    shop["adopt"] = [{"address": "policy/theirs", "from_project": "lender"}]
    projects.run("shop", "plan").ok()

    del shop["policies"]["off"]
    shop["planes"]["desk"]["actions"] = {"query": "template/orders"}
    assert projects.refused("shop", "access-widened") == ["sales-bot may now query plane/desk"]


def test_a_connector_that_is_only_renamed_does_nothing_to_access(projects: Projects) -> None:
    shop = projects.worlds["shop"]
    moved(shop, "connector", "shop", "store")
    for source in shop["datasources"].values():
        source["connector"] = "store"
    document = projects.run("shop", "plan", "--format", "json").ok().json
    assert len(document["resource_changes"]) == 3
    assert [one["risks"] for one in document["resource_changes"]] == [[], [], []]
    assert document["access_effects"] == []


def edits() -> Iterator[Any]:
    yield lambda w: moved(w, "template", "hidden", "seen")
    yield lambda w: (
        moved(w, "policy", "named", "renamed"),
        w["policies"]["renamed"].update(subjects={"roles": ["hr"]}),
    )
    yield lambda w: w["callers"].update(third=w["callers"]["other"])
    yield lambda w: (w["policies"].pop("off"), w["planes"].pop("desk"))
    yield lambda w: w.update(removed=[{"from": "policy/kept", "destroy": False}]) or w["policies"].pop("kept")
    yield lambda w: w.update(adopt=["policy/kept"]) or w["policies"].update(kept=WORLD["policies"]["kept"])
    yield (
        lambda w: (
            w["datasources"]["wages"].update(type="api", connector="web")
            or (
                w["connectors"].update(web={"type": "http", "base_url": "https://x.example"})
                or w["templates"].pop("wages")
            )
        )
    )


def shown(known: Known) -> tuple[Any, ...]:
    body = None if known.live is None else canonical(json.loads(known.live.json))
    return body, known.project, known.settled, known.applied, known.suspended


def test_what_is_foreseen_is_what_is_known_afterwards(projects: Projects) -> None:
    """Over every action: the runtime's reading after an apply is the one that the plan's effects were judged by."""
    database, world = database_of(projects.db), projects.worlds["shop"]
    projects.by_hand("caller", "loose", {"auth": {"api_key": {}}})
    seen = set()
    for number, edit in enumerate(edits()):
        for block in ("moved", "removed", "adopt"):
            world.pop(block, None)
        edit(world)
        if number % 2:
            projects.db.set_field("acme/policy/read", "description", f"by hand {number}")
        if number == 3:
            projects.db.sql("DELETE FROM resources WHERE kind = 'policy' AND name = 'wages'")
        before = read_known(database)
        projects.run("shop", "plan", "--out", "some.plan").ok()
        plan = read_plan(projects.folder / "shop" / "some.plan")
        foreseen = sides_of("acme", before, plan.changes, "shop").after.resources
        projects.apply("shop")
        found = {f"{one.address.kind}/{one.address.name}": one for one in read_known(database)}
        assert {name: shown(one) for name, one in found.items()} == {n: shown(one) for n, one in foreseen.items()}
        seen |= {change.action.value for change in plan.changes}
    assert seen >= {"create", "update", "replace", "delete", "move", "adopt", "forget"}
