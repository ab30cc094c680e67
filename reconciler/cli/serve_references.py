"""What ``serve`` says at its start of references that no call will get a secret for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.errors import CredentialUnresolved
from reconciler.secrets.policy import Policy
from reconciler.secrets.resolve import Wanted, require_permitted
from reconciler.store.references import read_references
from reconciler.store.url import Database

MOST = 20
"""Lines; the rest is counted."""


def unresolvable(database: Database, policy: Policy, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each live reference that the project or the server's settings forbid, or whose variable is missing.

    Nobody is asked for a secret.
    """
    found = [
        f"Warning: {address}: {why}"
        for address, reference in read_references(database)
        if (why := _why(policy, Wanted(address.tenant, reference), environ))
    ]
    yield from found[:MOST]
    if len(found) > MOST:
        yield f"Warning: {len(found) - MOST} more references can't be resolved here"


def _why(policy: Policy, wanted: Wanted, environ: Mapping[str, str]) -> str | None:
    try:
        require_permitted(policy, wanted)
    except CredentialUnresolved as error:
        return f"{error.problems[0].message}; next: {error.problems[0].hint}"
    scheme, name = wanted.reference
    if scheme == "env" and not environ.get(name):
        return f"{wanted.reference} does not resolve: the environment has no variable {name}, or it is empty"
    return None
