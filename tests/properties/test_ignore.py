"""Rules that leave fields to others: whatever they say, an apply keeps those fields, and converges."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, note
from msgspec.structs import replace

from reconciler.errors import ConfigurationInvalid, Refused
from reconciler.model.configuration import Ignore
from reconciler.model.plan import Action
from reconciler.planner.attribute import covered

from .arena import Arena
from .bodies import Pick
from .story import Story
from .strategies import TODAY, dice, examples, loaded, write
from .wishes import opening, turn

FIELDS = ("description", "labels", "config", "config.*", "models", "base_url", "concurrent", "path", "protected", "*")
ADDRESSES = ("*", "acme/connector/*", "*/a", "acme/integration/?")


@examples(150)
@given(data=dice(1000))
def test_what_is_ignored_is_kept_and_an_apply_converges(sqlite: Arena, manifests: Path, data: bytes) -> None:
    pick, story = Pick(data, ()), Story(sqlite, manifests)
    want, others = opening(pick, story)
    following, external = turn(pick, story, want, others)
    write(manifests, (following.group(external),))
    rules = tuple(Ignore(pick.of(ADDRESSES), pick.of(FIELDS), "theirs") for _ in range(1 + pick.number(3)))
    configuration = replace(loaded(manifests), ignore=rules)
    note(f"{(manifests / 'all.yaml').read_text()} {rules}")
    try:
        plan = sqlite.plan(configuration)
    except Refused:
        return
    except ConfigurationInvalid as error:
        if {problem.code for problem in error.problems} <= {
            "ignored-unfit",
            "reference-not-selected",
            "unfit-reference",
        }:
            return
        raise
    for change in plan.changes:
        if change.action is Action.UPDATE and change.reason != "live-invalid":
            assert not any(covered(change.address, field.path, rules, TODAY) for field in change.fields)
            assert change.fields
    if plan.blockers:
        return
    sqlite.apply(plan)
    again = sqlite.plan(configuration)
    assert again.changes == ()
