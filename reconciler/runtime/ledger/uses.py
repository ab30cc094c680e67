"""The use of an approval: one statement in the transaction of the intent, which decides whether the call may run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.runtime.ledger.entries import Intent

_USE = (
    "UPDATE approvals SET state = 'used', evidence = {0}1 WHERE id = {0}2 AND bound = {0}3 AND state = 'approved' "
    "AND expires > {0}4"
)
_GIVE_BACK = "UPDATE approvals SET state = 'approved', evidence = '' WHERE id = {0}1 AND evidence = {0}2"
_FORGET = (
    "UPDATE approvals SET sealed = '' WHERE length(sealed) > 0 AND (state IN ('used', 'denied') OR expires <= {0}1)"
)
_REMOVE = "DELETE FROM approvals WHERE asked < {0}1 AND expires < {0}1"
MARKS = {"sqlite": "?", "postgresql": "$"}
USE, GIVE_BACK, FORGET, REMOVE = (
    {dialect: sql.format(mark) for dialect, mark in MARKS.items()} for sql in (_USE, _GIVE_BACK, _FORGET, _REMOVE)
)
"""By dialect. ``FORGET`` takes the sealed values from what can't run any more, ``REMOVE`` takes whole rows."""


class Used(NamedTuple):
    """Calls whose approval counts, and the ids of those whose does not."""

    intents: list[Intent]
    refused: frozenset[str]


def waiting(intents: Iterable[Intent]) -> list[Intent]:
    """Return the calls that use an approval, in the one order in which all lock them."""
    return sorted((one for one in intents if one.use is not None), key=lambda one: one.use or ())


def without(intents: Iterable[Intent], refused: Iterable[str]) -> Used:
    """Return the calls that are not among the refused."""
    gone = frozenset(refused)
    return Used([one for one in intents if one.id not in gone], gone)
