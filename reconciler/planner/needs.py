"""What each change needs: the resources that the body it leaves, or ends, refers to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.configuration import Configuration
from reconciler.model.plan import Action, Change
from reconciler.planner.links import links_of

Needs: TypeAlias = Mapping[Address, list[Address]]


def needs_of(changes: Collection[Change], configuration: Configuration) -> Needs:
    """By address. Creations write what is declared, whose references are known: where they are most of the
    configuration, no body is read for them."""
    created = {str(change.address): change.address for change in changes if change.action is Action.CREATE}
    indexed = len(created) * 4 > len(configuration.digests)
    needs: dict[Address, list[Address]] = {
        change.address: []
        if indexed and change.action is Action.CREATE
        else refers_to(change.address, change.after if change.new is not None else change.before)
        for change in changes
    }
    known: dict[str, Address] = {**created}
    for name, target in links_of(configuration) if indexed else ():
        if (address := created.get(name)) is not None:
            if target not in known:
                known[target] = Address.of(target)
            needs[address].append(known[target])
    return needs


def refers_to(address: Address, body: Body | None) -> list[Address]:
    """What a body names."""
    kind = KINDS.get(address.kind)
    if kind is None or not kind.references:
        return []
    return [reference.address for reference in kind.references_of(address.tenant, body or {})]
