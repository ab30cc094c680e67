"""Effects of changes on calls of models: a route is compared way by way, each against the decision on it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from reconciler.access.decide import Ask, decide, subject_of
from reconciler.access.effects import effects_of
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.effects import NARROWED, WIDENED
from reconciler.model.known import Known, Text
from reconciler.model.plan import Action, Change
from reconciler.model.spec import Spec

from .test_models import INTEGRATIONS, ROUTES, policy

Files = dict[str, dict[str, Any]]
BASE: Files = {
    **{f"integration/{name}": one for name, one in INTEGRATIONS.items()},
    "route/fast": ROUTES["fast"],
    "caller/bot": {"auth": {"api_key": {}}},
    "policy/a": policy("route/*"),
}


def text(name: str, raw: Any) -> str:
    kind, _, own = name.partition("/")
    spec = parse(KINDS[kind], raw, Address("acme", kind, own))
    assert isinstance(spec, Spec), spec
    return canonical(spec.normalised())


def known(files: Files) -> list[Known]:
    return [
        Known(Address("acme", *name.split("/")), name, Text(text(name, raw), 1), "p", True)
        for name, raw in files.items()
    ]


def tenant(files: Files) -> Tenant:
    return snapshot_of(known(files)).tenant("acme")


def effects(before: Files, after: Files, moved: dict[str, str] | None = None) -> Any:
    changes = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new or name in (moved or {}):
            continue
        was = next((one for one, now in (moved or {}).items() if now == name), None)
        old = before[was] if was else old
        action = Action.UPDATE if old and new else Action.CREATE if new else Action.DELETE
        texts = [None if raw is None else text(name, raw) for raw in (old, new)]
        previous = Address("acme", *was.split("/")) if was else None
        uid = was or (name if old is not None else None)
        changes.append(Change(Address("acme", *name.split("/")), action, *texts, previous=previous, uid=uid))
    return effects_of(known(before), changes, "p")


def reached(found: Any) -> set[tuple[bool, str]]:
    return {(one.widened, reach.target) for one in found.effects.listed for reach in one.reaches}


def test_a_deny_on_an_integration_narrows_the_route() -> None:
    found = effects(BASE, {**BASE, "policy/d": policy("integration/openai", effect="deny")})
    assert reached(found) == {(False, "route/fast/openai")}
    assert found.risks == {Address("acme", "policy", "d"): frozenset({NARROWED})}


def test_another_integration_in_a_route_widens() -> None:
    less = {**BASE, "route/fast": {**ROUTES["fast"], "deployments": ROUTES["fast"]["deployments"][:1]}}
    found = effects(less, BASE)
    assert reached(found) == {(True, "route/fast/azure")}
    assert found.risks == {Address("acme", "route", "fast"): frozenset({WIDENED})}


@pytest.mark.parametrize("name", ["route/fast", "integration/openai"])
def test_what_is_switched_off_is_lost(name: str) -> None:
    found = effects(BASE, {**BASE, name: {**BASE[name], "enabled": False}})
    ways = {"route/fast": {"route/fast/openai", "route/fast/azure"}, "integration/openai": {"route/fast/openai"}}
    assert reached(found) == {(False, way) for way in ways[name]}


def test_a_new_route_is_gained_and_a_deleted_one_lost() -> None:
    without = {name: raw for name, raw in BASE.items() if name != "route/fast"}
    ways = {"route/fast/openai", "route/fast/azure"}
    assert reached(effects(without, BASE)) == {(True, way) for way in ways}
    assert reached(effects(BASE, without)) == {(False, way) for way in ways}


def test_a_rename_of_an_integration_changes_nothing() -> None:
    deployments = [
        {**one, "integration": "oai"} if one["integration"] == "openai" else one
        for one in ROUTES["fast"]["deployments"]
    ]
    after = {name: raw for name, raw in BASE.items() if name != "integration/openai"}
    after |= {
        "integration/oai": BASE["integration/openai"],
        "route/fast": {**ROUTES["fast"], "deployments": deployments},
    }
    assert reached(effects(BASE, after, {"integration/openai": "integration/oai"})) == set()


def _random(chosen: random.Random) -> Files:
    files: Files = {"caller/bot": BASE["caller/bot"]}
    for name, raw in INTEGRATIONS.items():
        more = {"classification": chosen.choice(["public", "restricted"])} if chosen.random() < 0.5 else {}
        files[f"integration/{name}"] = {**raw, **more, "enabled": chosen.random() < 0.8}
    for name in ("fast", "slow"):
        names = chosen.sample([*INTEGRATIONS], chosen.randint(1, 2))
        deployments = [{"integration": one, "model": "gpt-5"} for one in names]
        if chosen.random() < 0.8:
            files[f"route/{name}"] = {"models": [name], "deployments": deployments, "enabled": chosen.random() < 0.8}
    for number in range(chosen.randint(1, 4)):
        names = chosen.choice([("route/*",), ("integration/*",), ("route/fast",), ("integration/openai",), ("*/*",)])
        more = {"classification": [chosen.choice(["public", "restricted"])]} if chosen.random() < 0.3 else {}
        files[f"policy/p{number}"] = policy(*names, effect=chosen.choice(["allow", "allow", "deny"]), **more)
    return files


def _may(where: Tenant) -> set[str]:
    subject = subject_of(where, "bot")
    assert not isinstance(subject, str)
    asks = [*where.names("integration")]
    for name in where.names("route"):
        found = where.target(name)
        asks += [] if isinstance(found, str) else found.alternatives
    return {ask for ask in asks if decide(where, subject, Ask(ask)).allowed}


@pytest.mark.parametrize("seed", range(150))
def test_effects_are_what_asking_for_everything_finds(seed: int) -> None:
    chosen = random.Random(seed)
    before, after = _random(chosen), _random(chosen)
    old, new = _may(tenant(before)), _may(tenant(after))
    assert reached(effects(before, after)) == {(True, one) for one in new - old} | {(False, one) for one in old - new}
