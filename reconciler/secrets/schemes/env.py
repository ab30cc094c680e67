"""``env://NAME``: a variable of this process, for pipelines and development."""

from __future__ import annotations

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Fetch, Fetched, Outside
from reconciler.secrets.secret import Secret


def connect(outside: Outside) -> Fetch:
    """Return the function that reads environment variables."""

    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        value = outside.environ.get(reference.rest)
        if not value:
            raise CredentialUnresolved(
                f"{reference} does not resolve: the environment has no variable {reference.rest}, or it is empty",
                hint="set it where this command runs",
            )
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise CredentialUnresolved(f"{reference} does not resolve: its value is not UTF-8")
        return Fetched(Secret(value))

    return fetch
