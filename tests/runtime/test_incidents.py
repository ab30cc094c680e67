"""A tool that is no longer what was pinned is one incident, however many calls meet it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from reconciler.access.target import Target
from reconciler.model.address import Address
from reconciler.runtime.incidents import MOST, Incidents


def tool(name: str = "search", pin: str = "sha256:0", part: bool = True) -> Target:
    known = SimpleNamespace(uid="u-tickets", address=Address("acme", "connector", "tickets"))
    made: Any = SimpleNamespace(
        tenant="acme",
        name=f"tool/tickets/{name}",
        part={"pin": pin} if part else None,
        part_name=name,
        connector=SimpleNamespace(known=known),
    )
    return cast(Target, made)


def test_the_same_pin_is_one_incident_with_one_id() -> None:
    incidents = Incidents()
    for _ in range(3):
        incidents.note(tool(), "tool-changed")
    (first,) = incidents.take()
    assert (first.type, first.tenant, first.data["tool"]) == ("incident", "acme", "search")
    incidents.note(tool(), "tool-changed")
    assert [one.id for one in incidents.take()] == [first.id]  # the outbox knows it
    incidents.note(tool(pin="sha256:1"), "tool-changed")
    assert [one.id for one in incidents.take()] != [first.id]


def test_other_ends_of_calls_are_none() -> None:
    incidents = Incidents()
    incidents.note(tool(), "unreachable")
    incidents.note(tool(part=False), "tool-changed")
    assert incidents.take() == []


def test_what_waits_is_bounded() -> None:
    incidents = Incidents()
    for number in range(MOST + 5):
        incidents.note(tool(f"t{number}"), "tool-changed")
    assert len(incidents.take()) == MOST
