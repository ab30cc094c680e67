"""What a plan leaves out: what differs outside of its selection, what it doesn't delete, and what ignore rules cover."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from reconciler.diff.fields import differences
from reconciler.errors import ConfigurationInvalid, Refused
from reconciler.kinds.meaning import normal
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.live import Live
from reconciler.model.plan import Action, LeftOut, Plan, Selection
from reconciler.planner.attribute import keep_ignored
from reconciler.planner.counting import counted, described
from reconciler.planner.make import Past, Setting, make_plan

_REMOVALS = frozenset({Action.DELETE, Action.FORGET})
MOST = 10_000
"""Resources that may differ; above that, only those that are selected are compared."""


def with_left_out(
    plan: Plan,
    configuration: Configuration,
    live: Live,
    setting: Setting,
    selection: Selection,
    past: Past | None = None,
) -> Plan:
    """Return the plan with what it leaves out of the one that it would be without its selection."""
    found = [*_ignored(configuration, live, setting, selection)]
    if selection.is_partial or not (selection.deletes and selection.replaces):
        found = [*_unplanned(plan, configuration, live, setting, selection, past), *found]
    return replace(plan, selected=described(selection), left_out=tuple(found))


def _unplanned(
    plan: Plan, configuration: Configuration, live: Live, setting: Setting, selection: Selection, past: Past | None
) -> Iterator[LeftOut]:
    unsettled = configuration.digests.keys() - live.settled | {str(address) for address in live.applied}
    if len(unsettled) > MOST:
        others = [name for name in unsettled if not selection.selects(Address.of(name))]
        yield from counted("not-compared", (), len(others))
        return
    try:
        whole = make_plan(configuration, live, setting, past=past)
    except (Refused, ConfigurationInvalid) as error:
        yield LeftOut("not-planned", len(error.problems), ())
        return
    planned = {(change.address, change.action) for change in plan.changes}
    rest = [change for change in whole.changes if (change.address, change.action) not in planned]
    inside = [change for change in rest if selection.selects(change.address)]
    yield from counted("not-selected", (c.address for c in rest if not selection.selects(c.address)))
    yield from counted("deletion", (c.address for c in inside if c.action in _REMOVALS))
    yield from counted("replacement", (c.address for c in inside if c.action not in _REMOVALS))


def _ignored(configuration: Configuration, live: Live, setting: Setting, selection: Selection) -> Iterator[LeftOut]:
    """Yield the fields whose live values stay, though the configuration says otherwise."""
    fields = 0
    found = []
    for address in live.rows if configuration.ignore else ():
        wanted = configuration.resources.get(address)
        if wanted is None or not selection.selects(address) or not live.owns(address):
            continue
        before = normal(live.rows[address])
        if any(before.body.get(name) != wanted.body.get(name) for name in KINDS[address.kind].identity):
            continue  # a replacement writes what is wanted, whatever the rules say
        kept = keep_ignored(address, before.body, wanted.body, configuration.ignore, setting.today)
        if covered := sum(1 for _ in differences(kept, wanted.body)) if before.valid else 0:
            fields += covered
            found.append(address)
    yield from counted("ignored", found, fields)
