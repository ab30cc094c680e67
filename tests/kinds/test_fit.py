"""Rules that are asked once for tenants that are alike say what they say when each is asked."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest

from reconciler.kinds.accept import Accepted, accept
from reconciler.kinds.fit import Fits, misfits
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.resource import Resource
from tests.kinds.support import REF

SQL: Body = {"type": "sql", "dialect": "postgresql", "dsn": REF}
HTTP: Body = {"type": "http", "base_url": "https://api.example.com"}
CONNECTORS: tuple[Body, ...] = (
    SQL,
    {**SQL, "dsn": "vault://kv/acme/other#key"},
    {**SQL, "max_rows": 5},
    {**SQL, "read_only": True},
    {**SQL, "dialect": "sqlite"},
    HTTP,
    {**HTTP, "allowed_methods": ["POST"]},
)
SOURCES: tuple[Body, ...] = (
    {"type": "database", "connector": "c"},
    {"type": "database", "connector": "c", "tables": ["public.orders"]},
    {"type": "database", "connector": "other"},
    {"type": "api", "connector": "c", "paths": ["/v1"]},
)
TEMPLATES: tuple[Body, ...] = (
    {"type": "sql", "datasource": "d", "sql": "SELECT id FROM public.orders", "max_rows": 10},
    {"type": "sql", "datasource": "d", "sql": "DELETE FROM public.orders", "read_only": False},
    {"type": "http", "datasource": "d", "method": "GET", "path": "/v1"},
)


def _resource(address: Address, body: Body) -> Resource:
    found = accept(KINDS[address.kind], body, address)
    assert isinstance(found, Accepted), found
    return Resource(address, found.text)


def _state(tenants: int, dice: Random) -> dict[Address, Resource]:
    found = {}
    for number in range(tenants):
        for kind, name, bodies in (
            ("connector", "c", CONNECTORS),
            ("datasource", "d", SOURCES),
            ("template", "t", TEMPLATES),
        ):
            if dice.random() < 0.95:
                address = Address(f"t{number}", kind, name)
                found[address] = _resource(address, dice.choice(bodies))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_every_tenant_is_judged_as_if_it_were_alone(seed: int) -> None:
    state, fits = _state(120, Random(seed)), Fits()
    found = [fits.misfits(one, state.get) for one in state.values()]
    assert found == [misfits(one, state.get) for one in state.values()]
    assert any(found)
    assert not all(found)


def test_what_is_alike_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Resource]()

    def counted(one: Resource, lookup: object) -> list[object]:
        asked.append(one)
        return misfits(one, lookup)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr("reconciler.kinds.fit.misfits", counted)
    bodies: Mapping[str, Body] = {"connector": CONNECTORS[0], "datasource": SOURCES[1], "template": TEMPLATES[0]}
    names = {"connector": "c", "datasource": "d", "template": "t"}
    state = {}
    for number in range(50):
        for kind, body in bodies.items():
            address = Address(f"t{number}", kind, names[kind])
            # each tenant has a secret of its own, which no rule reads
            own = {**body, "dsn": f"vault://kv/t{number}/db#dsn"} if kind == "connector" else body
            state[address] = _resource(address, own)
    fits = Fits()
    assert not any(fits.misfits(one, state.get) for one in state.values())
    assert len([one for one in asked if one.address.kind != "connector"]) == 2
