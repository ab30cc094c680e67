"""Deliveries of accepted messages: what is due is claimed, sent to each address that does not have it, and settled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from reconciler.access.resource import Resource
from reconciler.access.snapshot import Tenant
from reconciler.access.target import unserved_by
from reconciler.errors import ReconcilerError
from reconciler.kinds.connector.notification import CHANNELS, addresses_of
from reconciler.kinds.lifecycle import switched_off
from reconciler.model.address import Address
from reconciler.runtime.call import Failed, Resolve, Surroundings
from reconciler.runtime.connectors.message import Outgoing, Undelivered, Way, send
from reconciler.runtime.ledger.deliveries import Claimed, Ending
from reconciler.runtime.messages import Message, Messages, NoKey
from reconciler.runtime.source import InForce, Source, Stale
from reconciler.runtime.threads import to_its_end

log = logging.getLogger("reconciler.runtime")
ATTEMPT_SECONDS = 60.0
"""For one address, and less where the connector says so; well below the time for which a delivery is claimed."""
TOTAL_SECONDS = 200.0
"""For the addresses of one delivery; the others are for the next attempt."""
STOP_SECONDS = 1.5
"""For what is under way when a server stops."""
MOST_AT_ONCE = 20
"""Connectors that are delivered to at the same time."""
MOST_IN_A_ROW = 100
"""Deliveries of one connector in one round."""
UNKNOWN = "what is in force is not known"
LONGEST_HOLD = 3600.0
_REST = 40
"""Characters for the line that says how many are left out."""


class Deliverer:
    """``around`` returns the surroundings of a tenant's connectors."""

    def __init__(self, messages: Messages, source: Source, around: Callable[[str], Surroundings]) -> None:
        self._messages, self._source, self._around = messages, source, around
        self._held: dict[tuple[str, str], float] = {}
        """By tenant and connector: until when, in monotonic time, the other side wants to be left alone."""

    async def once(self) -> tuple[int, list[str]]:
        """Deliver what is due; return of how many connectors, and why not everything was delivered. Raises what the store says."""
        if not self._is_known():
            return 0, [UNKNOWN]
        due = await self._messages.due()
        gate = asyncio.Semaphore(MOST_AT_ONCE)

        async def one(tenant: str, connector: str) -> list[str]:
            async with gate:
                return await self._of(tenant, connector)

        free = [key for key in due if self._held.get(key, 0.0) <= time.monotonic()]
        found = await asyncio.gather(*(one(*key) for key in free))
        whys = [(key, why) for key, reasons in zip(free, found, strict=True) for why in reasons]
        return len(due), [f"{tenant}/connector/{connector}: {why}" for (tenant, connector), why in whys]

    def _is_known(self) -> bool:
        """Whether this server knows what is in force."""
        try:
            self._source.current()
        except Stale:
            return False
        return True

    async def _of(self, tenant: str, connector: str) -> list[str]:
        reasons = []
        for _ in range(MOST_IN_A_ROW):
            if not self._is_known():
                break  # that is this server's own trouble, and costs no delivery an attempt
            claimed = await self._messages.claim(tenant, connector)
            if claimed is None:
                break
            ending, is_dead = await self._settled(claimed)
            if ending.reason:
                reasons.append(f"a message is dead: {ending.reason}" if is_dead else ending.reason)
            if ending.wait is not None:
                self._held[tenant, connector] = time.monotonic() + ending.wait
            if ending.reason and ending.again:
                break  # the rest would fare the same
        return reasons

    async def _settled(self, claimed: Claimed) -> tuple[Ending, bool]:
        """Attempt a delivery and settle it. A server that stops has a moment to end what it began, and lets go of the rest."""
        attempt = asyncio.ensure_future(self._attempt(claimed))
        try:
            await asyncio.shield(attempt)
        except asyncio.CancelledError:
            await to_its_end(asyncio.wait({attempt}, timeout=STOP_SECONDS))
            attempt.cancel()
            ending = attempt.result() if attempt.done() else Ending(claimed.done, "the server stopped")
            await to_its_end(self._messages.settle(claimed, ending))
            raise
        ending = attempt.result()
        return ending, await self._messages.settle(claimed, ending)

    async def _attempt(self, claimed: Claimed) -> Ending:
        """Send a delivery to each address that does not have it yet."""
        done = [*claimed.done]
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                connector = self._connector(claimed)
                outgoing = _outgoing(claimed, await self._messages.opened(claimed), connector)
                addresses = addresses_of(connector.body, outgoing.to)
                if not addresses:
                    return Ending(claimed.done, "the connector has none of its recipients any more")
                for address in addresses:
                    if address not in done:
                        await self._send(outgoing, address, connector)
                        done.append(address)
        except Undelivered as error:
            wait = None if error.wait is None else min(error.wait, LONGEST_HOLD)
            return Ending(tuple(done), str(error), error.again, wait)
        except TimeoutError:
            return Ending(tuple(done), "it took too long")
        except NoKey:
            return Ending(tuple(done), "the message is sealed, and no key is configured here")
        except (Failed, ReconcilerError) as error:
            return Ending(tuple(done), str(error))
        except Exception as error:  # a defect in one delivery keeps up no other, and does not last for ever
            log.error("the delivery %s failed: %s", claimed.id, type(error).__name__)
            return Ending(tuple(done), "it failed here")
        return Ending(tuple(done))

    async def _send(self, outgoing: Outgoing, address: str, connector: Resource) -> None:
        """Send once, and once more with a credential that is had anew where the first was refused. Raises Undelivered, Failed."""
        around = self._around(outgoing.tenant)
        try:
            await self._try(outgoing, address, connector, around, around.resolve)
        except Undelivered as error:
            if error.code != "credential-refused":
                raise
            await self._try(outgoing, address, connector, around, around.resolve_anew)

    async def _try(
        self, outgoing: Outgoing, address: str, connector: Resource, around: Surroundings, resolve: Resolve
    ) -> None:
        async def secret(reference: str) -> str:
            return await resolve(outgoing.tenant, reference)

        async with asyncio.timeout(min(ATTEMPT_SECONDS, connector.body["timeout_seconds"])):
            await send(outgoing, address, Way(connector.body, secret, around.permits))

    def _connector(self, claimed: Claimed) -> Resource:
        """Return the connector as it is in force. Raises Undelivered while nothing may go there."""
        try:
            in_force = self._source.current()
        except Stale:
            raise Undelivered(UNKNOWN, wait=1.0) from None
        found = _by_uid(in_force.snapshot.tenant(claimed.tenant), "connector", claimed.connector, claimed.uid)
        if found is None or found.body["type"] != "notification":
            raise Undelivered("its connector is gone")
        if why := _stopped(in_force, found, claimed):
            raise Undelivered(why)
        return found


