"""Names that a command narrows by, held against the files and what is live, as far as either can be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

import click

from reconciler.cli.selecting import near_address, unknown_tenant
from reconciler.cli.workspace import Workspace
from reconciler.errors import ReconcilerError
from reconciler.kinds.nearest import nearest
from reconciler.model.address import Address

if TYPE_CHECKING:
    from reconciler.store.url import Database

MOST = 100_000
"""Live addresses that are looked at."""
NOWHERE = "is neither in the configuration nor in the database"


class KnownNames:
    """All addresses that the project's files and its database have; read when something seems to be unknown."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @cached_property
    def addresses(self) -> frozenset[str]:
        return frozenset((*self._live(), *self._declared()))

    @cached_property
    def tenants(self) -> frozenset[str]:
        """Those that keep secrets too: they may come before the first apply."""
        from reconciler.store.secrets import listed

        found = {name.partition("/")[0] for name in self.addresses}
        with suppress(ReconcilerError, OSError):
            found |= {secret.tenant for secret in listed(self._database())}
        return frozenset(found)

    def _database(self) -> Database:
        return self._workspace.database(self._workspace.environment(required=True))

    def callers(self, tenants: Collection[str]) -> frozenset[str]:
        """Return the names of the callers of these tenants; of all where none is named."""
        parts = (name.split("/") for name in self.addresses)
        return frozenset(
            name for tenant, kind, name in parts if kind == "caller" and (not tenants or tenant in tenants)
        )

    def _live(self) -> Iterator[str]:
        from reconciler.store.reading import read_addresses

        with suppress(ReconcilerError, OSError):
            yield from map(str, read_addresses(self._database(), "", MOST))

    def _declared(self) -> Iterator[str]:
        workspace = self._workspace
        named: list[str | None] = [workspace.options.env] if workspace.options.env else [*workspace.environments]
        for environment in named or [None]:
            with suppress(ReconcilerError, OSError):
                yield from workspace.load(environment).configuration.digests


def not_live(address: Address, database: Database) -> ReconcilerError:
    """Return the error for an address that nothing live has, with the one that was probably meant."""
    from reconciler.store.reading import read_addresses

    hint = near_address(address, read_addresses(database, f"{address.tenant}/", MOST))
    return ReconcilerError(f"{address} is not live in {database.display}", code="not-live", hint=hint)


def require_tenants(workspace: Workspace, seen: Collection[str]) -> None:
    """Raise UsageError for a tenant of --tenant that nothing knows; ``seen`` are those that the command found something of."""
    names = KnownNames(workspace)
    for tenant in workspace.options.tenants:
        if tenant not in seen and tenant not in names.tenants:
            raise unknown_tenant(tenant, {*seen, *names.tenants}, NOWHERE)


def note_unknown(what: str, given: str, known: Collection[str], is_unknown: str = NOWHERE) -> None:
    """Say on stderr that nothing has a name that was asked about; what had it may have gone since.

    Where nothing is known, as for a reader of a store alone, nobody can say so.
    """
    if given in known or not known:
        return
    near = nearest(given, known)
    meant = f"; did you mean {near}?" if near else ""
    click.echo(f"Note: the {what} {given!r} {is_unknown}{meant}", err=True)


def note_unknown_tenants(workspace: Workspace, seen: Collection[str]) -> None:
    """Note the unknown tenants of --tenant on stderr; ``seen`` are those that something was found of."""
    unseen = [tenant for tenant in workspace.options.tenants if tenant not in seen]
    known = KnownNames(workspace).tenants if unseen else ()
    for tenant in unseen:
        note_unknown("tenant", tenant, {*seen, *known})
