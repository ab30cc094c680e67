"""One resource, where it came from, and the state that is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.body import Body, digest
from reconciler.model.spec import Spec, explicit_paths


@dataclass(frozen=True)
class Resource:
    """An address and its validated spec. Two resources are equal wherever they were written."""

    address: Address
    spec: Spec
    source: Place | None = field(default=None, compare=False)
    authored: frozenset[Path] | None = field(default=None, compare=False)
    """The explicit paths where the spec can't tell them: it was read back whole, defaults included."""

    @cached_property
    def body(self) -> Body:
        """The normalised body; never change it in place."""
        return self.spec.normalised()

    @cached_property
    def digest(self) -> str:
        return digest(self.body)

    @cached_property
    def explicit(self) -> frozenset[Path]:
        """The paths that the author wrote; what is missing here was filled by a default."""
        return frozenset(explicit_paths(self.spec)) if self.authored is None else self.authored


State: TypeAlias = Mapping[Address, Resource]