def _by_uid(tenant: Tenant, kind: str, name: str, uid: str) -> Resource | None:
    """Return the resource that had a name, whatever its name is now."""
    found = tenant.resource(f"{kind}/{name}")
    if found is not None and found.known.uid == uid:
        return found
    now = next((name for name in tenant.names(kind) if tenant.resources[name].uid == uid), None)
    return tenant.resource(now) if now is not None else None


def _stopped(in_force: InForce, connector: Resource, claimed: Claimed) -> str:
    """Return why nothing may go to a connector now; "" where it may."""
    tenant = in_force.snapshot.tenant(claimed.tenant)
    template = _by_uid(tenant, "template", claimed.template, claimed.template_uid)
    address = template.known.address if template else Address(claimed.tenant, "template", claimed.template)
    if in_force.status.freeze_over(connector.known.address, connector.known.uid) is not None:
        return "its connector is frozen"
    if in_force.status.freeze_over(address, claimed.template_uid) is not None:
        return "its template is frozen"
    if connector.known.suspended or switched_off(connector.body) or unserved_by(connector) is not None:
        return "its connector is not in use"
    return ""


def _outgoing(claimed: Claimed, messages: list[Message], connector: Resource) -> Outgoing:
    """Return what is sent: one message as it is, or those of a digest in one text. Raises Undelivered where no text is left."""
    if not messages:
        raise Undelivered("its text is gone", again=False)
    first = messages[0]
    if claimed.total == 1:
        return Outgoing(claimed.id, claimed.tenant, claimed.template, first.to, first.subject, first.text)
    subject = f"{claimed.total} messages: {first.subject}" if first.subject else ""
    text = digest_text(messages, claimed.total, CHANNELS[connector.body["provider"]].most)
    return Outgoing(claimed.id, claimed.tenant, claimed.template, first.to, subject, text, claimed.total)


def digest_text(messages: list[Message], count: int, most: int) -> str:
    """Return the texts of a digest under a line with their number, whole as long as they fit, within ``most`` characters."""
    head, kept = f"{count} messages", list[str]()
    left = most - len(head) - _REST
    for one in messages:
        text = f"\n\n{one.subject}\n{one.text}" if one.subject else f"\n\n{one.text}"
        if len(text) > left and kept:
            break
        kept.append(text if len(text) <= left else f"{text[: left - 1]}…")
        left -= len(kept[-1])
    rest = f"\n\n… and {count - len(kept)} more." if count > len(kept) else ""
    return f"{head}{''.join(kept)}{rest}"
