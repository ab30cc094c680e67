"""Events of approvals for the destinations of serve.yaml, kept in the transaction of what they tell of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from reconciler.model.notification import APPROVAL, Destination, RuntimeEvent
from reconciler.runtime.ledger.approvals import Tell, Waiting
from reconciler.runtime.ledger.letters import enqueue
from reconciler.runtime.ledger.reading import moment
from reconciler.runtime.ledger.writing import now_of


def teller(destinations: tuple[Destination, ...]) -> Tell:
    """Return what tells destinations that a call waits."""

    def tell(connection: Connection, waiting: Waiting) -> None:
        request = waiting.request
        words = f"{request.caller} asks to {request.action} {request.target}, {request.terms.words}"
        _enqueue(connection, destinations, waiting, "pending", words)

    return tell


def enqueue_decided(
    connection: Connection, destinations: tuple[Destination, ...], waiting: Waiting, approved: bool, by: str
) -> None:
    """Tell what was decided."""
    request, state = waiting.request, "approved" if approved else "denied"
    words = f"{by} has {state} that {request.caller} may {request.action} {request.target}"
    _enqueue(connection, destinations, waiting, state, words)


def _enqueue(
    connection: Connection, destinations: tuple[Destination, ...], waiting: Waiting, state: str, words: str
) -> None:
    if not destinations:
        return
    request, at = waiting.request, moment(now_of(connection))
    data: dict[str, Any] = {"approval": waiting.id, "state": state, "caller": request.caller, "target": request.target}
    data |= {"roles": [*request.terms.roles], "expires": moment(waiting.expires)}
    enqueue(connection, destinations, RuntimeEvent(f"{waiting.id}-{state}", APPROVAL, at, request.tenant, words, data))
