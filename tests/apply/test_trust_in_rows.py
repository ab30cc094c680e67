"""A plan file is untrusted: rows may not be used twice by what it says."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.apply.trust import check
from reconciler.errors import IntegrityFailed
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.spec import Spec

A, B = Address("acme", "limit", "a"), Address("acme", "limit", "b")


def body() -> dict[str, object]:
    spec = parse(KINDS["limit"], {"target": "tenant", "per": "day", "requests": 1}, A)
    assert isinstance(spec, Spec)
    return spec.normalised()


PLAN = Plan("shop", None, None, 0, "", "current", "", "", ())
MOVE = Change(B, Action.MOVE, body(), body(), previous=A, uid="u", row_version=1)


@pytest.mark.parametrize(
    "other",
    [
        Change(A, Action.DELETE, body(), None, uid="u", row_version=1),
        Change(A, Action.UPDATE, body(), body(), uid="u", row_version=1),
        Change(A, Action.REPLACE, body(), body(), uid="u", row_version=1),
        Change(A, Action.ADOPT, body(), body(), adopted_from="", uid="u", row_version=1),
        Change(A, Action.FORGET, body(), body(), uid="u", row_version=1),
    ],
)
def test_what_moves_is_not_changed_besides(other: Change) -> None:
    with pytest.raises(IntegrityFailed, match="acme/limit/a moves and is changed"):
        check(replace(PLAN, changes=(MOVE, other)))


def test_what_takes_its_place_is_no_change_of_it() -> None:
    check(replace(PLAN, changes=(MOVE, Change(A, Action.CREATE, None, body()))))
    check(replace(PLAN, changes=(MOVE, replace(MOVE, address=A, previous=B, uid="v"))))
