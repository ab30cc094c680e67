"""``find_drift``: created, changed and deleted outside, per field, with who and when; pure, like a plan."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from msgspec.structs import replace

from reconciler.diff.fields import differences
from reconciler.kinds.meaning import normal
from reconciler.model.address import Address
from reconciler.model.binding import paths_meaning
from reconciler.model.body import get
from reconciler.model.configuration import Configuration
from reconciler.model.drift import Drift
from reconciler.model.live import Live
from reconciler.model.plan import REBOUND, Cause, FieldChange, OutsideChange, Selection, Touch
from reconciler.planner.compare import outside_change
from reconciler.planner.counting import counted, described


def find_drift(
    configuration: Configuration,
    live: Live,
    today: date,
    selection: Selection,
    let_go: Collection[str] = (),
) -> Drift:
    """Compare live rows with what was last applied; rows whose uid is in ``let_go`` were forgotten on purpose."""
    findings = []
    clean = sum(selection.selects(Address.of(name)) for name in live.settled)
    ignored: dict[Address, int] = {}
    for address in sorted(live.applied):
        change = _with_replaced(outside_change(address, live, configuration, today), address, live)
        if change is not None:
            findings.append(change)
        elif selection.selects(address):
            clean += 1
        if configuration.ignore and selection.selects(address) and (count := _covered(address, live, change)):
            ignored[address] = count
    findings += [_created(address, live) for address in sorted(live.rows)
                 if not live.owns(address) and live.owner(address) is None
                 and live.rows[address].uid not in let_go and not _ignored(address, configuration, today)]  # fmt: skip
    found = [finding for finding in findings if selection.selects(finding.address)]
    others = [finding.address for finding in findings if not selection.selects(finding.address)]
    project = live.project
    return Drift(
        configuration.project,
        configuration.environment,
        project.generation if project else 0,
        tuple(sorted(found, key=lambda finding: finding.address)),
        clean,
        described(selection),
        (*counted("drift", others), *counted("ignored", ignored, sum(ignored.values()))),
    )


def _with_replaced(change: OutsideChange | None, address: Address, live: Live) -> OutsideChange | None:
    """Return the finding, with the references that point to another secret; who did that is not known."""
    if address not in live.replaced or not live.owns(address) or (change is not None and change.op != "changed"):
        return change
    body = normal(live.rows[address]).body
    fields = tuple(
        FieldChange(path, REBOUND, get(body, path), get(body, path), Cause.OUTSIDE)
        for path in paths_meaning(body, live.replaced[address])
    )
    if change is None:
        return OutsideChange(address, "changed", body, body, fields, Touch()) if fields else None
    return replace(change, fields=(*change.fields, *fields))


def _covered(address: Address, live: Live, change: OutsideChange | None) -> int:
    """How many fields of a row differ from what was applied and are not told, since rules cover them."""
    row, applied = live.rows.get(address), live.applied[address]
    if row is None or row.uid != applied.uid:
        return 0
    base, now = normal(applied), normal(row)
    if base.digest == now.digest:
        return 0
    all_fields = sum(1 for _ in differences(base.body, now.body)) if now.valid else 0
    return all_fields - (len(change.fields) if change else 0)


def _created(address: Address, live: Live) -> OutsideChange:
    row = live.rows[address]
    return OutsideChange(address, "created", None, normal(row).body, (), row.touch)


def _ignored(address: Address, configuration: Configuration, today: date) -> bool:
    """Whether a rule for all fields of an address (``field: "*"``) leaves the whole row to others."""
    return any(rule.field == "*" and rule.covers(address, ("*",), today) for rule in configuration.ignore)
