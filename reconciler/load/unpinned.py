"""Find declared tools that nobody can call, since they were never pinned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.errors import Problem
from reconciler.kinds.table import KINDS
from reconciler.load.draft import Draft
from reconciler.load.selectors import Offers
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.selector import UNPINNED
from reconciler.model.target import PARTS

HINT = "run `reconciler mcp pin {name} --write`, and review what it writes"


def unpinned(configuration: Configuration, offers: Offers, drafts: Mapping[Address, Draft]) -> Iterator[Problem]:
    """Yield a located problem for each part of a resource that was never pinned."""
    tenants = {tenant for tenant, noun in offers if noun == UNPINNED}
    for address in _addresses(configuration, tenants) if tenants else ():
        body, kind = configuration.resources[address].body, KINDS[address.kind]
        for offer in kind.offers(body):
            if offer.noun == UNPINNED:
                message = f"nobody can call `{offer.word}`: what it does was never pinned"
                hint = HINT.format(name=address.name)
                yield drafts[address].locate(
                    Problem("not-pinned", message, str(address), ("tools", offer.word), hint=hint, on_key=True)
                )


def _addresses(configuration: Configuration, tenants: Collection[str]) -> Iterator[Address]:
    for name in sorted(configuration.digests):
        tenant, kind, _ = name.split("/", 2)
        if tenant in tenants and kind in PARTS.values():
            yield Address.of(name)
