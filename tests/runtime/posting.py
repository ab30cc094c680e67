"""A call of a template of type `message` and its delivery, over a real store, without a server around them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

from reconciler.access.resource import Resource
from reconciler.access.snapshot import snapshot_of
from reconciler.access.target import Target
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec
from reconciler.model.status import Status
from reconciler.runtime.call import Answer, Call, Failed, Permits, Surroundings
from reconciler.runtime.connectors.message import open_notification
from reconciler.runtime.delivering import Deliverer
from reconciler.runtime.hashing import ValuesKey
from reconciler.runtime.messages import Messages
from reconciler.runtime.source import InForce, Stale
from reconciler.secrets.ring import Ring
from tests.conftest import Db
from tests.runtime.calls import LOOPBACK
from tests.runtime.ledger.support import store_of, with_ledger
from tests.runtime.slack import TOKEN

PARAMETERS: Mapping[str, Any] = {
    "id": {"type": "integer"},
    "what": {"type": "string", "max_length": 20_000, "default": "things"},
}
NOTIFY: Mapping[str, Any] = {
    "type": "message",
    "connector": "alerts",
    "to": ["sales-alerts"],
    "text": "New order {id}: {what}",
    "parameters": PARAMETERS,
}
SECRETS = {
    "env://SLACK_TOKEN": TOKEN,
    "env://PASSWORD": "mail-password-1",
    "env://SIGNS": "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
}


def known(kind: str, name: str, raw: Mapping[str, Any], uid: str = "") -> Known:
    address = Address("acme", kind, name)
    spec = parse(KINDS[kind], dict(raw), address)
    assert isinstance(spec, Spec), spec
    return Known(address, uid or f"u-{name}", Text(canonical(spec.normalised()), 1), "shop", True)


async def resolve(_tenant: str, reference: str) -> str:
    if reference not in SECRETS:
        raise Failed("credential-unresolved", "a credential could not be had")
    return SECRETS[reference]


class World:
    """``around`` and ``status`` may be changed; ``other`` makes another server over the same store."""

    def __init__(self, db: Db, connector: Mapping[str, Any], ring: Ring | None = None, **template: Any) -> None:
        with_ledger(db, _nothing)
        self.db, self.ring = db, ring
        self.connector, self.template = dict(connector), {**NOTIFY, **template}
        self.permits, self.status = Permits(LOOPBACK), Status()
        self.name, self.is_stale = "alerts", False
        self.messages = Messages(store_of(db), ring, ValuesKey(b"k" * 32))
        self.deliverer = Deliverer(self.messages, self, self.around)  # type: ignore[arg-type]

    def around(self, _tenant: str = "") -> Surroundings:
        return Surroundings(resolve, resolve, self.permits, messages=self.messages)

    def current(self) -> InForce:
        if self.is_stale:
            raise Stale
        template = {**self.template, "connector": self.name}
        found = [known("connector", self.name, self.connector, "u-alerts"), known("template", "notify", template)]
        return InForce(snapshot_of(found), self.status)

    @property
    def target(self) -> Target:
        found = self.current().snapshot.tenant("acme").target("template/notify")
        assert isinstance(found, Target), found
        return found

    async def call(self, **values: Any) -> Answer:
        """Run a call as the mediator does, its values bound. Raises Failed."""
        target = self.target
        bound = target.inputs.bind(values, Caller)
        assert not isinstance(bound, tuple) or not bound or hasattr(bound, "values"), bound
        connector: Resource = target.connector
        way = await open_notification("acme", connector, self.around())
        return await way.run(Call(target, bound.values, asyncio.get_running_loop().time() + 10))  # type: ignore[union-attr]

    def calls(self, *values: Mapping[str, Any]) -> list[Any]:
        async def main() -> list[Any]:
            return [(await self.call(**one)).content for one in values]

        return asyncio.run(main())

    def unfit(self, **values: Any) -> tuple[Any, ...]:
        """What is wrong with the values of a call; empty where nothing is."""
        from reconciler.model.target import Bound

        bound = self.target.inputs.bind(values, Caller)
        return () if isinstance(bound, Bound) else bound

    def deliver(self, seconds: float = 0.0) -> list[str]:
        """One round, so many seconds later."""
        if seconds:
            self.db.sql(
                f"UPDATE deliveries SET due = due - {seconds}, first_due = first_due - {seconds}, at = at - {seconds}"
            )
            self.db.sql(f"UPDATE message_keys SET at = at - {seconds}")
            self.deliverer._held.clear()
        return asyncio.run(self.deliverer.once())[1]

    def rows(self, columns: str = "state, attempts") -> list[Any]:
        return self.db.sql(f"SELECT {columns} FROM deliveries ORDER BY id")


async def _nothing(*_: object) -> None:
    return None


Caller: Any = None


def without_waits() -> Any:
    return patch("reconciler.runtime.ledger.deliveries.LONGEST_WAIT", 0.0)
