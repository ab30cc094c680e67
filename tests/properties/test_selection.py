"""Parts of a plan: what is selected is planned as in the whole, can be applied by itself, and leaves nothing half done."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, note

from reconciler.errors import ConfigurationInvalid, Refused
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.plan import Action, Plan, Selection
from reconciler.planner.make import EVERYTHING

from .arena import Arena
from .bodies import Pick
from .story import Story
from .strategies import dice, examples, loaded, write
from .wishes import opening, turn


@examples(150)
@given(data=dice(1000))
def test_a_part_is_planned_as_in_the_whole_and_converges(sqlite: Arena, manifests: Path, data: bytes) -> None:
    pick, story = Pick(data, ()), Story(sqlite, manifests)
    want, others = opening(pick, story)
    following, external = turn(pick, story, want, others)
    write(manifests, (following.group(external),))
    configuration = loaded(manifests)
    live = sqlite.live(configuration)
    known = sorted({*configuration.resources, *live.rows, *live.applied})
    selection = _selection(pick, frozenset(a for a in known if pick.number(4) == 0), configuration)
    note(f"{(manifests / 'all.yaml').read_text()} {selection}")

    whole, part = _plan(sqlite, configuration, EVERYTHING), _plan(sqlite, configuration, selection)
    if part is None:
        return
    assert part.partial
    if whole is not None:
        assert all(change in whole.changes for change in part.changes)
        assert all(change in whole.outside for change in part.outside)
    actions = {change.action for change in part.changes}
    assert selection.deletes or Action.DELETE not in actions
    assert selection.replaces or Action.REPLACE not in actions
    if selection.paths is not None:
        assert all(change.address in configuration.resources for change in part.changes)
    if part.blockers:
        return

    before = sqlite.dump()
    sqlite.apply(part)  # never stale: a part that can't be applied by itself would be no plan
    again = _plan(sqlite, configuration, selection)
    assert again is not None
    assert again.changes == ()
    assert part.changes or sqlite.dump() == before


def _selection(pick: Pick, chosen: frozenset[Address], configuration: Configuration) -> Selection:
    form = pick.number(5)
    if form == 0:
        return Selection(deletes=False, replaces=False)
    if form == 1:
        return Selection(paths=chosen & configuration.resources.keys(), deletes=False)
    targets = chosen or frozenset(list(configuration.resources)[:1]) or frozenset({Address("acme", "limit", "x")})
    return Selection(targets=targets, deletes=form > 2, replaces=form > 2)


def _plan(arena: Arena, configuration: Configuration, selection: Selection) -> Plan | None:
    """None where there is a conflict, or a reference that the selection leaves unmet."""
    try:
        return arena.plan(configuration, selection)
    except (Refused, ConfigurationInvalid):
        return None
