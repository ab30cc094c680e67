"""Finds what would not fit any more once a plan is applied: between what changes and what stays as it is live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.errors import ConfigurationInvalid, Problem, Refused
from reconciler.kinds.fit import Misfit, Step, dependants_in, ruled, unfit
from reconciler.kinds.links import links_of
from reconciler.kinds.meaning import normal
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.configuration import Configuration
from reconciler.model.live import Live, Row
from reconciler.model.plan import Action, Blocker, Change, Selection
from reconciler.model.resource import Resource
from reconciler.planner.counting import to_select
from reconciler.planner.needs import Needs
from reconciler.planner.references import WrittenResources, targets_of_row, written_by


class Look(NamedTuple):
    """How much has to be looked at: ``whole`` where all of ours becomes as desired, ``judged`` where that was found to fit.

    ``selection`` is what the plan is about, and leaves the rest as it is live.
    """

    whole: bool
    judged: bool = True
    selection: Selection = Selection()


def misfit_blockers(
    changes: Sequence[Change], needs: Needs, configuration: Configuration, live: Live, look: Look
) -> Iterator[Blocker]:
    """Yield what only other projects can mend; raise ConfigurationInvalid for what this selection leaves out."""
    # what the files alone decide was found to fit when they were loaded
    whole = look.whole and not configuration.external
    let_go = {change.address for change in changes if change.action is Action.FORGET}
    rows = {
        a: row for a, row in live.rows.items() if a.kind in ruled() and not (whole and live.owns(a) and a not in let_go)
    }
    if not rows and whole and look.judged:
        return
    written, state = written_by(changes), state_of(configuration, live)

    def is_judged(address: Address) -> bool:
        here, wanted = state(address), configuration.resources.get(address)
        return look.judged and here is not None and wanted is not None and here.text == wanted.text

    step = step_of(written, needs, state)
    names = {address: [*targets_of_row(row)] for address, row in rows.items()}
    if not whole:
        names |= _settled(configuration, live)
    left_out: list[Problem] = []
    for one in unfit(step, dependants_of_step(step, names), is_judged):
        foreign = [end for end in one.ends if not live.owns(end)]
        stays = one.resource not in step.made
        if stays and (not live.owns(one.resource) or one.resource in written.let_go):
            yield _stays_behind(one, live.owner(one.resource))
        elif foreign:
            message = f"{one.resource} does not fit what another project has: {one.problem.message}"
            hint = "change it, or let that project change its own first"
            yield Blocker("unfit-reference", message, hint, one.resource)
        else:
            left_out.append(_left_out(one, stays, look.selection))
    if left_out:
        raise ConfigurationInvalid(*left_out)


def step_of(written: WrittenResources, needs: Needs, live: Callable[[Address], Resource | None]) -> Step:
    """Return the resources as they will be after the changes."""
    made = {address: Resource(address, change.new_text or "") for address, change in written.made.items()}
    return Step(made, written.gone, live, needs)


def dependants_of_step(step: Step, rows: Mapping[Address, Iterable[Address]]) -> Iterator[Resource]:
    """Yield the live resources that stay and depend on something that is another one afterwards."""
    altered = step.altered() if rows else frozenset()
    for address in sorted(dependants_in(altered, rows)) if altered else ():
        if address not in step.made and address not in step.gone and (found := step.live(address)) is not None:
            yield found


def resource_of_row(row: Row) -> Resource | None:
    """Return what a row means; None for a body that is not valid, or of a newer tool: no rule can say anything of it."""
    try:
        found = normal(row)
    except Refused:
        return None
    return Resource(row.address, canonical(found.body), known_body=found.body) if found.valid else None


def state_of(configuration: Configuration, live: Live) -> Callable[[Address], Resource | None]:
    """Live resources by address, each read once: from its row, or from the configuration where it is settled."""
    known: dict[Address, Resource | None] = {}

    def state(address: Address) -> Resource | None:
        if address not in known:
            row = live.rows.get(address)
            settled = configuration.resources.get(address) if str(address) in live.settled else None
            known[address] = resource_of_row(row) if row is not None else settled
        return known[address]

    return state


def _settled(configuration: Configuration, live: Live) -> Mapping[Address, list[Address]]:
    found: dict[Address, list[Address]] = {}
    for name, target in links_of(configuration.resources) if live.settled else ():
        if name in live.settled:
            found.setdefault(Address.of(name), []).append(Address.of(target))
    return {address: targets for address, targets in found.items() if address.kind in ruled()}


def _left_out(one: Misfit, stays: bool, selection: Selection) -> Problem:
    """Return what the selection, or --no-delete, leaves as it is live, and what to type to take it in."""
    ends = [one.resource] if stays else one.ends
    missing = [end for end in ends if not selection.selects(end)]
    kept = [end for end in ends if selection.selects(end)] if not selection.replaces else []
    if kept:
        which = f"--no-delete keeps {' and '.join(map(str, kept))}"
    else:
        which = "it is not selected" if stays else f"{' and '.join(map(str, ends))} stays as it is live"
    hints = [to_select(selection, missing or ends)]
    if kept:
        hints = [*(hints if missing else []), "leave out --no-delete: say the same command without it"]
    return Problem(
        "unfit-reference",
        f"{one.resource} would not fit what it refers to, since {which}: {one.problem.message}",
        address=str(one.resource),
        hint=", and ".join(hints),
    )


def _stays_behind(one: Misfit, owner: str | None) -> Blocker:
    who = f"of the project {owner!r}" if owner else "which no project owns"
    message = f"{one.resource}, {who}, would no longer fit what it refers to: {one.problem.message}"
    return Blocker("unfit-reference", message, "change or remove what refers to it first", one.resource)
