"""Which deployment comes first, and which are left out."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

from reconciler.access.models import Way
from reconciler.runtime.llm.choice import Cooldowns, Ranked, affinity_of, counts, in_order, key_of, well


def way(name: str, weight: int = 1) -> Way:
    connector = SimpleNamespace(known=SimpleNamespace(uid=name))
    return Way(cast(Any, SimpleNamespace(tenant="acme", connector=connector)), "m", weight)


A, B, C = way("a"), way("b", 3), way("c")


def test_priority_is_the_order_of_the_route() -> None:
    assert in_order([A, B, C], "priority", "") == [A, B, C]


def test_weights_are_shares() -> None:
    chance = random.Random(7).random
    first = Counter(id(in_order([A, B], "weighted", "", chance)[0]) for _ in range(4000))
    assert 0.72 < first[id(B)] / 4000 < 0.78


def test_a_session_keeps_to_its_deployment_and_others_stay_when_one_goes() -> None:
    sessions = [f"session {n}" for n in range(2000)]
    before = {one: in_order([A, B, C], "weighted", one)[0] for one in sessions}
    assert before == {one: in_order([A, B, C], "weighted", one)[0] for one in sessions}
    shares = Counter(id(one) for one in before.values())
    assert 0.55 < shares[id(B)] / 2000 < 0.65
    after = {one: in_order([A, B], "weighted", one)[0] for one in sessions}
    assert all(after[one] is before[one] for one in sessions if before[one] is not C)


def test_sessions_of_two_callers_are_two() -> None:
    assert affinity_of({"affinity": "session"}, "u1", "s") != affinity_of({"affinity": "session"}, "u2", "s")
    assert affinity_of({"affinity": "session"}, "u1", "") == affinity_of({"affinity": "none"}, "u1", "s") == ""
    assert affinity_of({"affinity": "caller"}, "u1", "s") == affinity_of({"affinity": "caller"}, "u1", "t")


def test_failures_in_a_row_leave_a_deployment_out_for_a_while() -> None:
    now = [100.0]
    cooldowns, key = Cooldowns(lambda: now[0]), key_of(A)
    cooldowns.failed(key, 3, 30)
    cooldowns.failed(key, 3, 30)
    cooldowns.succeeded(key)
    for _ in range(2):
        cooldowns.failed(key, 3, 30)
    assert cooldowns.left(key) == 0
    cooldowns.failed(key, 3, 30)
    assert cooldowns.left(key) == 30
    assert cooldowns.left(key_of(B)) == 0
    now[0] += 31
    assert cooldowns.left(key) == 0


def test_if_all_are_left_out_the_first_to_recover_is_tried() -> None:
    assert well([Ranked(A, 5.0), Ranked(B, 0.0)]) == [B]
    assert well([Ranked(A, 5.0), Ranked(B, 2.0)]) == [B]
    assert well([Ranked(A, 5.0)]) == [A]
    assert well([]) == []


def test_what_says_that_a_deployment_is_not_well() -> None:
    assert [one for one in (400, 401, 403, 404, 413, 422, 429, 500, 503, 529) if counts(one)] == [
        401,
        403,
        429,
        500,
        503,
        529,
    ]
