"""A scheme of secret references for tests: the secret is the reference's own text, backwards."""

from __future__ import annotations

from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Fetch, Fetched, Outside
from reconciler.secrets.secret import Secret


def connect(_outside: Outside) -> Fetch:
    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        return Fetched(Secret(reference.rest[::-1]))

    return fetch
