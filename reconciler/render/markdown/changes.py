"""One change of a plan's document as lines of a ``diff`` block."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from reconciler.diff.visible import (
    visible_changes,
    visible_indented,
    visible_lines,
    visible_pair,
    visible_path,
    visible_value,
    visible_value_changes,
)
from reconciler.model.plan import SECRET_OPS, Action
from reconciler.render.plan_json import PlanJson

TITLES = {
    "create": "will be created",
    "update": "will be updated in-place",
    "replace": "must be replaced",
    "delete": "will be destroyed",
    "move": "has moved",
    "adopt": "will be adopted",
    "forget": "will no longer be managed",
}
SYMBOLS = {action.value: action.symbol for action in Action}
_CAUSES = {
    "outside": "changed outside",
    "both": "changed outside and in the configuration",
    "tool": "the tool's default changed",
}
_CONTEXT = 3
MAX_LINES = 400
"""Of one change; a statement of thousands of lines is for the plan's JSON."""


def diff_lines(change: PlanJson) -> list[str]:
    """``+``, ``-`` and blank first columns, as GitHub and GitLab colour them; long ones are cut, and say so."""
    return _cut([*_lines(change)])


def finding_lines(finding: PlanJson) -> list[str]:
    """Return the same of a finding of drift."""
    if finding["fields"]:
        return _cut([line for field in finding["fields"] for line in field_lines({**field, "cause": ""})])
    if finding["finding"] in {"changed", "forged"}:
        return []
    sign, body = ("-", finding["before"]) if finding["finding"] == "deleted" else ("+", finding["after"])
    return _cut([*_whole(body, sign)])


def _cut(lines: list[str]) -> list[str]:
    """Cut a text; the digest of the rest stands for it, so that two changes that differ there don't look alike."""
    left = lines[MAX_LINES:]
    if not left:
        return lines
    differ = sum(line[0] in "+-" for line in left)
    digest = blake2b("\n".join(left).encode(errors="surrogatepass"), digest_size=4).hexdigest()
    return [
        *lines[:MAX_LINES],
        f"  … {len(left)} more lines, {differ} of them differ (digest {digest}): see the plan's text, JSON or HTML",
    ]


def _lines(change: PlanJson) -> Iterator[str]:
    body = change["change"]
    if change["action"] == "create":
        yield from _whole(body["after"], "+")
    elif change["action"] == "delete":
        yield from _whole(body["before"], "-")
    else:
        for field in change["fields"]:
            yield from field_lines(field)


def _whole(body: PlanJson | None, sign: str) -> Iterator[str]:
    body = body or {}  # of a plan that somebody wrote by hand
    empty = []
    for key in sorted(body):
        name = visible_path((key,))
        if body[key] in (None, "", {}, []):
            empty.append(f"{name} {visible_value(body[key])}")
        else:
            yield from _value(sign, name, body[key])
    if empty:
        yield f"  # (empty: {', '.join(empty)})"


def field_lines(field: PlanJson) -> Iterator[str]:
    """Yield what one field was and is to be; texts of several lines by line, maps by key."""
    name, before, after = visible_path(tuple(field["path"])), field["before"], field["after"]
    if field["cause"] in _CAUSES:
        yield f"  # {name}: {_CAUSES[field['cause']]}"
    if isinstance(before, str) and isinstance(after, str) and ("\n" in before or "\n" in after):
        yield f"  {name} = |"
        yield from _near(visible_changes(before, after))
    elif field["op"] in SECRET_OPS:
        yield from (f"! {line.lstrip('+ ')} ({SECRET_OPS[field['op']]})" for line in _value("+", name, after))
    elif _is_long(before) and _is_long(after) and type(before) is type(after) and field["op"] == "change":
        yield f"  {name} ="
        yield from _near(visible_value_changes(before, after))
    elif field["op"] == "change" and not _is_long(before) and not _is_long(after):
        left, right = visible_pair(before, after)
        yield f"- {name} = {left}"
        yield f"+ {name} = {right}"
    else:
        if field["op"] != "add":
            yield from _value("-", name, before)
        if field["op"] != "remove":
            yield from _value("+", name, after)


def _near(changes: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what differs with a few lines before and after it: a cut further down leaves out as little of it as can be."""
    kept: list[str] = []
    differed = False
    for sign, line in (*changes, ("", "")):
        if sign == " ":
            kept.append(f"    {line}")
            continue
        after, before = _CONTEXT if differed else 0, _CONTEXT if sign else 0
        hidden = len(kept) - after - before
        if hidden > 1:
            yield from kept[:after]
            yield f"  … {hidden} lines stay as they are"
            yield from kept[len(kept) - before :]
        else:
            yield from kept
        kept, differed = [], True
        if sign:
            yield f"{sign}   {line}"


def _is_long(value: Any) -> bool:
    """Whether a value takes lines of its own."""
    if isinstance(value, str):
        return "\n" in value
    return isinstance(value, dict | list) and len(json.dumps(value, ensure_ascii=False)) > 80


def _value(sign: str, name: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        yield f"{sign} {name} = |"
        yield from (f"{sign}   {line}" for line in visible_lines(value))
    elif _is_long(value):
        yield f"{sign} {name} ="
        yield from (f"{sign}   {line}" for line in visible_indented(value))
    else:
        yield f"{sign} {name} = {visible_value(value)}"
