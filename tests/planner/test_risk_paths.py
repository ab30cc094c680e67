"""Whichever way a body comes into the place of another, its fields have the risks that a change of them has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import TypeAlias

import pytest

from reconciler.kinds.table import KINDS
from reconciler.kinds.targets import carrying
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, digest
from reconciler.model.live import Applied
from reconciler.model.plan import Action, Change
from reconciler.model.resource import Resource
from reconciler.model.spec import Spec
from reconciler.planner.names import Names
from reconciler.planner.risks import risks_of, with_risks
from reconciler.planner.sharing import holders_of, secrets_of, secrets_taken_up
from tests.kinds import full
from tests.kinds.test_facts import VARIANTS, changed, normal, targets

TENANT = "acme"
TRIES = 1
OF_ITSELF = {"replaces", "protection-removed"}


def at(kind: str, name: str) -> Address:
    return Address(TENANT, kind, name)


def names(changes: list[Change], live: Mapping[Address, Body] = {}, records: Mapping[Address, Body] = {}) -> Names:
    """What stands for what, where ``live`` stays as it is and ``records`` were applied last."""
    there = {c.previous or c.address: c.before for c in changes if c.before is not None} | live
    found = {address: Resource(address, canonical(body)) for address, body in there.items()}
    applied = {a: Applied(a, "uid", canonical(body), 1, digest(body), 1) for a, body in records.items()}
    holders = holders_of(secrets_taken_up(changes), ((a, one.text) for a, one in found.items()))
    return Names(changes, found.get, applied.get, holders)


def risks(changes: list[Change], live: Mapping[Address, Body] = {}, records: Mapping[Address, Body] = {}) -> set[str]:
    return {risk for one in with_risks(changes, names(changes, live, records)) for risk in one.risks}


def moved(old: Address, new: str, body: Body) -> Change:
    return Change(old._replace(name=new), Action.MOVE, body, body, previous=old, uid=f"uid-{old.name}")


Way: TypeAlias = Callable[[str, Body, Body], set[str]]


def updated_under_another_name(kind: str, before: Body, after: Body) -> set[str]:
    return risks([Change(at(kind, "y"), Action.UPDATE, before, after, previous=at(kind, "x"))])


def name_taken_by_a_move(kind: str, before: Body, after: Body) -> set[str]:
    return risks([moved(at(kind, "x"), "x-old", before), moved(at(kind, "y"), "x", after)])


def swapped(kind: str, before: Body, after: Body) -> set[str]:
    return risks([moved(at(kind, "x"), "y", before), moved(at(kind, "y"), "x", after)])


def name_of_a_deleted_one_taken(kind: str, before: Body, after: Body) -> set[str]:
    return risks([Change(at(kind, "x"), Action.DELETE, before, None), moved(at(kind, "y"), "x", after)])


def created_where_another_left(kind: str, before: Body, after: Body) -> set[str]:
    return risks([moved(at(kind, "x"), "x-old", before), Change(at(kind, "x"), Action.CREATE, None, after)])


def created_where_somebody_deleted(kind: str, before: Body, after: Body) -> set[str]:
    return risks([Change(at(kind, "x"), Action.CREATE, None, after)], records={at(kind, "x"): before})


def made_by_hand_and_accepted(kind: str, before: Body, after: Body) -> set[str]:
    return risks([Change(at(kind, "x"), Action.ADOPT, after, after, uid="uid")], records={at(kind, "x"): before})


def taken_over(kind: str, before: Body, after: Body) -> set[str]:
    return risks([Change(at(kind, "x"), Action.UPDATE, before, after, adopted_from="other")])


def brought_back(kind: str, before: Body, after: Body) -> set[str]:
    return risks([Change(at(kind, "x"), Action.REPLACE, before, after, restored_uid="old")])


BY_NAME: tuple[Way, ...] = (
    updated_under_another_name,
    name_taken_by_a_move,
    swapped,
    name_of_a_deleted_one_taken,
    created_where_another_left,
    created_where_somebody_deleted,
    made_by_hand_and_accepted,
    taken_over,
    brought_back,
)


def users(kind: str) -> Iterator[tuple[str, Body, Body]]:
    """Bodies that refer to `x` of a kind, and then to `y`."""
    if kind == "connector":
        yield "datasource", {"type": "custom", "connector": "x"}, {"type": "custom", "connector": "y"}
        request = {"type": "http", "method": "GET", "path": "/a"}
        yield "template", request | {"connector": "x"}, request | {"connector": "y"}
    if kind == "datasource":
        query = {"type": "sql", "sql": "SELECT 1"}
        yield "template", query | {"datasource": "x"}, query | {"datasource": "y"}
    if kind == "template":
        runs = {"datasources": ["d"]}
        yield "plane", runs | {"actions": {"query": "template/x"}}, runs | {"actions": {"query": "template/y"}}


def repointed(kind: str, before: Body, after: Body) -> Iterator[set[str]]:
    live = {at(kind, "x"): before, at(kind, "y"): after}
    for user, one, other in users(kind):
        old, new = normal(user, one), normal(user, other)
        assert old is not None
        assert new is not None
        yield risks([Change(at(user, "u"), Action.UPDATE, old, new)], live)
        # the same, where the new one is created with it
        makes = Change(at(kind, "y"), Action.CREATE, None, after)
        yield risks([Change(at(user, "u"), Action.UPDATE, old, new), makes], {at(kind, "x"): before})


def ended_and_begun(kind: str, before: Body, after: Body) -> set[str]:
    return risks(
        [Change(at(kind, "x"), Action.DELETE, before, None), Change(at(kind, "y"), Action.CREATE, None, after)]
    )


def differing(kind: str, variant: str, model: type[Spec]) -> Iterator[tuple[Body, Body]]:
    """Valid bodies that differ in one field, whichever it is, in both directions."""
    random = full.Values(Random(f"{kind} {variant} paths"))
    for raw in full.bodies(kind, variant):
        before = normal(kind, raw)
        assert before is not None
        for path, shape, another in targets(model, raw, random):
            if len(shape.choices) == 1:
                continue
            for _ in range(TRIES):
                after = normal(kind, changed(raw, path, another()))
                if after is not None and canonical(after) != canonical(before):
                    yield before, after
                    yield after, before


@pytest.mark.parametrize(("kind", "variant", "model"), VARIANTS)
def test_a_field_has_its_risks_whichever_way_its_value_comes(kind: str, variant: str, model: type[Spec]) -> None:
    by_whole_bodies = {name for judge in KINDS[kind].judges for name in judge.names}
    for before, after in differing(kind, variant, model):
        plain = risks([Change(at(kind, "x"), Action.UPDATE, before, after)])
        wanted = plain - OF_ITSELF - by_whole_bodies
        for way in BY_NAME:
            assert wanted <= way(kind, before, after), way.__name__
        for found in repointed(kind, before, after) if kind in carrying() else ():
            assert wanted <= found
        if secrets_of(before) & secrets_of(after):
            assert wanted <= ended_and_begun(kind, before, after)


HTTP = {"type": "http", "base_url": "https://a.example", "auth": {"type": "bearer", "token": "env://T"}}
EVIL = HTTP | {"base_url": "https://evil.example"}
STDIO = {"type": "mcp", "transport": "stdio", "command": "server"}
OPENAI = {"provider": "openai", "credential": "env://T"}


def made(kind: str, raw: Body) -> Body:
    found = normal(kind, raw)
    assert found is not None, raw
    return found


def created(kind: str, name: str, raw: Body) -> Change:
    return Change(at(kind, name), Action.CREATE, None, made(kind, raw))


def test_a_creation_risks_nothing_but_the_program_that_it_starts() -> None:
    """A guard against changes of commands, hosts and credentials lets a first apply pass."""
    for kind, variant, _ in VARIANTS:
        for raw in full.bodies(kind, variant):
            found = risks([created(kind, "x", raw)])
            assert found == ({"command-added"} if raw.get("transport") == "stdio" else set())


def test_what_is_taken_over_from_nobody_begins() -> None:
    body = made("connector", STDIO)
    taken = Change(at("connector", "x"), Action.ADOPT, body, body, adopted_from="")
    assert risks([taken]) == {"command-added"}
    evil = made("connector", EVIL)
    adopted = Change(at("connector", "x"), Action.ADOPT, evil, evil, adopted_from="")
    assert risks([adopted], {at("connector", "y"): made("connector", HTTP)}) == {"endpoint-host-changed"}


@pytest.mark.parametrize(
    ("holders", "begins", "elsewhere"),
    [
        ({"connector/a": HTTP}, ("connector", EVIL), True),
        ({"connector/a": HTTP}, ("connector", HTTP), False),
        ({"connector/a": HTTP}, ("connector", EVIL | {"auth": {"type": "none"}}), False),
        ({"connector/a": HTTP, "connector/b": EVIL}, ("connector", EVIL), False),
        ({"integration/a": OPENAI}, ("connector", HTTP), True),
        ({"integration/a": OPENAI}, ("integration", {"provider": "custom", "credential": "env://T", "base_url": "https://x.example"}), True),
        ({"integration/a": OPENAI}, ("integration", {"provider": "mistral", "credential": "env://T"}), False),
        # a text that only mentions the secret is no use of it
        ({"connector/a": HTTP, "connector/b": EVIL | {"auth": {"type": "none"}, "description": "env://T"}}, ("connector", EVIL), True),
        ({}, ("connector", EVIL), False),
    ],
)  # fmt: skip
def test_a_secret_in_use_goes_to_no_other_host_unseen(
    holders: dict[str, Body], begins: tuple[str, Body], elsewhere: bool
) -> None:
    live = {Address.parse(f"acme/{name}"): made(name.partition("/")[0], raw) for name, raw in holders.items()}
    assert risks([created(begins[0], "new", begins[1])], live) == ({"endpoint-host-changed"} if elsewhere else set())


def test_an_update_that_takes_up_a_secret_in_use() -> None:
    live = {at("connector", "a"): made("connector", HTTP)}
    bare = made("connector", EVIL | {"auth": {"type": "none"}})
    taken = Change(at("connector", "b"), Action.UPDATE, bare, made("connector", EVIL))
    assert risks([taken], live) == {"credential-changed", "endpoint-host-changed"}
    assert risks([taken]) == {"credential-changed"}
    kept = Change(
        at("connector", "b"), Action.UPDATE, made("connector", EVIL), made("connector", EVIL | {"rate_limit": 1})
    )
    assert risks([kept], live) == {"limit-lowered"}


def template(path: str, tool: str | None = None, connector: str = "a") -> Body:
    raw = {"type": "http", "method": "GET", "path": path, "connector": connector}
    return made("template", raw | {"tool_name": tool} if tool else raw)


def test_the_name_of_a_tool_comes_to_stand_for_nothing_else_unseen() -> None:
    """Agents know what they call by it."""
    live = {at("connector", "a"): made("connector", HTTP), at("connector", "evil"): made("connector", EVIL)}
    named, other = template("/a", "get_it"), template("/b", "get_it", "evil")
    begins, ends = (at("template", name) for name in ("new", "old"))
    wanted = {"statement-changed", "endpoint-host-changed"}
    for former in (
        Change(ends, Action.DELETE, named, None),
        Change(ends, Action.FORGET, named, named),
        Change(ends, Action.UPDATE, named, template("/a", "get_other")),
        Change(at("template", "get_it"), Action.DELETE, template("/a"), None),
    ):
        for taker in (
            Change(begins, Action.CREATE, None, other),
            Change(begins, Action.UPDATE, template("/b", None, "evil"), other),
        ):
            found = {one.address: {*one.risks} for one in with_risks([former, taker], names([former, taker], live))}
            assert wanted <= found[begins]
    alone = Change(begins, Action.CREATE, None, other)
    assert risks([alone], live) == set()
    kept = Change(ends, Action.UPDATE, named, template("/a", "get_it") | {"description": "d"})
    assert risks([kept, alone], live) == set()


class TestWhereCallsLead:
    """Over planes, templates, datasources and connectors."""

    live: Mapping[Address, Body] = {
        at("connector", "a"): made("connector", HTTP),
        at("connector", "evil"): made("connector", EVIL),
        at("datasource", "d"): made("datasource", {"type": "api", "connector": "a"}),
        at("datasource", "e"): made("datasource", {"type": "api", "connector": "evil"}),
        at("template", "t"): made("template", {"type": "http", "method": "GET", "path": "/a", "datasource": "d"}),
        at("template", "u"): made("template", {"type": "http", "method": "GET", "path": "/a", "datasource": "e"}),
    }

    def judge(self, kind: str, before: Body, after: Body, *others: Change) -> tuple[str, ...]:
        change = Change(at(kind, "z"), Action.UPDATE, made(kind, before), made(kind, after))
        return risks_of(change, names=names([change, *others], self.live))

    def test_over_every_step(self) -> None:
        request = {"type": "http", "method": "GET", "path": "/a"}
        cases: Iterable[tuple[str, Body, Body]] = (
            ("datasource", {"type": "api", "connector": "a"}, {"type": "api", "connector": "evil"}),
            ("template", request | {"datasource": "d"}, request | {"datasource": "e"}),
            ("template", request | {"datasource": "d"}, request | {"connector": "evil"}),
            ("template", request | {"connector": "a"}, request | {"datasource": "e"}),
            (
                "plane",
                {"datasources": ["d", "e"], "actions": {"retrieve": "template/t"}},
                {"datasources": ["d", "e"], "actions": {"retrieve": "template/u"}},
            ),
        )
        for kind, before, after in cases:
            assert self.judge(kind, before, after) == ("endpoint-host-changed",)

    def test_the_same_end_is_no_risk(self) -> None:
        request = {"type": "http", "method": "GET", "path": "/a"}
        assert self.judge("template", request | {"datasource": "d"}, request | {"connector": "a"}) == ()

    def test_one_more_takes_nobodys_place(self) -> None:
        plane = {"datasources": ["d"], "actions": {"retrieve": "template/t"}}
        assert self.judge("plane", plane, plane | {"datasources": ["d", "e"]}) == ()
        more = {"retrieve": "template/t", "query": "template/u"}
        assert self.judge("plane", plane, plane | {"actions": more}) == ()

    def test_what_moves_away_is_followed(self) -> None:
        """The name of what it followed may go to another: nothing is reached that was not reached before."""
        away = moved(at("connector", "a"), "a-old", self.live[at("connector", "a")])
        new = created("connector", "a", EVIL)
        before, after = {"type": "api", "connector": "a"}, {"type": "api", "connector": "a-old"}
        assert self.judge("datasource", before, after, away, new) == ()
        assert risks_of(new, names=names([away, new])) == ("endpoint-host-changed",)

    def test_what_moves_away_is_followed_over_every_step(self) -> None:
        """What changes with its name has its own risks."""
        old, new = at("connector", "a"), at("connector", "a-2")
        away = Change(new, Action.UPDATE, self.live[old], made("connector", EVIL), previous=old)
        follows = Change(
            at("datasource", "d-2"),
            Action.UPDATE,
            self.live[at("datasource", "d")],
            made("datasource", {"type": "api", "connector": "a-2"}),
            previous=at("datasource", "d"),
        )
        request = {"type": "http", "method": "GET", "path": "/a"}
        assert (
            self.judge("template", request | {"datasource": "d"}, request | {"connector": "a-2"}, away, follows) == ()
        )

    def test_a_limit_leads_nowhere(self) -> None:
        limit = {"target": "connector/a", "concurrent": 1}
        found = self.judge("limit", limit, limit | {"target": "connector/evil"})
        assert found == ("limit-raised", "limit-lowered")
