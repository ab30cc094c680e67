"""A plan turned into text, in the wording that pipelines know from Terraform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import orjson

from reconciler.diff.visible import (
    visible,
    visible_changes,
    visible_items,
    visible_lines,
    visible_pair,
    visible_path,
    visible_value,
)
from reconciler.model.amount import amount
from reconciler.model.body import Body
from reconciler.model.plan import SECRET_OPS, Action, Blocker, Cause, Change, FieldChange, OutsideChange, Plan
from reconciler.plan.selected import selection_document
from reconciler.remembered import remembered
from reconciler.render.effects import access_lines
from reconciler.render.groups import MOST, groups, neighbours, tenants_words
from reconciler.render.left_out import left_out_lines, no_changes
from reconciler.render.risks import risk_lines, risk_words
from reconciler.render.style import OP_COLOURS, Style

_COLOURS = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.REPLACE: "red",
    Action.DELETE: "red",
    Action.MOVE: "cyan",
    Action.ADOPT: "cyan",
    Action.FORGET: "magenta",
}
_WORDS = {
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated in-place",
    Action.REPLACE: "must be replaced",
    Action.DELETE: "will be destroyed",
    Action.ADOPT: "will be adopted",
    Action.FORGET: "will no longer be managed, and will not be destroyed",
}
REASONS = {
    "not-in-configuration": "because it is not in the configuration",
    "deleted-outside": "because somebody deleted it",
    "type-changed": "because its type changed",
    "provider-changed": "because its provider changed",
    "live-invalid": "because what is live is no longer valid",
    "outside-change-accepted": "because the configuration now says what somebody changed outside",
    "record-forged": "because the record of what was applied was changed by hand, or written without the key",
    "removed-block": "because `removed` says so",
    "name-taken": "because its name goes to another resource",
    "taken-over-since": "because it was taken over after that generation",
    "retained": "because `on_delete: retain` is live",
    "uid-changed": "because it was deleted and made anew after that generation: the earlier one comes back",
}
_BARE = frozenset({Action.MOVE, Action.FORGET, Action.ADOPT})
"""Actions that say everything in their title, unless fields change too."""
_SYMBOLS = {"add": "+", "remove": "-", "change": "~"} | dict.fromkeys(SECRET_OPS, "~")


def plan_text(plan: Plan, style: Style, refusals: Iterable[Blocker] = ()) -> Iterator[str]:
    """Yield the lines of the whole plan; ``refusals`` are what an apply would be refused for."""
    yield from head_text(plan, style)
    yield from changes_text(plan.changes, style)
    yield from foot_text(plan, style, refusals)


def head_text(plan: Plan, style: Style) -> Iterator[str]:
    """Yield what stands above the changes."""
    yield _header(plan)
    yield ""
    yield from _outside(plan.outside, style)
    if not plan.changes:
        yield no_changes({**selection_document(plan), "operation": plan.operation})
    else:
        yield "reconciler will perform the following actions:"
        yield ""


def changes_text(changes: Sequence[Change], style: Style) -> Iterator[str]:
    """Equal changes of many tenants are shown once, unless everything is to be shown."""
    alone = ([change] for change in changes)
    for group in alone if style.whole else groups(changes) if len(changes) <= MOST else neighbours(changes):
        yield from group_lines(group, style)


def foot_text(plan: Plan, style: Style, refusals: Iterable[Blocker] = ()) -> Iterator[str]:
    """Yield what stands below the changes."""
    yield from access_lines(plan.effects)
    if plan.changes:
        yield summary_line(plan)
        yield from also_lines(plan)
        yield from risk_lines(plan.changes)
    yield from left_out_lines(selection_document(plan))
    for note in plan.notes:
        yield f"Note: {visible(note)}"
    for blocker in (*plan.blockers, *refusals):
        yield ""
        yield style.paint(f"Warning: an apply would be refused: {visible(blocker.message)}", "yellow")
        if blocker.hint:
            yield f"  next: {visible(blocker.hint)}"


def _header(plan: Plan) -> str:
    new = {"missing": " (new and empty)", "empty": " (new and empty)"}.get(plan.database_state, "")
    environment = f", environment {plan.environment}" if plan.environment else ""
    return f"Project {plan.project}{environment}, database {visible(plan.database)}{new}"


def summary_line(plan: Plan) -> str:
    """Return the sentence that counts a plan's changes."""
    return f"Plan: {plan.added} to add, {plan.changed} to change, {plan.destroyed} to destroy."


