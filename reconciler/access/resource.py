"""A resource as decisions see it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from reconciler.kinds.table import can
from reconciler.model.body import Body
from reconciler.model.kind import Ability
from reconciler.model.known import Known


class Resource(Struct, frozen=True):
    """What a call may go through: a valid, normalised body, and what evidence says of it."""

    known: Known
    body: Body

    @property
    def name(self) -> str:
        """`kind/name`, as policies and limits name it."""
        return f"{self.known.address.kind}/{self.known.address.name}"

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.body["labels"]
        return labels

    @property
    def holds_data(self) -> bool:
        return can(self.known.address.kind, Ability.HOLDS_DATA)
