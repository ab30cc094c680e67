"""What each change needs: the resources that the body it leaves, or ends, refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from reconciler.kinds.table import KINDS
from reconciler.kinds.targets import targets_of
from reconciler.model.address import Address
from reconciler.model.plan import Change

Needs: TypeAlias = Mapping[Address, list[Address]]


def needs_of(changes: Iterable[Change]) -> Needs:
    """By address."""
    refers: dict[str, bool] = {}
    needs: dict[Address, list[Address]] = {}
    for change in changes:
        tenant, kind, _ = address = change.address
        text = change.old_text if change.new is None else change.new_text
        if kind not in refers:
            refers[kind] = kind in KINDS and bool(KINDS[kind].references)
        found = targets_of(kind, text) if refers[kind] and text is not None else ()
        if change.new is None and address in needs:
            continue  # something else moves to its name: that is what is asked for
        needs[address] = [Address.of(f"{tenant}/{target}") for target in found]
    return needs
