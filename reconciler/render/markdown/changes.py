"""One change of a plan's document as lines of a ``diff`` block."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from reconciler.diff.lines import line_changes
from reconciler.render.style import safe, value_text

Document = dict[str, Any]

TITLES = {
    "create": "will be created",
    "update": "will be updated in-place",
    "replace": "must be replaced",
    "delete": "will be destroyed",
    "move": "has moved",
    "adopt": "will be adopted",
    "forget": "will no longer be managed",
}
SYMBOLS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-", "move": "=>", "adopt": "<=", "forget": "."}
_CAUSES = {
    "outside": "changed outside",
    "both": "changed outside and in the configuration",
    "tool": "the tool's default changed",
}
MAX_LINES = 400
"""Of one change; a statement of thousands of lines is for the plan's JSON."""


def diff_lines(change: Document) -> list[str]:
    """``+``, ``-`` and blank first columns, as GitHub and GitLab colour them; long ones are cut, and say so."""
    lines = [safe(line) for line in _lines(change)]
    left = len(lines) - MAX_LINES
    return lines if left <= 0 else [*lines[:MAX_LINES], f"  … {left} more lines"]


def _lines(change: Document) -> Iterator[str]:
    body = change["change"]
    if change["action"] == "create":
        yield from _whole(body["after"], "+")
    elif change["action"] == "delete":
        yield from _whole(body["before"], "-")
    else:
        for field in change["fields"]:
            yield from field_lines(field)


def _whole(body: Document | None, sign: str) -> Iterator[str]:
    body = body or {}  # of a plan that somebody wrote by hand
    for key in sorted(body):
        if body[key] not in ("", {}, []):
            yield from _value(sign, key, body[key])


def field_lines(field: Document) -> Iterator[str]:
    """What one field was and is to be; texts of several lines by line, maps by key."""
    name, before, after = field["field"], field["before"], field["after"]
    if field["cause"] in _CAUSES:
        yield f"  # {name}: {_CAUSES[field['cause']]}"
    if isinstance(before, str) and isinstance(after, str) and ("\n" in before or "\n" in after):
        yield f"  {name} ="
        yield from (f"{sign}   {line}" for sign, line in line_changes(before, after))
        return
    if field["op"] == "secret":
        yield from (f"! {line.lstrip('+ ')} (secret changed)" for line in _value("+", name, after))
        return
    if field["op"] != "add":
        yield from _value("-", name, before)
    if field["op"] != "remove":
        yield from _value("+", name, after)


def _value(sign: str, name: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        yield f"{sign} {name} ="
        yield from (f"{sign}   {line}" for line in value.splitlines())
    elif isinstance(value, dict | list) and len(json.dumps(value, ensure_ascii=False)) > 80:
        yield f"{sign} {name} ="
        indented = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2)
        yield from (f"{sign}   {line}" for line in indented.splitlines())
    else:
        yield f"{sign} {name} = {value_text(value)}"
