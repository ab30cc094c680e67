"""A plan, and which references have another secret behind them now, turned into the plan that says so."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from reconciler.errors import Path
from reconciler.kinds.meaning import normal
from reconciler.model.address import Address
from reconciler.model.binding import BEGINNING, Reviewed, names_meant, paths_meaning
from reconciler.model.body import get
from reconciler.model.configuration import Configuration
from reconciler.model.fingerprint import Fingerprints
from reconciler.model.live import Live
from reconciler.model.plan import REBOUND, Action, Cause, Change, FieldChange, Plan, Selection
from reconciler.model.risk import in_order
from reconciler.planner.compare import kept_marks
from reconciler.planner.dependants import dependants_of
from reconciler.planner.moves import NO_MARKS, marks_of
from reconciler.planner.names import moves_of
from reconciler.planner.needs import needs_of
from reconciler.planner.order import ordered
from reconciler.planner.risks import risks_of


def rotated(known: Fingerprints, now: Fingerprints) -> dict[Address, tuple[Path, ...]]:
    """Where the secret behind an unchanged reference is another one than at the last checked apply."""
    found = {
        address: tuple(sorted((p for p, seen in fields.items() if p in now.get(address, {}) and now[address][p].differs(seen)), key=str))
        for address, fields in known.items()
    }  # fmt: skip
    return {address: paths for address, paths in found.items() if paths}


def with_reviewed(plan: Plan, uids: Mapping[tuple[str, str], str]) -> Plan:
    """Return the same plan, with the secrets that its changes refer to; ``uids`` are those of the database, by tenant and name."""
    names = {
        (change.address.tenant, name)
        for change in plan.changes
        if BEGINNING in (change.new_text or "")
        for name in names_meant(change.after)
    }
    return replace(plan, secrets=tuple(Reviewed(*key, uids[key]) for key in sorted(names) if key in uids))


def with_replaced(plan: Plan, configuration: Configuration, live: Live, selection: Selection) -> Plan:
    """Return the same plan, in which a reference is bound anew where it points to another secret than the one that was applied."""
    if not live.replaced:
        return plan
    wanted = ((address, configuration.resources.get(address), names) for address, names in live.replaced.items())
    found = {address: paths_meaning(one.body, names) for address, one, names in wanted if one is not None}
    paths = {address: places for address, places in found.items() if places}
    return with_secrets(plan, paths, configuration, live, selection, REBOUND)


def with_secrets(
    plan: Plan,
    paths: Mapping[Address, tuple[Path, ...]],
    configuration: Configuration,
    live: Live,
    selection: Selection,
    op: str = "secret",
) -> Plan:
    """Return the same plan, in which those resources are updated: who uses them has to fetch the new secret."""
    changes = {change.address: change for change in plan.changes if change.new is not None}
    ended = [change for change in plan.changes if change.new is None]
    marks = marks_of(configuration)
    added, moves = 0, moves_of(plan.changes)
    for address, places in paths.items():
        wanted, row = configuration.resources.get(address), live.rows.get(address)
        if wanted is None or row is None or not live.owns(address) or not selection.selects(address):
            continue
        change = changes.get(address)
        if change is not None and change.action is not Action.UPDATE:
            continue  # a new life, or only a new name: what is behind it is looked at when it is there
        if change is None:
            body = normal(row).body
            change = Change(
                address,
                Action.UPDATE,
                body,
                body,
                uid=row.uid,
                row_version=row.row_version,
                explicit=tuple(
                    sorted(wanted.explicit | marks.get(address, NO_MARKS) | kept_marks(live.applied[address]), key=str)
                ),
                source=wanted.source,
                unchanged=len(body),
            )
            added += 1
        known, after = {field.path for field in change.fields}, change.after
        fields = tuple(
            FieldChange(path, op, get(after, path), get(after, path), Cause.CONFIGURATION)
            for path in places
            if path not in known
        )
        changed = replace(
            change,
            fields=(*change.fields, *fields),
            unchanged=change.unchanged - len({field.path[0] for field in fields}),
        )
        changes[address] = replace(changed, risks=in_order({*change.risks, *risks_of(changed, moves)}))
    if not added and all(c.new is None or changes[c.address] is c for c in plan.changes):
        return plan
    all_of_them = [*changes.values(), *ended]
    return replace(
        plan,
        changes=ordered(all_of_them, needs_of(all_of_them)),
        dependants=dependants_of({change.address for change in all_of_them}, configuration),
        unchanged=plan.unchanged - added,
    )
