"""Documents turned into GitHub's annotations and a step's outputs.

Source of the forms: GitHub's "Workflow commands for GitHub Actions". A command is a line of its own that starts with
``::``; so every line written here is one, or fixed text, and nothing of a configuration starts a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.model.risk import Level, level_of
from reconciler.render.left_out import left_out_lines, no_changes
from reconciler.render.sentence import one_line, sentence

_DONE = {
    "create": "will be created",
    "update": "will be updated in-place",
    "replace": "must be replaced",
    "delete": "will be destroyed",
    "move": "will be moved",
    "adopt": "will be adopted",
    "forget": "will no longer be managed",
}
_DESTRUCTIVE = {"delete", "replace"}
_ORDER = ("error", "warning", "notice")  # GitHub shows the first ten of each
_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}
_FIELDS = 8


def problems_github(document: Mapping[str, Any]) -> str:
    """``problems.errors_json`` as one annotation for each problem, most serious first; an empty text if there is none."""
    levels = [(_LEVELS[error.get("severity", "error")], error) for error in document["errors"]]
    found = sorted(levels, key=lambda one: _ORDER.index(one[0]))
    return "\n".join(annotation(level, sentence(error), error["code"], error) for level, error in found)


def plan_github(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a plan's document as annotations at the lines that are the reason, most serious first, and its summary."""
    changes: Sequence[Mapping[str, Any]] = document["resource_changes"]
    grave = [number for number, change in enumerate(changes) if _is_grave(change)]
    others = {*range(len(changes))}.difference(grave)
    yield from (f"{line}\n" for line in _refusals(document))
    for level, numbers in (("warning", grave), ("notice", sorted(others))):
        for change in (changes[number] for number in numbers):
            yield annotation(level, _told(change), f"plan: {change['action']}", change["source"]) + "\n"
    yield summary(document)


def _is_grave(change: Mapping[str, Any]) -> bool:
    return change["action"] in _DESTRUCTIVE or any(level_of(risk) is Level.HIGH for risk in change["risks"])


def summary(document: Mapping[str, Any]) -> str:
    """Return the sentence that the text of a plan ends with."""
    if not document["resource_changes"]:
        return " ".join([no_changes(document), *left_out_lines(document)])
    counts = document["summary"]
    told = [f"Plan: {counts['add']} to add, {counts['change']} to change, {counts['destroy']} to destroy."]
    also = [f"{counts[what]} to {what}" for what in ("move", "adopt", "forget") if counts[what]]
    told += [f"Also: {', '.join(also)}."] if also else []
    return " ".join([*told, *left_out_lines(document)])


def outputs(document: Mapping[str, Any], delimiter: str) -> str:
    """Return the step's outputs ``has_changes``, ``add``, ``change`` and ``destroy``; ``delimiter`` is random text."""
    counts = document["summary"]
    values = {
        "has_changes": "true" if document["resource_changes"] else "false",
        **{name: str(counts[name]) for name in ("add", "change", "destroy")},
    }
    return "".join(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in values.items())


def annotation(level: str, message: str, title: str, place: Mapping[str, Any] | None) -> str:
    """One workflow command; ``place`` has ``file``, ``line`` and ``column``, any of them None."""
    at = place or {}
    column = at.get("column") if at.get("line") else None
    properties = {"file": at.get("file"), "line": at.get("line"), "col": column, "title": title}
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value)
    return f"::{level} {told}::{_data(message)}"


def _refusals(document: Mapping[str, Any]) -> Iterator[str]:
    blockers = document["blockers"]
    blocked = {blocker["address"] for blocker in blockers}
    concerned = (change for change in document["resource_changes"] if change["address"] in blocked)
    sources = {change["address"]: change["source"] for change in concerned} if blocked else {}
    for blocker in blockers:
        hint = f"; next: {blocker['hint']}" if blocker["hint"] else ""
        message = f"an apply would be refused: {blocker['message']}{hint}"
        yield annotation("error", message, blocker["code"], sources.get(blocker["address"]))


def _told(change: Mapping[str, Any]) -> str:
    """Return what happens, and the fields that differ by name: their values stand in the summary, where they have room."""
    parts = [f"{change['address']} {_DONE[change['action']]}"]
    if change["previous_address"]:
        parts.append(f"live it is {change['previous_address']}")
    names = [field["field"] for field in change["fields"]]
    if names:
        more = f" and {len(names) - _FIELDS} more" if len(names) > _FIELDS else ""
        parts.append(f"fields: {', '.join(names[:_FIELDS])}{more}")
    if change["outside"]:
        parts.append(f"changed outside by {change['outside']['by']} at {change['outside']['at']}")
    return "; ".join(parts)


def _data(text: str) -> str:
    return one_line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
