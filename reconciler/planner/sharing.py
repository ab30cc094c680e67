"""Which live resources use the secrets that changes take up: those may send a secret that is in use elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.plan import Change
from reconciler.model.secret_ref import references_in, references_written

Holders: TypeAlias = Mapping[tuple[str, str], Sequence[Address]]
"""What uses a secret, by tenant and reference."""
NO_HOLDERS: Holders = MappingProxyType({})


def secrets_in(text: str) -> frozenset[str]:
    """Return what reads like a reference to a secret in a body of JSON: at least every reference."""
    return frozenset(map(str, references_written(text)))


def secrets_of(body: Body) -> frozenset[str]:
    """Return the references to secrets in a body."""
    return frozenset(str(use.reference) for use in references_in(body))


def taken_up(change: Change) -> frozenset[str]:
    """Return the secrets that a resource uses from now on: all of what begins, and what an update adds."""
    new = secrets_in(change.new_text or "")
    return new - secrets_in(change.old_text or "") if new and not change.begins else new


def secrets_taken_up(changes: Iterable[Change]) -> frozenset[tuple[str, str]]:
    """Return tenant and reference of every secret that one of the changes takes up."""
    return frozenset((one.address.tenant, secret) for one in changes for secret in taken_up(one))


def holders_of(secrets: frozenset[tuple[str, str]], live: Iterable[tuple[Address, str]]) -> Holders:
    """``live`` are addresses and bodies as JSON."""
    found: dict[tuple[str, str], list[Address]] = defaultdict(list)
    for address, text in live if secrets else ():
        for secret in secrets_in(text):
            if (address.tenant, secret) in secrets:
                found[address.tenant, secret].append(address)
    return found
