"""Names that were probably meant, as long as looking for them is cheap."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from reconciler.kinds.nearest import nearest
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address

BUDGET = 100_000
"""How many names are looked at in one run: a file may hold thousands of errors, and a tenant thousands of names."""


class Known:
    """Resources by tenant and kind, for the hints of names that lead nowhere."""

    def __init__(self, addresses: Iterable[Address]) -> None:
        self._addresses = addresses
        self._left = BUDGET

    @cached_property
    def _names(self) -> dict[tuple[str, str], list[str]]:
        names: dict[tuple[str, str], list[str]] = {}
        for tenant, kind, name in self._addresses:
            names.setdefault((tenant, kind), []).append(name)
        return names

    @cached_property
    def _tenants(self) -> dict[tuple[str, str], str]:
        """The first tenant that has a resource of this kind and name."""
        return {(kind, name): tenant for tenant, kind, name in sorted(self._addresses, reverse=True)}

    def near(self, target: Address) -> str | None:
        """Return the nearest name of the same tenant and kind; none any more once the budget is spent."""
        names = self._names.get((target.tenant, target.kind), [])
        self._left -= len(names)
        return nearest(target.name, names) if self._left > 0 else None

    def instead_of(self, target: Address) -> str:
        """Return what may have been meant by a reference to something that is not there."""
        tenant, kind, name = target
        if kind not in KINDS:
            meant = nearest(kind, KINDS)
            return f"did you mean {meant}/{name}?" if meant else f"kinds are {', '.join(KINDS)}"
        if found := self.near(target):
            return f"did you mean `{found}`?"
        if other := next((one for one in KINDS if name in self._names.get((tenant, one), ())), None):
            return f"`{name}` is of the kind {other}, and the kind {kind} is wanted here"
        if (kind, name) in self._tenants:
            return f"the tenant {self._tenants[kind, name]} has one, and references stay inside a tenant"
        return f"declare {target}, or list it under `external` if another project does"
