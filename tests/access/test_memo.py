"""What a snapshot remembers is bounded: roles come from tokens, and may be combined at will."""

from __future__ import annotations

from reconciler.access.decide import Ask, decide
from reconciler.access.memo import Memo
from reconciler.access.rule import Subject
from tests.access.test_reference_model import TENANT, made, snapshot


def test_it_is_never_larger() -> None:
    memo = Memo[int, int](3)
    for number in range(100):
        memo.keep(number, number)
        assert memo.get(number) == number
        assert len(memo) <= 3


def test_decisions_are_remembered_by_caller_roles_and_target() -> None:
    tenant = snapshot(made(0)).tenant(TENANT)
    subject = Subject("bot", frozenset())
    target = next(name for name in tenant.names("template") if not isinstance(tenant.target(name), str))
    first = decide(tenant, subject, Ask(target))
    assert decide(tenant, subject, Ask(target)) is first
    assert decide(tenant, subject._replace(roles=frozenset({"more"})), Ask(target)) is not first