def also_lines(plan: Plan) -> Iterator[str]:
    """Yield what the summary's sentence has no words for."""
    counts = {
        "to move": sum(change.previous is not None for change in plan.changes),
        "to adopt": sum(change.adopted_from is not None or change.action is Action.ADOPT for change in plan.changes),
        "to forget": plan.count(Action.FORGET),
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    differing = (change for change in plan.changes if change.fields or change.outside)
    overwritten = sum(change.cause.is_outside for change in differing if change.action is not Action.ADOPT)
    if told:
        yield f"Also: {', '.join(told)}."
    if overwritten:
        yield f"{overwritten} of these would overwrite what somebody changed outside of this configuration."


def group_lines(group: Sequence[Change], style: Style) -> list[str]:
    """Return the title of each change, once what they have in common, and a blank line."""
    change = group[0]
    colour = _COLOURS[change.action]
    lines = [style.paint(f"  # {_title(one)}", "bold") for one in group]
    if len(group) > 1:
        lines.append(f"  # ({tenants_words([str(one.address) for one in group])})")
    lines += [f"  # ({remark})" for remark in _remarks(change)]
    if not change.fields and change.action in _BARE:
        return [*lines, ""]
    symbol = change.action.symbol.rjust(3)
    lines.append(f"{style.paint(symbol, colour)} {change.address.kind} {_name(change.address.name)} {{")
    if change.action is Action.CREATE:
        lines += body_lines("+", style, change.new_text or "{}")
    elif change.action is Action.DELETE:
        lines += body_lines("-", style, change.old_text or "{}")
    else:
        lines += _fields(change, style)
    lines += ("    }", "")
    return lines


def _title(change: Change) -> str:
    if change.action is Action.MOVE:
        return f"{change.previous} has moved to {change.address}"
    return f"{change.address} {_WORDS[change.action]}"


@lru_cache(maxsize=4096)
def _name(name: str) -> str:
    return visible_value(name)


def _remarks(change: Change) -> list[str]:
    found = [REASONS[change.reason]] if change.reason in REASONS else []
    if change.previous and change.action is not Action.MOVE:
        found.append(f"moved from {change.previous}")
    if change.adopted_from is not None:
        found.append(f"taken over from the project {change.adopted_from}" if change.adopted_from else "nobody owns it")
    if change.outside:
        found.append(f"changed outside by {visible(change.outside.by)} at {visible(change.outside.at)}")
    found += map(visible, change.status)
    if risks := risk_words(change.risks) if change.risks else "":
        found.append(f"risks: {risks}")
    if change.action.destroys and (change.before or {}).get("protected") is True:
        found.append("protected: an apply would be refused")
    return found


@remembered(1024)
def body_lines(symbol: str, style: Style, text: str) -> tuple[str, ...]:
    """Every field of a body; tenants mostly have the same ones."""
    return tuple(_body(orjson.loads(text), symbol, style))


def _body(body: Body, symbol: str, style: Style) -> Iterator[str]:
    shown = {key: value for key, value in body.items() if value or (value is not None and value not in ("", {}, []))}
    names = {key: _key(key) for key in sorted(body)}
    width = max((len(names[key]) for key in shown), default=0)
    sign = f"      {style.paint(symbol, OP_COLOURS[symbol])} "
    for key in sorted(shown):
        value = shown[key]
        lead = f"{sign}{names[key].ljust(width)} ="
        if isinstance(value, str) and "\n" in value:
            yield f"{lead} <<-EOT"
            yield from (f"            {line}" for line in visible_lines(value))
            yield "        EOT"
        elif isinstance(value, dict):
            yield f"{lead} {{"
            inner = max(len(_key(name)) for name in value)
            yield from (
                f"    {sign}{_key(name).ljust(inner)} = {visible_value(item)}" for name, item in sorted(value.items())
            )
            yield "        }"
        else:
            yield f"{lead} {visible_value(value)}"
    if empty := [f"{name} {visible_value(body[key])}" for key, name in names.items() if key not in shown]:
        yield style.paint(f"        # (empty: {', '.join(empty)})", "dim")


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return visible_path((name,))


def _fields(change: Change, style: Style) -> Iterator[str]:
    yield from field_lines(change.fields, style, change.reason)
    if change.unchanged:
        yield style.paint(f"        # ({amount(change.unchanged, 'unchanged field')} hidden)", "dim")


def field_lines(fields: Iterable[FieldChange], style: Style, reason: str = "") -> Iterator[str]:
    """Render a change's fields as lines of text, their names aligned."""
    listed = list(fields)
    width = max((len(visible_path(field.path)) for field in listed), default=0)
    for field in listed:
        symbol = _SYMBOLS[field.op]
        lead = f"      {style.paint(symbol, OP_COLOURS[symbol])} {visible_path(field.path).ljust(width)} ="
        yield from _values(lead, field, _tail(field, reason), style)


def _tail(field: FieldChange, reason: str) -> str:
    parts = []
    if reason == f"{field.path[0]}-changed":
        parts.append("forces replacement")
    if field.cause is Cause.OUTSIDE:
        parts.append("changed outside")
    elif field.cause is Cause.BOTH:
        parts.append("changed outside and in the configuration")
    elif field.cause is Cause.TOOL:
        parts.append("the tool's default changed")
    return f"  # {', '.join(parts)}" if parts else ""


def _values(lead: str, field: FieldChange, tail: str, style: Style) -> Iterator[str]:
    before, after = field.before, field.after
    if isinstance(before, str) and isinstance(after, str) and ("\n" in before or "\n" in after):
        yield f"{lead} <<-EOT{tail}"
        for sign, text in visible_changes(before, after):
            line = f"{sign} {text if sign in OP_COLOURS else style.context(text, 12)}"
            yield f"          {style.paint(line, OP_COLOURS[sign]) if sign in OP_COLOURS else line}"
        yield "        EOT"
    elif isinstance(before, list) and isinstance(after, list) and len(before) + len(after) > 6:
        yield f"{lead} [{tail}"
        yield from _items(before, after, style)
        yield "        ]"
    elif field.op == "add":
        yield f"{lead} {visible_value(after)}{tail}"
    elif field.op in SECRET_OPS:
        yield f"{lead} {visible_value(after)} ({SECRET_OPS[field.op]}){tail}"
    elif field.op == "remove":
        yield f"{lead} {visible_value(before)} -> null{tail}"
    else:
        yield f"{lead} {' -> '.join(visible_pair(before, after))}{tail}"


def _items(before: list[Any], after: list[Any], style: Style) -> Iterator[str]:
    for symbol, text, note in visible_items(before, after):
        if symbol:
            yield f"          {style.paint(symbol, OP_COLOURS[symbol])} {text},{note and f'  # {note}'}"
        else:
            yield style.paint(f"            # ({text} unchanged hidden)", "dim")


def _outside(changes: Iterable[OutsideChange], style: Style) -> Iterator[str]:
    listed = list(changes)
    if not listed:
        return
    yield f"Note: {len(listed)} resource{'s were' if len(listed) > 1 else ' was'} changed outside of this configuration:"
    yield ""
    for change in listed:
        done = "was deleted" if change.op == "deleted" else "was changed"
        yield style.paint(
            f"  # {change.address} {done} by {visible(change.touch.by)} at {visible(change.touch.at)}", "bold"
        )
        yield from field_lines([_plain(field) for field in change.fields], style)
    yield ""


def _plain(field: FieldChange) -> FieldChange:
    return FieldChange(field.path, field.op, field.before, field.after, Cause.CONFIGURATION)
