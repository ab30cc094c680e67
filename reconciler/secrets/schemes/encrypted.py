"""``encrypted://NAME``: a secret of the same tenant that is kept, sealed, in the database."""

from __future__ import annotations

from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Fetch, Fetched, Outside, Unreachable


def connect(outside: Outside) -> Fetch:
    opened = outside.sealed
    if opened is None:
        raise Unreachable("encrypted:// needs the database", hint="name it with --database or in reconciler.yaml")

    def fetch(tenant: str, reference: SecretRef) -> Fetched:
        return opened(tenant, reference.rest)

    return fetch
