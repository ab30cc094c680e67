"""Decisions agree with a model that was written apart from them; what is listed is what can be called."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from reconciler.access.decide import Ask, decide, subject_of, tools_of
from reconciler.access.snapshot import Snapshot, snapshot_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.access import ACTIONS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec
from tests.access.model import Row, World, judged, tools

ROLES = ["analyst", "admin", "guest"]
LABELS = [{}, {}, {"team": "sales"}, {"team": "ops"}, {"team": "sales", "tier": "1"}]
CLASSES = [None, "public", "internal", "confidential", "restricted"]
TENANT = "acme"


def body(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    spec = parse(KINDS[kind], raw, Address(TENANT, kind, "x"))
    assert isinstance(spec, Spec), (kind, raw, spec)
    return spec.normalised()


def some(chosen: random.Random, items: list[str], most: int = 2) -> list[str]:
    return sorted(chosen.sample(items, chosen.randint(1, min(most, len(items)))))


def policy(chosen: random.Random, world: World) -> dict[str, Any]:
    names = [name for name in world if name.partition("/")[0] in {"template", "plane", "datasource", "connector"}]
    patterns = ["template/*", "*/*", "plane/?*", "template/t?", "datasource/d*", *names]
    subjects: Any = {}
    if chosen.random() < 0.3:
        subjects["callers"] = some(chosen, ["bot", "b*", "other", "*", "?ot"])
    if chosen.random() < 0.5:
        subjects["roles"] = some(chosen, ROLES)
    if chosen.random() < 0.15:
        subjects["labels"] = {"team": "sales"}
    targets: Any = {}
    if chosen.random() < 0.6:
        targets["names"] = some(chosen, patterns)
    if chosen.random() < 0.2:
        targets["labels"] = {"team": chosen.choice(["sales", "ops"])}
    if chosen.random() < 0.3:
        targets["classification"] = some(chosen, [one for one in CLASSES if one], 3)
    actions: Any = some(chosen, [*ACTIONS], 3) if chosen.random() < 0.4 else "any"
    effect = "deny" if chosen.random() < 0.3 else "allow"
    return body(
        "policy", {"effect": effect, "subjects": subjects or "any", "actions": actions, "targets": targets or "any"}
    )


def made(seed: int) -> World:
    chosen = random.Random(seed)
    world: World = {}

    def put(name: str, one: dict[str, Any] | None, **more: Any) -> None:
        fields: dict[str, Any] = {"settled": chosen.random() > 0.08, "suspended": chosen.random() < 0.03}
        fields["project"] = chosen.choices(["p1", "p2", None], [8, 2, 1])[0]
        if chosen.random() < 0.02:
            one = None
        world[name] = Row(one, **{**fields, **more})

    for number in range(chosen.randint(1, 2)):
        raw = {
            "type": "sql",
            "dialect": "sqlite",
            "database": "x.db",
            "read_only": chosen.random() < 0.1,
            "labels": chosen.choice(LABELS),
        }
        put(f"connector/c{number}", body("connector", raw))
    put(
        "connector/h",
        body(
            "connector",
            {
                "type": "http",
                "base_url": "https://x.example",
                "labels": chosen.choice(LABELS),
                "allowed_methods": chosen.choice([["GET", "HEAD"], ["GET", "HEAD", "POST"], ["GET", "HEAD", "POST"]]),
            },
        ),
    )
    for number in range(chosen.randint(1, 3)):
        raw = {"type": "database", "connector": f"c{chosen.randint(0, 1)}", "labels": chosen.choice(LABELS)}
        if one := chosen.choice(CLASSES):
            raw["classification"] = one
        raw["lifecycle"] = chosen.choices(["active", "inactive", "deprecated"], [10, 1, 1])[0]
        if chosen.random() < 0.45:
            raw["access_roles"] = some(chosen, ROLES)
        put(f"datasource/d{number}", body("datasource", raw))
    for number in range(chosen.randint(1, 4)):
        common: dict[str, Any] = {"labels": chosen.choice(LABELS)}
        if chosen.random() < 0.2:
            common["shared_with"] = [chosen.choice(["p1", "p2"])]
        if chosen.random() < 0.3:
            common["tool_name"] = chosen.choice(["one_tool", "two_tools"])
        if chosen.random() < 0.7:
            reads = chosen.random() < 0.8
            raw = {
                "type": "sql",
                "datasource": f"d{chosen.randint(0, 2)}",
                "sql": "SELECT 1",
                "read_only": reads,
                **common,
            }
            raw |= {"action": chosen.choice(["search", "list"])} if reads and chosen.random() < 0.2 else {}
        else:
            raw = {
                "type": "http",
                "connector": "h",
                "method": chosen.choice(["GET", "HEAD", "POST"]),
                "path": "/x",
                **common,
            }
        put(f"template/t{number}", body("template", raw))
    for number in range(chosen.randint(0, 2)):
        actions = {chosen.choice(ACTIONS): f"template/t{chosen.randint(0, 4)}"}
        raw = {"datasources": some(chosen, ["d0", "d1", "d2"], 3), "actions": actions, "labels": chosen.choice(LABELS)}
        put(f"plane/p{number}", body("plane", raw))
    for name in ("bot", "other"):
        raw = {
            "auth": {"api_key": {"max_age_days": 1}},
            "labels": chosen.choice(LABELS),
            "enabled": chosen.random() > 0.05,
        }
        raw["roles"] = some(chosen, ROLES) if chosen.random() < 0.8 else []
        put(f"caller/{name}", body("caller", raw))
    for number in range(chosen.randint(1, 5)):
        one = policy(chosen, world)
        more: dict[str, Any] = {"applied": policy(chosen, world)} if chosen.random() < 0.1 else {}
        if more and chosen.random() < 0.5:
            more |= {"is_there": False}
        put(f"policy/y{number}", one, **more)
        row = world[f"policy/y{number}"]
        if not row.is_there:
            world[f"policy/y{number}"] = row._replace(body=None, settled=False)
        elif row.applied is not None:
            world[f"policy/y{number}"] = row._replace(settled=False)
    return {name: _kept_off(random.Random(f"{seed} {name}"), name, row) for name, row in world.items()}


def _kept_off(chosen: random.Random, name: str, row: Row) -> Row:
    """Now and then agents are not meant to use something, or the runtime can't."""
    kind = name.partition("/")[0]
    if row.body is None or kind not in {"template", "datasource", "connector"} or chosen.random() > 0.12:
        return row
    if row.body.get("dialect"):
        return row._replace(body={**row.body, "dialect": "bigquery"})
    return row._replace(body={**row.body, "runtime": False})


