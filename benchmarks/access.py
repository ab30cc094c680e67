"""What the effect diff of access costs at size: a tenant of many callers and targets, and single changes in it.

    python -m benchmarks.access [--callers 1000] [--targets 10000]

Half of the callers have one of a hundred sets of roles, a tenth a policy of their own; targets lie in a hundred datasources and carry
labels of fifty teams. Each row is one change, or the creation of everything.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from reconciler.access.effects import effects_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS, SPEC_VERSIONS
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical
from reconciler.model.known import Known, Text
from reconciler.model.plan import Action, Change
from reconciler.model.spec import Spec

TENANT, PROJECT = "acme", "shop"
TEAMS, SOURCES, ROLES = 50, 100, 20
CLASSES = ("public", "internal", "confidential", "restricted")


def body(kind: str, raw: Body) -> Body:
    spec = parse(KINDS[kind], raw, Address(TENANT, kind, "x"))
    if not isinstance(spec, Spec):
        raise ValueError(spec)
    return spec.normalised()


def resources(callers: int, targets: int) -> Iterator[tuple[str, str, Body]]:
    """Kind, name and normalised body of everything in the tenant."""
    for n in range(10):
        yield "connector", f"c-{n}", body("connector", {"type": "sql", "dialect": "sqlite", "database": f"{n}.db"})
    for n in range(SOURCES):
        raw: Body = {"type": "database", "connector": f"c-{n % 10}", "classification": CLASSES[n % 4]}
        raw |= {"access_roles": [f"role-{n % ROLES}"]} if n % 7 == 0 else {}
        yield "datasource", f"d-{n}", body("datasource", raw)
    for n in range(targets):
        raw = {"type": "sql", "datasource": f"d-{n % SOURCES}", "sql": f"SELECT {n}"}
        yield "template", f"t-{n}", body("template", {**raw, "labels": {"team": f"team-{n % TEAMS}"}})
    key = {"api_key": {"max_age_days": 90}}
    for n in range(callers):
        roles = sorted({f"role-{n % ROLES}", f"role-{n // ROLES % 5}"})
        yield "caller", f"bot-{n}", body("caller", {"roles": roles, "auth": key})
    for n in range(TEAMS):
        yield "policy", f"team-{n}", policy({"roles": [f"role-{n % ROLES}"]}, {"labels": {"team": f"team-{n}"}})
    for n in range(callers // 10):
        yield "policy", f"own-{n}", policy({"callers": [f"bot-{n}"]}, {"names": [f"template/t-{n}?"]})
    yield "policy", "kept", policy("any", {"classification": ["restricted"]}, "deny")


def policy(subjects: Any, targets: Any, effect: str = "allow") -> Body:
    return body("policy", {"effect": effect, "subjects": subjects, "actions": "any", "targets": targets})


def changes(known: dict[str, Known]) -> Iterator[tuple[str, list[Change]]]:
    def update(kind: str, name: str, **fields: Any) -> Change:
        one = known[f"{kind}/{name}"]
        old = one.live.json if one.live else ""
        return Change(one.address, Action.UPDATE, old, canonical({**parsed(old), **fields}), uid=one.uid)

    yield "a caller gets another role", [update("caller", "bot-7", roles=["role-7", "role-9"])]
    yield "a policy allows everybody", [update("policy", "team-3", subjects="any")]
    yield "a policy allows everything", [update("policy", "team-3", targets="any")]
    yield "a deny is gone", [Change(known["policy/kept"].address, Action.DELETE, "{}", None)]
    yield "a template loses its label", [update("template", "t-77", labels={})]
    yield "a datasource loses its roles", [update("datasource", "d-7", access_roles=[])]
    yield "a hundred callers get another role", [update("caller", f"bot-{n}", roles=["role-3"]) for n in range(100)]


def parsed(text: str) -> Body:
    import orjson

    found: Body = orjson.loads(text)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=1000)
    parser.add_argument("--targets", type=int, default=10_000)
    given = parser.parse_args()
    known = {
        f"{kind}/{name}": Known(
            Address(TENANT, kind, name), f"{kind}{name}", Text(canonical(one), SPEC_VERSIONS[kind]), PROJECT, True
        )
        for kind, name, one in resources(given.callers, given.targets)
    }
    print(
        f"| {given.callers:,} callers x {given.targets:,} targets | s | pairs more | pairs fewer |\n|---|---|---|---|"
    )
    created = [Change(one.address, Action.CREATE, None, one.live.json) for one in known.values() if one.live]
    for what, some in (*changes(known), ("everything is created", created)):
        started = time.process_time()
        found = effects_of([] if some is created else known.values(), some, PROJECT).effects
        took = time.process_time() - started
        print(f"| {what} | {took:.2f} | {found.widened:,} | {found.narrowed:,} |")


if __name__ == "__main__":
    main()
