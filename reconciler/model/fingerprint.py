"""What is known of the secret behind a reference without knowing the secret, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from reconciler.errors import Path
from reconciler.model.address import Address


class Seen(NamedTuple):
    """``mark`` is a keyed hash of the secret, or its version in the store; two of one form can be compared."""

    reference: str
    mark: str

    def differs(self, other: Seen) -> bool:
        """Whether another secret stands behind the same reference; what can't be compared doesn't differ."""
        same_form = self.mark.rpartition(":")[0] == other.mark.rpartition(":")[0]
        return self.reference == other.reference and same_form and self.mark != other.mark


Fingerprints: TypeAlias = Mapping[Address, Mapping[Path, Seen]]
"""Of each reference of each resource."""
