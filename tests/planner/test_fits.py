"""What a selection, `--no-delete` or another project leaves as it is live must go with what changes."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from reconciler.errors import ConfigurationInvalid
from reconciler.kinds.fit import misfits, ruled
from reconciler.kinds.meaning import normal
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical
from reconciler.model.plan import Action, Plan, Selection
from reconciler.model.resource import Resource

from .fitting import fitting, some
from .support import HTTP, SQL, World, at, plan, resource, told, wish

C, D, T, P = "connector/c", "datasource/d", "template/t", "plane/p"
API: Body = {"type": "api", "connector": "c"}
DATABASE: Body = {"type": "database", "connector": "c"}
GET: Body = {"type": "http", "datasource": "d", "method": "GET", "path": "/v1"}


def only(*targets: str) -> Selection:
    return Selection(targets=frozenset(map(at, targets)))


def refused(configuration: Any, world: World, selection: Selection) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigurationInvalid) as caught:
        plan(configuration, world, selection)
    return [(p.code, p.message, p.hint or "") for p in caught.value.problems]


class TestSelection:
    def test_a_datasource_on_a_connector_that_stays_of_another_type(self) -> None:
        world = World().ours(C, SQL).ours(D, DATABASE)
        ((code, message, hint),) = refused(wish({C: HTTP, D: API}), world, only(D))
        assert code == "unfit-reference"
        assert message == (
            "acme/datasource/d would not fit what it refers to, since acme/connector/c stays as it is live: a datasource of "
            "type api needs a connector of type http, and acme/connector/c is of type sql"
        )
        assert hint.startswith("select both: add --target acme/connector/c, or the files where files were named")

    def test_a_connector_under_a_datasource_that_stays(self) -> None:
        world = World().ours(C, SQL).ours(D, DATABASE)
        ((code, message, hint),) = refused(wish({C: HTTP, D: API}), world, only(C))
        assert code == "unfit-reference"
        assert "acme/datasource/d would not fit what it refers to, since it is not selected" in message
        assert "--target acme/datasource/d" in hint

    def test_both_together_are_fine(self) -> None:
        world = World().ours(C, SQL).ours(D, DATABASE)
        assert told(plan(wish({C: HTTP, D: API}), world, only(C, D))) == {C: "replace", D: "replace"}

    def test_without_replacements(self) -> None:
        """`--no-delete` leaves the connector of another type, and a new datasource on it would not go with it."""
        world = World().ours(C, SQL)
        careful = Selection(deletes=False, replaces=False)
        ((_, message, hint),) = refused(wish({C: HTTP, D: API}), world, careful)
        assert "since --no-delete keeps acme/connector/c: a datasource" in message
        assert "acme/connector/c is of type sql" in message
        assert hint == "leave out --no-delete: say the same command without it"

    def test_without_replacements_of_what_is_not_selected_either(self) -> None:
        world = World().ours(C, SQL)
        careful = Selection(targets=frozenset({at(D)}), deletes=False, replaces=False)
        ((_, _, hint),) = refused(wish({C: HTTP, D: API}), world, careful)
        assert hint == "select both: add --target acme/connector/c, or the files where files were named"
        both = Selection(targets=frozenset({at(C), at(D)}), deletes=False, replaces=False)
        ((_, _, hint),) = refused(wish({C: HTTP, D: API}), world, both)
        assert hint == "leave out --no-delete: say the same command without it"

    def test_over_two_steps(self) -> None:
        """A template finds its connector through a datasource."""
        world = World().ours(C, HTTP).ours(D, API).ours(T, GET)
        narrower = {**HTTP, "allowed_methods": ["POST"]}
        ((_, message, hint),) = refused(wish({C: narrower, D: API}), world, only(C))
        assert "acme/template/t" in message
        assert "--target acme/template/t" in hint

    def test_what_is_settled_counts_too(self) -> None:
        world = World().ours(C, SQL)
        world.settled = frozenset({"acme/datasource/d"})
        ((_, message, _),) = refused(wish({C: HTTP, D: DATABASE}), world, only(C))
        assert "acme/datasource/d" in message

    def test_a_plane_and_a_template(self) -> None:
        plane = {"datasources": ["d"], "actions": {"retrieve": "template/t"}}
        world = World().ours(C, HTTP).ours(D, API).ours(T, GET).ours(P, plane)
        changed = {**GET, "action": "search"}
        found = refused(
            wish({C: HTTP, D: API, T: changed, P: {"datasources": ["d"], "actions": {"search": "template/t"}}}),
            world,
            only(T),
        )
        assert ["acme/plane/p" in message for _, message, _ in found] == [True]


class TestOthers:
    def test_another_project_refers_to_ours(self) -> None:
        world = World().ours(C, HTTP).theirs(D, API)
        made = plan(wish({C: SQL}), world)
        assert [(b.code, b.address) for b in made.blockers] == [("unfit-reference", at(D))]
        assert "acme/datasource/d, of the project 'other', would no longer fit" in made.blockers[0].message

    def test_ours_refers_to_another_project(self) -> None:
        world = World().theirs(C, SQL)
        made = plan(wish({D: API}, external=[C]), world)
        assert [(b.code, b.address) for b in made.blockers] == [("unfit-reference", at(D))]
        assert "does not fit what another project has" in made.blockers[0].message
        assert plan(wish({D: DATABASE}, external=[C]), world).blockers == ()

    def test_what_never_fitted_is_not_ours_to_refuse(self) -> None:
        world = World().ours(C, HTTP).theirs(D, DATABASE)
        assert plan(wish({C: {**HTTP, "timeout_seconds": 5}}), world).blockers == ()

    def test_what_is_no_valid_body_breaks_no_rule(self) -> None:
        world = World().ours(C, HTTP).row(D, {"type": "api", "connector": "c", "paths": 5})
        assert plan(wish({C: SQL}), world).blockers == ()


def _after(made: Plan, world: World) -> dict[Address, Resource]:
    rows = {a: Resource(a, canonical(normal(row).body)) for a, row in world.rows.items()}
    for change in made.changes:
        if change.action is Action.DELETE:
            del rows[change.address]
        elif change.action is not Action.FORGET:
            rows[change.address] = Resource(change.address, change.new_text or "")
    return rows


def _broken(rows: Mapping[Address, Resource]) -> list[str]:
    return [p.message for one in rows.values() if one.address.kind in ruled() for p in misfits(one, rows.get)]


def test_whatever_is_selected_what_is_left_fits() -> None:
    """Random states, of which a random part is another project's; a random part of the next one is selected."""
    refusals = 0
    for seed in range(400):
        random = Random(seed)
        before, after = fitting(random), fitting(random)
        theirs = {name for name in before if random.random() < 0.2}
        world = World()
        for name, body in before.items():
            if name in theirs:
                world.theirs(name, body)
            else:
                world.ours(name, body)
        bodies = {name: body for name, body in after.items() if name not in theirs}
        selection = some(random, {**before, **after})
        try:
            made = plan(wish(bodies, external=theirs), world, selection)
        except ConfigurationInvalid:
            refusals += 1
            continue
        if made.blockers:
            refusals += 1
            continue
        assert _broken(_after(made, world)) == [], seed
    assert 50 < refusals < 350


def test_a_resource_is_judged_by_the_same_rules_as_when_it_is_loaded() -> None:
    rows = {at(C): resource(C, SQL), at(D): resource(D, API)}
    assert [(p.code, p.address) for p in misfits(rows[at(D)], rows.get)] == [
        ("connector-mismatch", "acme/datasource/d")
    ]
