"""Finds the references that a plan would leave unmet."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors import ConfigurationInvalid, Problem
from reconciler.kinds.meaning import raw_body
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.live import Live
from reconciler.model.plan import Action, Blocker, Plan
from reconciler.planner.links import links_of
from reconciler.planner.needs import Needs


def unmet_references(plan: Plan, needs: Needs, configuration: Configuration, live: Live) -> Iterator[Blocker]:
    """Yields what only other projects can mend; raises ConfigurationInvalid for what this selection leaves out."""
    made = {c.address for c in plan.changes if c.new is not None and c.action is not Action.FORGET}
    gone = {c.address for c in plan.changes if c.action is Action.DELETE}
    gone |= {c.previous for c in plan.changes if c.previous}
    gone -= made
    left_out: list[Problem] = []
    for change in plan.changes:
        targets = needs[change.address]
        if not targets or change.new is None or change.action is Action.FORGET:
            continue
        for target in targets:
            if target in made or (target not in gone and live.holds(target)):
                continue
            if _is_external(target, configuration):
                yield _external(change.address, target, target in gone)
            else:
                left_out.append(_left_out(change.address, target, "which is not live and is not selected", target))
    let_go = {c.address for c in plan.changes if c.action is Action.FORGET}
    for address, target in sorted({*_dependants(gone, live), *_settled_dependants(gone, configuration, live)}):
        if address in made or address in gone:
            continue
        owner = live.owner(address)
        if address in configuration.resources and _is_external(target, configuration):
            yield _external(address, target, removed=True)
        elif live.owns(address) and address not in let_go:
            left_out.append(_left_out(address, target, "which this selection removes", address))
        else:
            who = f"of the project {owner!r}" if owner else "which no project owns"
            yield Blocker(
                "depended-on",
                f"{address}, {'which this plan lets go' if address in let_go else who}, refers to {target}, "
                "which this plan removes",
                "change or remove what refers to it first",
                target,
                (address,),
            )
    if left_out:
        raise ConfigurationInvalid(*left_out)


def _is_external(target: Address, configuration: Configuration) -> bool:
    return configuration.is_external(target) and target not in configuration.resources


def _external(address: Address, target: Address, removed: bool) -> Blocker:
    if removed:
        what = "is declared external, and which this plan removes"
        hint = f"let go of it instead: `removed: [{{from: {target.kind}/{target.name}, destroy: false}}]`"
    else:
        what, hint = "is declared external and is not live", "apply the project that declares it first"
    return Blocker("external-missing", f"{address} refers to {target}, which {what}", hint, address, (target,))


def _left_out(address: Address, target: Address, what: str, missing: Address) -> Problem:
    return Problem(
        "reference-not-selected",
        f"{address} refers to {target}, {what}",
        address=str(address),
        hint=f"select both: add --target {missing}, or its file where files were named",
    )


def _settled_dependants(
    gone: set[Address], configuration: Configuration, live: Live
) -> Iterator[tuple[Address, Address]]:
    """The same of what is settled, whose live bodies are those of the configuration."""
    wanted = {str(address): address for address in gone} if live.settled else {}
    for name, target in links_of(configuration) if wanted else ():
        if target in wanted and name in live.settled:
            yield Address.of(name), wanted[target]


def _dependants(gone: set[Address], live: Live) -> Iterator[tuple[Address, Address]]:
    """Live resources that refer to what goes; only tenants that lose something are looked at."""
    tenants = {address.tenant for address in gone}
    if not tenants:
        return
    for address, row in live.rows.items():
        if address.tenant not in tenants or address.kind not in KINDS:
            continue
        body = raw_body(row)
        if not isinstance(body, dict):
            continue
        for reference in KINDS[address.kind].references_of(address.tenant, body):
            if reference.address in gone:
                yield address, reference.address
