"""Which secret a resource's ``encrypted://`` means, as values."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.secret_ref import SecretRef, references_in

BEGINNING = '"encrypted://'

Replaced: TypeAlias = Mapping[Address, frozenset[str]]
"""Of live resources: the names behind which another secret is than the one that they meant when they were applied."""


class Meant(NamedTuple):
    """What a written resource refers to: ``names`` are to be bound, ``ended`` of its life ``uid`` are bound no more."""

    address: Address
    uid: str
    names: tuple[str, ...]
    ended: tuple[str, ...]


class Reviewed(NamedTuple):
    """The secret that stood behind a name when a plan that refers to it was made."""

    tenant: str
    name: str
    uid: str


def names_meant(body: Body | None) -> frozenset[str]:
    """Return the secrets of the database that a body refers to."""
    return frozenset(use.reference.name for use in references_in(body or {}) if use.reference.scheme == "encrypted")


def paths_meaning(body: Body, names: frozenset[str]) -> tuple[Path, ...]:
    """Where a body refers to one of these secrets."""
    wanted = {SecretRef("encrypted", name) for name in names}
    return tuple(sorted((use.path for use in references_in(body) if any(map(use.reference.is_of, wanted))), key=str))
