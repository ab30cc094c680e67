"""What an apply reads in its transaction: rows that it locks to write them or to rely on them, and who owns them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, select

from reconciler.model.address import Address
from reconciler.model.known import Known
from reconciler.model.live import Applied, Owner, Row
from reconciler.store.dialect import one_of
from reconciler.store.known import governed_in, suspended_of
from reconciler.store.rows import at_addresses, peopled, read_applied, read_owners, read_rows
from reconciler.store.tables import ADDRESS, LIFE, applied, columns, equal, generations, resources, same


class Before(NamedTuple):
    """An apply that did before what another one was to do."""

    generation: int
    apply_id: str


class UnderLock:
    """Reads of one apply of one project, on a connection on which a transaction was begun."""

    def __init__(self, connection: Connection, project: str) -> None:
        self._connection = connection
        self._project = project

    def apply_of(self, generation: int) -> str | None:
        """Return the id of the apply that made a generation of the project; None for an unknown generation."""
        made = equal(generations, {"project": self._project, "number": generation})
        found: str | None = self._connection.execute(select(generations.c.apply_id).where(made)).scalar_one_or_none()
        return found

    def applied_since(self, generation: int, like: Mapping[str, Any]) -> Before | None:
        """Return the first apply after a generation whose row of history holds these columns; None for no such apply."""
        number = generations.c.number
        alike = and_(equal(generations, {"project": self._project, **like}), number > generation)
        made = select(number, generations.c.apply_id).where(alike).order_by(number).limit(1)
        record = self._connection.execute(made).first()
        return Before(*record) if record else None

    def rows(self, addresses: Iterable[Address], lock: str) -> dict[Address, Row]:
        """Return live rows, locked in key order; ``lock`` is UPDATE (to write) or SHARE (to rely on)."""
        return read_rows(self._connection, at_addresses(self._connection, addresses), lock)

    def touched(self, addresses: Iterable[Address]) -> tuple[dict[Address, Row], dict[Address, Applied]]:
        """Return live rows, locked to be written, and what was applied last at the same addresses."""
        wanted = {*addresses}
        there = peopled(self._connection, self._project, {address.tenant for address in wanted})
        where = at_addresses(self._connection, (address for address in wanted if address.tenant in there))
        return read_rows(self._connection, where, "UPDATE"), read_applied(self._connection, self._project, where)

    def applied(self, addresses: Iterable[Address]) -> dict[Address, Applied]:
        """Return what this project applied last at these addresses."""
        return read_applied(self._connection, self._project, at_addresses(self._connection, addresses))

    def owners(self, addresses: Iterable[Address]) -> dict[Address, Owner]:
        """Return the other projects that own live rows at these addresses."""
        return read_owners(self._connection, self._project, at_addresses(self._connection, addresses))

    def owned(self) -> dict[str, int]:
        """Return how many live resources this project owns, by tenant."""
        tenant = applied.c.tenant
        live = applied.join(resources, same(applied, resources, LIFE))
        own = select(tenant, func.count()).select_from(live).where(applied.c.project == self._project).group_by(tenant)
        return {tenant: count for tenant, count in self._connection.execute(own)}  # noqa: C416

    def rows_of(self, tenants: Iterable[str], kinds: Iterable[str]) -> dict[Address, Row]:
        """Return all live rows of some kinds in some tenants: where dependants are looked for."""
        found: dict[Address, Row] = {}
        for tenant in sorted(set(tenants)):
            for kind in sorted(set(kinds)):
                found.update(read_rows(self._connection, partial(equal, values={"tenant": tenant, "kind": kind})))
        return found

    def with_uids(self, tenant: str, uids: Iterable[str]) -> dict[str, Address]:
        """Return which of these uids are live, and where."""
        wanted = one_of(self._connection, resources.c.uid, sorted(uids))
        chosen = select(resources.c.uid, *columns(resources, ADDRESS)).where(resources.c.tenant == tenant, wanted)
        return {uid: Address(*address) for uid, *address in self._connection.execute(chosen)}

    def governed(self, tenants: Set[str], besides: Set[str]) -> list[Known]:
        """Return what the runtime knows of ``besides`` and of those of the tenants that have a caller."""
        return [*governed_in(self._connection, tenants, besides)]

    def suspended(self, uids: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
        """Return which of these uids, by tenant, are suspended, whether anything has them now or not."""
        return suspended_of(self._connection, uids)
