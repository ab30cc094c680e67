"""Accesses to stores of secrets outside of the database, written to the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from reconciler.errors import ReconcilerError
from reconciler.model.audit import Actor
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.accesses import Accesses
from reconciler.store.audit import note
from reconciler.store.changing import NotSetUp, changing
from reconciler.store.connect import exists
from reconciler.store.url import Database


class AccessLog:
    """Of one process; ``purpose`` is what it resolves references for. ``actor`` is asked for when something is written."""

    def __init__(self, database: Database, actor: Callable[[], Actor], purpose: str) -> None:
        self._database, self._actor, self._purpose = database, actor, purpose
        self._accesses = Accesses()

    def count(self, tenant: str, reference: SecretRef) -> None:
        self._accesses.count(tenant, reference)

    def write(self, everything: bool = False) -> None:
        """Write the entries that are due, in one transaction; at the end of the process, all of them.

        Raises ReconcilerError; what could not be written is counted on. A database that is not set up has no trail.
        """
        taken = self._accesses.take(everything)
        if not taken or not exists(self._database):
            return
        try:
            actor = self._actor()
            with suppress(NotSetUp), changing(self._database) as connection:
                for one in taken:
                    note(connection, "secret-resolve", actor, {**one._asdict(), "purpose": self._purpose})
        except ReconcilerError:
            self._accesses.give_back(taken)
            raise
