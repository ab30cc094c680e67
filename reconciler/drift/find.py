"""``find_drift``: created, changed and deleted outside, per field, with who and when; pure, like a plan."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from reconciler.kinds.meaning import normal
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.drift import Drift
from reconciler.model.live import Live
from reconciler.model.plan import OutsideChange, Selection
from reconciler.planner.compare import outside_change


def find_drift(
    configuration: Configuration, live: Live, today: date, selection: Selection, let_go: Collection[str] = ()
) -> Drift:
    """``configuration`` gives the ignore rules; rows whose uid is in ``let_go`` were forgotten on purpose."""
    findings = []
    clean = sum(selection.selects(Address.of(name)) for name in live.settled)
    for address in sorted(live.applied):
        if not selection.selects(address):
            continue
        change = outside_change(address, live, configuration, today)
        if change is None:
            clean += 1
        else:
            findings.append(change)
    findings += [_created(address, live) for address in sorted(live.rows) if selection.selects(address)
                 and not live.owns(address) and live.owner(address) is None
                 and live.rows[address].uid not in let_go and not _ignored(address, configuration, today)]  # fmt: skip
    project = live.project
    return Drift(
        configuration.project,
        configuration.environment,
        project.generation if project else 0,
        tuple(sorted(findings, key=lambda finding: finding.address)),
        clean,
    )


def _created(address: Address, live: Live) -> OutsideChange:
    row = live.rows[address]
    return OutsideChange(address, "created", None, normal(row).body, (), row.touch)


def _ignored(address: Address, configuration: Configuration, today: date) -> bool:
    """A rule for all fields of an address (``field: "*"``) leaves whole rows to others."""
    return any(rule.field == "*" and rule.covers(address, ("*",), today) for rule in configuration.ignore)
