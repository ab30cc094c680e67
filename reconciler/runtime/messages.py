"""The outbox of messages: a call's effect is a message kept durably in the runtime's store, sealed where a key is configured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from reconciler import strict_json
from reconciler.codes import Code
from reconciler.errors import ReconcilerError
from reconciler.runtime.call import Call, Failed
from reconciler.runtime.hashing import ValuesKey
from reconciler.runtime.ledger import deliveries
from reconciler.runtime.ledger.deliveries import Addition, Claimed, Ending, Full, Kept
from reconciler.runtime.ledger.entries import new_id
from reconciler.runtime.threads import in_thread
from reconciler.secrets.envelope import Blob, Bound, seal, unseal
from reconciler.secrets.ring import Ring
from reconciler.store.url import Database

_NAME = "message"
_OPEN = frozenset({"connection-lost", "database-timeout"})
"""Codes of a store that went away, perhaps after it had kept a message."""
_NOT_KEPT: tuple[Code, str, str] = ("unavailable", "the message could not be kept", "blocked")


class Accepted(NamedTuple):
    """``is_duplicate``: nothing was kept, since the message ``id`` is the same."""

    id: str
    is_duplicate: bool = False


class Message(NamedTuple):
    """A message as it is delivered; ``to`` names recipients of the connector."""

    id: str
    to: tuple[str, ...]
    subject: str
    text: str


class Messages:
    """``ring`` seals what is kept; None keeps it as it is. ``key`` hashes what makes messages duplicates of each other."""

    def __init__(self, store: Database, ring: Ring | None, key: ValuesKey) -> None:
        self._store, self._ring, self._key = store, ring, key
        self.accepted = 0
        """How many messages this process has accepted: who delivers looks more often then."""

    async def accept(self, call: Call, subject: str, text: str, key: str) -> Accepted:
        """Keep a message durably, which is the effect of its call. Raises Failed."""
        template, connector = call.operation, call.connector
        identity, to = new_id(), call.operation.body["to"]
        minutes = template.body.get("digest_minutes")
        gathered = [connector.known.uid, template.known.uid, to] if minutes else None
        try:
            sealed, body = await in_thread(self._sealed, call.tenant, identity, [to, subject, text])
        except ReconcilerError:
            raise Failed(*_NOT_KEPT, retry_after=1) from None
        addition = Addition(
            id=identity,
            tenant=call.tenant,
            connector=connector.known.address.name,
            uid=connector.known.uid,
            template=template.known.address.name,
            template_uid=template.known.uid,
            key=self._key.hash(strict_json.write([template.known.uid, key])) if key else "",
            digest=strict_json.write(gathered).decode() if gathered else "",
            window=minutes * 60.0 if minutes else 0.0,
            sealed=sealed,
            body=body,
        )
        call.effect = True
        try:
            same = await in_thread(deliveries.accept, self._store, addition)
        except Full:
            call.effect = False
            raise Failed("overloaded", "too many messages wait for this connector", "blocked", retry_after=60) from None
        except ReconcilerError as error:
            if error.problems[0].code in _OPEN:
                raise Failed("connection-lost", "whether the message was kept is not known", "unknown") from None
            call.effect = False
            raise Failed(*_NOT_KEPT, retry_after=1) from None
        self.accepted += same is None
        return Accepted(identity) if same is None else Accepted(same, True)

    async def due(self) -> list[tuple[str, str]]:
        """Return the tenants and names of connectors for which something is due. Raises what the store says."""
        return await in_thread(deliveries.due, self._store)

    async def claim(self, tenant: str, connector: str) -> Claimed | None:
        return await in_thread(deliveries.claim, self._store, tenant, connector)

    async def settle(self, claimed: Claimed, ending: Ending) -> bool:
        """Note what came of an attempt; return whether the delivery is dead."""
        return await in_thread(deliveries.settle, self._store, claimed, ending)

    async def drop_old(self) -> None:
        await in_thread(deliveries.drop_old, self._store)

    async def opened(self, claimed: Claimed) -> list[Message]:
        """Return the messages of a delivery, the oldest first. Raises ReconcilerError for those that can't be opened."""
        return await in_thread(lambda: [self._opened(claimed.tenant, one) for one in claimed.messages])

    def _sealed(self, tenant: str, identity: str, content: Sequence[Any]) -> tuple[bool, bytes]:
        data = strict_json.write(content)
        if self._ring is None:
            return False, data
        return True, seal(data.decode(), _place(tenant, identity), self._ring.primary)

    def _opened(self, tenant: str, kept: Kept) -> Message:
        data = kept.body
        if kept.sealed:
            if self._ring is None:
                raise NoKey
            data = unseal(data, _place(tenant, kept.id), self._ring.by_id).encode()
        to, subject, text = strict_json.read(data)
        return Message(kept.id, tuple(to), subject, text)


class NoKey(Exception):
    """A message is sealed, and no key is configured here."""


def sealed_under(store: Database, key_id: str) -> list[str]:
    """Return the ids of kept messages that only this key opens. Raises what the store says."""
    return [identity for identity, body in deliveries.sealed_bodies(store) if Blob.parse(body).key_id == key_id]


def _place(tenant: str, identity: str) -> Bound:
    return Bound(tenant, identity, 1, _NAME)