def snapshot(world: World) -> Snapshot:
    def known(name: str, row: Row) -> Known:
        kind, _, short = name.partition("/")
        live = None if not row.is_there else Text(canonical(row.body) if row.body is not None else '{"no": "body"}', 1)
        applied = Text(canonical(row.applied), 1) if row.applied is not None else None
        return Known(Address(TENANT, kind, short), name, live, row.project, row.settled, applied, row.suspended)

    return snapshot_of(known(name, row) for name, row in world.items())


def test_five_thousand_decisions() -> None:
    counted: Counter[str] = Counter()
    chosen = random.Random(1)
    for seed in range(1000):
        world = made(seed)
        tenant = snapshot(world).tenant(TENANT)
        for _ in range(5):
            caller = chosen.choice(["bot", "bot", "other", "nobody"])
            roles = {chosen.choice(ROLES)} if chosen.random() < 0.3 else set()
            targets = [name for name in world if name.startswith(("template/", "plane/"))]
            target = chosen.choice([*targets, *targets, "template/none", "connector/c0"])
            action = chosen.choice(ACTIONS) if chosen.random() < 0.15 else None
            if target.startswith("plane/") and world[target].body is not None and chosen.random() < 0.8:
                action = next(iter(world[target].body["actions"]))  # type: ignore[index]
            expected = judged(world, caller, roles, target, action)
            subject = subject_of(tenant, caller, frozenset(roles))
            found = None if isinstance(subject, str) else decide(tenant, subject, Ask(target, action))
            allowed = found is not None and found.allowed
            assert allowed == expected.allowed, (seed, caller, roles, target, action, found, expected)
            if found is not None and expected.policy is not None:
                assert found.policy == expected.policy, (seed, caller, target, found, expected)
            counted["allowed" if allowed else (found.reason if found else "caller")] += 1
    assert counted.total() == 5000
    # a sample in which nothing happens would prove nothing
    for outcome in (
        "allowed",
        "denied",
        "no-policy",
        "access-roles",
        "inactive",
        "suspended",
        "unusable",
        "action-mismatch",
        "policy-broken",
        "tool-name-taken",
        "not-for-agents",
        "not-supported",
        "caller",
    ):
        assert counted[outcome] >= 20, counted


def test_what_is_listed_is_what_can_be_called() -> None:
    some_listed = 0
    for seed in range(10_000, 10_200):
        world = made(seed)
        tenant = snapshot(world).tenant(TENANT)
        for caller in ("bot", "other"):
            subject = subject_of(tenant, caller)
            listed = {} if isinstance(subject, str) else tools_of(tenant, subject)
            assert {tool: one.name for tool, one in listed.items()} == tools(world, caller, set()), seed
            assert [*listed] == sorted(listed)
            for target in [name for name in world if name.startswith("template/")]:
                if not isinstance(subject, str):
                    is_listed = target in {one.name for one in listed.values()}
                    assert decide(tenant, subject, Ask(target)).allowed == is_listed
            some_listed += len(listed)
    assert some_listed >= 40
