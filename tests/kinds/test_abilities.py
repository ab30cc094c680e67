"""What may be done with a kind stands on the kind, and everybody asks there: validation, JSON Schema, freezes, the operators' API."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.cli.freeze import parse_target
from reconciler.errors import UsageError
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS, TOOL, calls_of, freezable, kinds_that
from reconciler.model.kind import Ability
from reconciler.model.resource import resource_of
from reconciler.model.spec import Spec
from reconciler.render.schemas import schemas
from reconciler.runtime.surfaces.openapi import openapi

from .support import address

CHECKERS = {name: Draft202012Validator(schemas()[name]) for name in ("limit", "policy")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_names_it(kind: str) -> None:
    targets = {"names": [f"{kind}/x"]}
    raw = {"effect": "deny", "subjects": "any", "actions": "any", "targets": targets}
    able = KINDS[kind].can(Ability.NAMEABLE)
    assert isinstance(parse(KINDS["policy"], raw, address("policy")), Spec) == able
    assert CHECKERS["policy"].is_valid(raw) == able


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("amount", ["requests", "tokens"])
def test_a_limit_is_on_it(kind: str, amount: str) -> None:
    raw: dict[str, Any] = {"target": f"{kind}/x", "per": "day", amount: 5}
    able = KINDS[kind].can(Ability.LIMITABLE)
    spec = parse(KINDS["limit"], raw, address("limit"))
    fits = isinstance(spec, Spec) and not [
        *KINDS["limit"].check(resource_of(address("limit"), spec), lambda _address: None)
    ]
    assert fits == (able and (amount == "requests" or KINDS[kind].can(Ability.METERED)))
    if amount == "requests":
        assert CHECKERS["limit"].is_valid(raw) == able


@pytest.mark.parametrize("kind", [*KINDS, TOOL, "nothing"])
def test_a_freeze_is_of_it(kind: str) -> None:
    target = f"acme/{kind}/x"
    if kind in freezable():
        assert parse_target(target) == target
    else:
        with pytest.raises(UsageError):
            parse_target(target)


def test_operators_list_it() -> None:
    paths = openapi("operators")["paths"]
    for name, kind in KINDS.items():
        listed = "post" not in paths.get(f"/v1/tenants/{{tenant}}/{kind.plural}", {"post": 0})
        assert listed == kind.can(Ability.LISTED) or name == "limit"  # what lists limits tells how they are used
        assert f"/v1/tenants/{{tenant}}/{kind.plural}/{{name}}" in paths


def test_what_can_be_called_can_be_named_and_frozen() -> None:
    """A target that no policy could name could never be allowed, and one that nobody can freeze never be stopped."""
    callable_kinds = {name for name, kind in KINDS.items() if kind.calls is not None}
    assert callable_kinds == {
        "template",
        "plane",
        "connector",
        "integration",
        "route",
    }  # a connector is called by its parts
    assert callable_kinds <= {*kinds_that(Ability.NAMEABLE)} & {*kinds_that(Ability.FREEZABLE)}
    assert {*calls_of()} == {"template", "plane", "tool", "integration", "route"}
