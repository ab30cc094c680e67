"""``make_plan``: everything that is wanted and everything that is live, turned into one plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from itertools import chain
from operator import attrgetter, itemgetter

from msgspec import Struct
from msgspec.structs import replace

from reconciler.batches import Map
from reconciler.errors import ConfigurationInvalid, Problem, Refused
from reconciler.kinds.facts import secret_kinds
from reconciler.kinds.meaning import normal
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.configuration import Adoption, Configuration
from reconciler.model.live import ADOPTED, Live, Row
from reconciler.model.plan import BEGINNINGS, DELETED_OUTSIDE, Action, Blocker, Change, Plan, Revision, Selection
from reconciler.model.resource import Resource
from reconciler.planner.compare import Sides, compare, create, outside_change, remove
from reconciler.planner.dependants import dependants_of
from reconciler.planner.environment import require_environment
from reconciler.planner.fits import Look, misfit_blockers, state_of
from reconciler.planner.forged import forged_records
from reconciler.planner.moves import NAME_TAKEN, NO_MARKS, Assignment, assign, linked, marks_of, notes_on
from reconciler.planner.names import Names
from reconciler.planner.needs import needs_of
from reconciler.planner.order import ordered
from reconciler.planner.protection import is_retained, protected
from reconciler.planner.references import unmet_references
from reconciler.planner.renames import notes_of, renames_in
from reconciler.planner.risks import with_risks
from reconciler.planner.sharing import holders_of, secrets_taken_up


class Setting(Struct, frozen=True):
    """What a plan says of where it was made, besides the two states."""

    database: str
    today: date
    tool_version: str
    revision: Revision | None = None


class Past(Struct, frozen=True):
    """What a rollback brings back besides bodies.

    Where live resources go, the uid that each address had, and the resources that this project adopted rather than created,
    which are let go of instead of deleted.
    """

    moves: Mapping[Address, Address]
    uids: Mapping[Address, str]
    let_go: frozenset[Address] = frozenset()


EVERYTHING = Selection()


def make_plan(
    configuration: Configuration,
    live: Live,
    setting: Setting,
    selection: Selection = EVERYTHING,
    past: Past | None = None,
    mapper: Map = map,
) -> Plan:
    """Return the plan; the same inputs give the same one. The moves of ``past`` stand in for those of the configuration.

    Raises Refused for conflicts of ownership and for rows of a newer tool, ConfigurationInvalid for references that
    the selection leaves unmet and for ignore rules that don't fit.
    """
    require_environment(live.project, configuration.project, configuration.environment)
    assigned = Assignment(past.moves) if past else assign(configuration, live)
    if open_ := [one.problem for one in assigned.questions if selection.selects_whole(one.about)]:
        raise Refused(*sorted(open_, key=lambda one: (one.address or "", one.message)))
    wanted = past or Past(assigned.moves, {})
    changes, unchanged = _changes(configuration, live, setting, selection, wanted, assigned.displaced)
    changes.extend(_removals(configuration, live, selection, wanted, assigned.removed))
    reached = {change.address for change in changes if change.previous} & assigned.displaced
    changes.extend(remove(address, Action.DELETE, live, NAME_TAKEN) for address in reached)
    needs = needs_of(changes)
    plan = Plan(
        project=configuration.project,
        environment=configuration.environment,
        lineage=live.project.lineage if live.project else None,
        generation=live.project.generation if live.project else 0,
        apply_id=live.project.apply_id if live.project else None,
        database=setting.database,
        database_state=live.state.value,
        configuration=configuration.digest,
        tool_version=setting.tool_version,
        changes=ordered(with_risks(changes, _names(changes, configuration, live), mapper), needs),
        unchanged=unchanged,
        owned=len(live.settled) + sum(live.owns(address) for address in live.applied),
        desired_empty=not configuration.resources,
        partial=selection.is_partial or not selection.deletes,
        revision=setting.revision,
        # where everything changes, nothing depends on it from outside
        dependants=dependants_of({change.address for change in changes}, configuration)
        if unchanged or selection.is_partial or not selection.replaces
        else (),
        notes=(*_notes(configuration, live, setting.today), *_idle_moves(configuration, live, changes, selection)),
        outside=tuple(
            found
            for address in sorted(live.applied)
            if selection.selects(address) and (found := outside_change(address, live, configuration, setting.today))
        ),
    )
    plan = replace(plan, tenants_gone=_tenants_gone(plan, live))
    unmet = tuple(unmet_references(plan, needs, configuration, live, selection))
    whole = past is None and not selection.is_partial and selection.deletes and selection.replaces
    unfit = tuple(misfit_blockers(plan.changes, needs, configuration, live, Look(whole, past is None, selection)))
    held = protected(plan.changes, attrgetter("before"))
    if past is None:
        plan = replace(plan, notes=(*plan.notes, *notes_of(renames_in(plan.changes))))
    return replace(
        plan, blockers=(*held, *forged_records(plan.changes, live.applied), *_elsewhere(plan, live), *unmet, *unfit)
    )


def _names(changes: Sequence[Change], configuration: Configuration, live: Live) -> Names:
    secrets = secrets_taken_up(changes) if live.rows or live.settled else frozenset()
    tenants = {tenant for tenant, _ in secrets}
    rows = ((a, row.text) for a, row in live.rows.items() if a.tenant in tenants and a.kind in secret_kinds())
    settled = (
        (address, resource.text)
        for address, resource in configuration.resources.items()
        if address.tenant in tenants and address.kind in secret_kinds() and str(address) in live.settled
    )
    return Names(changes, state_of(configuration, live), live.applied.get, holders_of(secrets, chain(rows, settled)))


def _changes(
    configuration: Configuration,
    live: Live,
    setting: Setting,
    selection: Selection,
    past: Past,
    displaced: frozenset[Address],
) -> tuple[list[Change], int]:
    moves, uids = past.moves, past.uids
    came_from, groups = {new: old for old, new in moves.items()}, linked(moves)
    marks = marks_of(configuration)
    adoptions = {adoption.address: adoption for adoption in configuration.adoptions}
    changes: list[Change] = []
    refused: list[Problem] = []
    invalid: list[Problem] = []
    skipped: set[Address] = set()
    for address in displaced if not selection.deletes or not selection.replaces else ():
        skipped |= groups[address]
    unchanged = _settled(live, selection)
    for address, wanted in _unsettled(configuration, live):
        # a move is selected whole, with those that make room for it or take its place
        group = groups.get(address)
        if selection.is_partial and not selection.selects_whole(group or {address}):
            continue
        previous = came_from.get(address)
        # a name that its resource leaves in this plan is free
        row = live.rows.get(previous or address) if previous or address not in moves else None
        try:
            if row is None:
                change: Change | None = create(wanted, live, marks.get(address, NO_MARKS))
            else:
                sides = _sides(wanted, row, live, adoptions.get(address))
                another = "" if address in displaced and not previous else uids.get(address)
                sides = replace(sides, uid=another, marks=sides.marks | marks.get(address, NO_MARKS))
                change = compare(wanted, sides, configuration, setting.today)
        except Refused as error:
            refused.extend(error.problems)
        except ConfigurationInvalid as error:
            invalid.extend(error.problems)
        else:
            unchanged += change is None
            if change is not None and change.action is Action.REPLACE and not selection.replaces:
                skipped |= group or {address}
            elif change is not None:
                brought_back = uids.get(address) if change.action in BEGINNINGS else None
                changes.append(replace(change, restored_uid=brought_back) if brought_back else change)
    if refused:
        raise Refused(*refused)
    if invalid:
        raise ConfigurationInvalid(*invalid)
    return [change for change in changes if change.address not in skipped] if skipped else changes, unchanged


def _unsettled(configuration: Configuration, live: Live) -> Iterable[tuple[Address, Resource]]:
    """Return what has to be looked at, in key order."""
    resources = configuration.resources
    if not live.settled:
        return sorted(resources.items(), key=itemgetter(0))
    names = configuration.digests.keys() - live.settled
    return ((address, resources[address]) for address in sorted(map(Address.of, names)))


def _settled(live: Live, selection: Selection) -> int:
    """How many of the selected resources are as they are wanted, by their digests alone."""
    if not selection.is_partial:
        return len(live.settled)
    return sum(selection.selects(Address.of(name)) for name in live.settled)


def _sides(wanted: Resource, row: Row, live: Live, adoption: Adoption | None) -> Sides:
    """Return both sides of an address. Raises Refused for a row that is not ours and that no entry takes over."""
    if live.owns(row.address):
        previous = row.address if row.address != wanted.address else None
        return Sides(row, live.applied[row.address], previous=previous)
    owner = live.owner(row.address)
    if adoption is None or (owner is not None and owner != adoption.from_project):
        raise Refused(_conflict(wanted, owner))
    former = live.owners[row.address].former if owner else frozenset()
    project = live.project.name if live.project else ""
    if owner and project in former and not adoption.again:
        raise Refused(_taken_since(wanted, owner))
    taken = frozenset((ADOPTED, name) for name in {*former, owner} if name and name != project)
    return Sides(row, None, adopted_from=owner or "", marks=taken)


def _removals(
    configuration: Configuration, live: Live, selection: Selection, past: Past, removed: Mapping[Address, Address]
) -> Iterator[Change]:
    """Yield the removals; ``removed`` maps a live name to the later one under which an entry speaks of the resource."""
    kept = {removal.address for removal in configuration.removals if not removal.destroy}
    kept |= {old for old, new in removed.items() if new in kept}
    gone = [address for address in live.applied if address not in configuration.resources and address not in past.moves]
    gone = [address for address in gone if selection.selects(address)]
    unknown = sorted(address for address in gone if address.kind not in KINDS)
    if unknown:
        raise Refused(*(_unknown_kind(address) for address in unknown))
    for address in gone:
        if not live.owns(address):
            # somebody deleted it (or put another in its place), and nobody wants it: only our record of it goes
            yield _lost(address, live)
        elif address in kept:
            yield remove(address, Action.FORGET, live, "removed-block")
        elif address in past.let_go:
            yield remove(address, Action.FORGET, live, "taken-over-since")
        elif selection.deletes:
            change = remove(address, Action.DELETE, live, "not-in-configuration")
            yield remove(address, Action.FORGET, live, "retained") if is_retained(change.before) else change


def _unknown_kind(address: Address) -> Problem:
    message = f"{address} was written by a newer reconciler: this one knows no kind {address.kind!r}"
    return Problem("newer-kind", message, address=str(address), hint="upgrade this reconciler")


def _lost(address: Address, live: Live) -> Change:
    applied = live.applied[address]
    body = normal(applied).body
    return Change(
        address,
        Action.FORGET,
        body,
        body,
        reason=DELETED_OUTSIDE,
        outside=live.deletions.get(address),
        uid=applied.uid,
    )


def _taken_since(wanted: Resource, owner: str) -> Problem:
    address = wanted.address
    return Problem(
        "adopted-since",
        f"{address} was taken over from this project by {owner!r}: which of the two is to have it?",
        address=str(address),
        place=wanted.source,
        hint=f"take its declaration and the `adopt` entry out here, or take it back by hand: "
        f"`reconciler adopt {address} --from-project {owner}`",
    )


def _conflict(wanted: Resource, owner: str | None) -> Problem:
    address, source = wanted.address, wanted.source
    entry = f"{address.kind}/{address.name}"
    if owner:
        return Problem(
            "owned-by-another",
            f"{address} is live and belongs to the project {owner!r}",
            address=str(address),
            place=source,
            hint=f"rename it, or take it over with `adopt: [{{address: {entry}, from_project: {owner}}}]` in its manifest",
        )
    return Problem(
        "not-owned",
        f"{address} is live already, and no project owns it",
        address=str(address),
        place=source,
        hint=f"take it over with `adopt: [{entry}]` in its manifest, or delete the row",
    )


def _tenants_gone(plan: Plan, live: Live) -> tuple[str, ...]:
    deleted = {c.address for c in plan.changes if c.action is Action.DELETE}
    if not deleted:
        return ()
    before = {address.tenant for address in live.applied if live.owns(address)}
    after = {address.tenant for address in live.applied if live.owns(address) and address not in deleted}
    after |= {change.address.tenant for change in plan.changes if change.new is not None}
    after |= {name.partition("/")[0] for name in live.settled}
    return tuple(sorted(before - after))


def _elsewhere(plan: Plan, live: Live) -> Iterator[Blocker]:
    """Yield uids that are to come back and live under another name, where somebody else put them."""
    wanted = {(c.address.tenant, c.restored_uid): c.address for c in plan.changes if c.restored_uid}
    ended = {change.address for change in plan.changes if change.action.destroys} if wanted else set()
    for place, row in live.rows.items() if wanted else ():
        address = wanted.get((place.tenant, row.uid))
        if address is not None and place not in ended:
            message = f"{address} is live under another name, {place}"
            yield Blocker("uid-live", message, f"rename or delete {place} first", address)


def _idle_moves(
    configuration: Configuration, live: Live, changes: Iterable[Change], selection: Selection
) -> Iterator[str]:
    if configuration.moves and not selection.is_partial:
        yield from sorted(notes_on(configuration, live, (c.address for c in changes if c.action is Action.CREATE)))


def _notes(configuration: Configuration, live: Live, today: date) -> Iterator[str]:
    known = (configuration.digests, map(str, live.rows))
    for rule in configuration.ignore:
        if rule.until is not None and today > rule.until:
            yield f"the ignore rule for {rule.field} of {rule.address} ended on {rule.until.isoformat()}: it no longer counts"
        elif not any(fnmatchcase(name, rule.address) for names in known for name in names):
            yield f"the ignore rule for {rule.field} of {rule.address} matches no resource"
