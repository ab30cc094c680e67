"""Which references changes leave unmet: pure functions, asked of live state by a plan and of locked rows by an apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from reconciler.errors import ConfigurationInvalid, Problem
from reconciler.kinds.links import links_of
from reconciler.kinds.meaning import raw_body
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.live import Live, Row
from reconciler.model.plan import Action, Blocker, Change, Plan, Selection
from reconciler.planner.counting import to_select
from reconciler.planner.needs import Needs


class WrittenResources(NamedTuple):
    """What changes leave behind: ``made`` is there, ``gone`` is not, ``let_go`` stays and becomes nobody's."""

    made: Mapping[Address, Change]
    gone: Set[Address]
    let_go: Set[Address]


def written_by(changes: Iterable[Change]) -> WrittenResources:
    """Return what changes will create or update, and what they will remove."""
    changes = [*changes]
    made = {c.address: c for c in changes if c.new is not None and c.action is not Action.FORGET}
    gone = {c.address for c in changes if c.action is Action.DELETE} | {c.previous for c in changes if c.previous}
    return WrittenResources(made, gone - made.keys(), {c.address for c in changes if c.action is Action.FORGET})


def needed(written: WrittenResources, needs: Needs) -> Iterator[tuple[Address, Address]]:
    """Yield what refers to what, of all that is made and refers to something that is not."""
    for address in written.made:
        for target in needs[address]:
            if target not in written.made:
                yield address, target


def unmet(
    written: WrittenResources, needs: Needs, is_live: Callable[[Address], bool]
) -> Iterator[tuple[Address, Address]]:
    """Yield what refers to what, where the target is not there afterwards."""
    for address, target in needed(written, needs):
        if target in written.gone or not is_live(target):
            yield address, target


def left_behind(written: WrittenResources, rows: Iterable[Row]) -> Iterator[tuple[Address, Address]]:
    """Yield the live rows that stay and refer to something that goes."""
    for row in rows if written.gone else ():
        if row.address not in written.made and row.address not in written.gone:
            yield from ((row.address, target) for target in targets_of_row(row) if target in written.gone)


def targets_of_row(row: Row) -> Iterator[Address]:
    """Return what a row refers to, also where its body is not valid."""
    body: Any = raw_body(row) if row.address.kind in KINDS else None
    if isinstance(body, dict):
        for reference in KINDS[row.address.kind].references_of(row.address.tenant, body):
            yield reference.address


def unmet_references(
    plan: Plan, needs: Needs, configuration: Configuration, live: Live, selection: Selection
) -> Iterator[Blocker]:
    """Yield what only other projects can mend; raises ConfigurationInvalid for what this selection leaves out."""
    written = written_by(plan.changes)
    left_out: list[Problem] = []
    for address, target in unmet(written, needs, live.holds):
        if _is_external(target, configuration):
            yield _external(address, target, target in written.gone)
        else:
            left_out.append(
                _left_out(address, target, "which is not live and is not selected", to_select(selection, [target]))
            )
    # only tenants that lose something are looked at
    tenants = {address.tenant for address in written.gone}
    rows = (row for address, row in live.rows.items() if address.tenant in tenants)
    for address, target in sorted({*left_behind(written, rows), *_settled_dependants(written, configuration, live)}):
        owner = live.owner(address)
        if address in configuration.resources and _is_external(target, configuration):
            yield _external(address, target, removed=True)
        elif live.owns(address) and address not in written.let_go:
            left_out.append(_left_out(address, target, "which this selection removes", to_select(selection, [address])))
        else:
            who = f"of the project {owner!r}" if owner else "which no project owns"
            yield Blocker(
                "depended-on",
                f"{address}, {'which this plan lets go' if address in written.let_go else who}, refers to {target}, "
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


def _left_out(address: Address, target: Address, what: str, hint: str) -> Problem:
    return Problem(
        "reference-not-selected",
        f"{address} refers to {target}, {what}",
        address=str(address),
        hint=hint,
    )


def _settled_dependants(
    written: WrittenResources, configuration: Configuration, live: Live
) -> Iterator[tuple[Address, Address]]:
    """Yield the same of what is settled, whose live bodies are those of the configuration."""
    wanted = {str(address): address for address in written.gone} if live.settled else {}
    for name, target in links_of(configuration.resources) if wanted else ():
        if target in wanted and name in live.settled:
            address = Address.of(name)
            if address not in written.made and address not in written.gone:
                yield address, wanted[target]
