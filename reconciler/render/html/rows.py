"""The documents of plans and drift turned into the rows that the page's script shows, in the order of reading.

A page may have a hundred thousand rows, so each has a head, which is kept, and is made whole when it is written.

A row has short keys, since a page may hold thousands: ``a`` address, ``t`` tenant, ``k`` kind, ``n`` name, ``act``
action, ``g`` section, ``risks``, ``stop`` what blocks it, ``why`` (pairs of a word and a text), ``c`` cause,
``un`` unchanged fields, ``same`` the addresses of all that change in this way, ``f`` fields; a field has ``f`` name, ``op``, ``c`` cause, ``x`` remark, ``at`` where it is
written, ``d`` parts of its diff, ``s`` whether it comes from a default.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from reconciler.diff.visible import visible_path
from reconciler.model.plan import SECRET_OPS
from reconciler.model.risk import RISKS, Level, level_of
from reconciler.render.groups import MOST, digest_of, groups_of
from reconciler.render.html.diff import parts
from reconciler.render.html.words import ACTIONS, CAUSES, GRAVEST, risk_word
from reconciler.render.plan_json import PlanJson
from reconciler.render.plan_text import REASONS
from reconciler.render.risks import rank_of

PageRow: TypeAlias = dict[str, Any]

BLOCKED, OTHER, OUTSIDE = "Blocked", "Changes", "Changed outside since the last apply"
_RISKY = {Level.HIGH: "High risk", Level.MEDIUM: "Medium risk", Level.LOW: "Low risk"}
_GROUPS = (BLOCKED, *_RISKY.values(), OTHER)
_OUTSIDE = {
    "forged": "Record of what was applied changed by hand",
    "deleted": "Deleted outside",
    "changed": "Changed outside",
    "created": "Created outside",
}
_PLAIN: tuple[Any, ...] = ("", None, [], {})


class RowHead(NamedTuple):
    """What the page itself tells of a row; ``whole`` makes the row, ``body`` the body of the resource that it is about.

    There is no ``body`` of what the plan tells and does not change.
    """

    address: str
    action: str
    risks: list[str]
    stop: list[str]
    whole: Callable[[], PageRow]
    body: Callable[[], Any] | None
    same: Sequence[str] = ()


def plan_rows(document: PlanJson) -> list[RowHead]:
    """Blocked changes first, then risky ones, then the others, then what was changed outside."""
    blockers: dict[str, list[str]] = {}
    for blocker in document["blockers"]:
        for address in dict.fromkeys([*filter(None, [blocker["address"]]), *blocker.get("others", ())]):
            blockers.setdefault(address, []).append(blocker["message"])
    changes: Sequence[PlanJson] = document["resource_changes"]
    found: list[tuple[tuple[Any, ...], RowHead]] = []
    sorts: list[Hashable] = []
    for number, change in enumerate(changes):
        risks = sorted((str(risk) for risk in change.get("risks", [])), key=rank_of)
        names = dict.fromkeys([change["address"], change["previous_address"]])
        stop = [message for name in names if name for message in blockers.get(name, [])]
        whole, body = partial(_change, changes, number, risks, stop), partial(_body, changes, number)
        found.append(
            (_order(change, risks, stop), RowHead(change["address"], change["action"], risks, stop, whole, body))
        )
        if len(changes) <= MOST:
            sorts.append(number if stop else (change["type"], change["name"], change["action"]))
    if sorts:
        groups = groups_of(sorts, lambda number: digest_of(changes[number]))
        found = [_grouped([found[number] for number in group]) for group in groups]
    found.sort(key=lambda one: one[0])
    return [*(head for _, head in found), *map(_outside, document["resource_drift"])]


def _grouped(group: Sequence[tuple[tuple[Any, ...], RowHead]]) -> tuple[tuple[Any, ...], RowHead]:
    """Return the first head, with the addresses of all that change in the same way."""
    order, head = group[0]
    addresses = [head.address for _, head in group]
    return order, head if len(group) == 1 else head._replace(
        same=addresses, whole=partial(_same, head.whole, addresses)
    )


def _same(whole: Callable[[], PageRow], addresses: list[str]) -> PageRow:
    row = whole()
    return {**row, "same": addresses, "why": [[f"In {len(addresses)} tenants", ", ".join(addresses)], *row["why"]]}


def drift_rows(document: PlanJson) -> list[RowHead]:
    """Return findings of one sort together, whatever their tenant; what is pending after them."""
    order = [*_OUTSIDE]
    found = [*map(_finding, sorted(document["findings"], key=lambda finding: order.index(finding["finding"])))]
    pending = document.get("pending")
    if pending is None:
        return found
    planned = plan_rows({**pending, "resource_drift": []})
    return found + [head._replace(whole=partial(_pending, head.whole)) for head in planned]


def _pending(whole: Callable[[], PageRow]) -> PageRow:
    row = whole()
    return {**row, "g": f"Pending: {row['g'].lower()}"}


def _group(risks: list[str], stop: list[str]) -> str:
    return BLOCKED if stop else _RISKY[level_of(risks[0])] if risks else OTHER


def _order(change: PlanJson, risks: list[str], stop: list[str]) -> tuple[Any, ...]:
    """Sorting is stable: what is alike stays in the order in which it would be applied."""
    gravest = rank_of(risks[0]) if risks else 99
    action = GRAVEST.index(change["action"]) if change["action"] in GRAVEST else 0
    group = _GROUPS.index(_group(risks, stop))
    return group, gravest, -len(risks), change["cause"] == "configuration", action


def _change(changes: Sequence[PlanJson], number: int, risks: list[str], stop: list[str]) -> PageRow:
    change = changes[number]
    return {
        **_named(change, change["tenant"], change["action"]),
        "g": _group(risks, stop),
        "risks": risks,
        "stop": stop,
        "why": [*_why(change), ["Step", f"{number + 1} of {len(changes)}"]],
        "c": change["cause"],
        "un": change["unchanged_fields"],
        "f": [*_fields(change)],
    }


def _body(changes: Sequence[PlanJson], number: int) -> Any:
    change = changes[number]["change"]
    return change["after"] or change["before"]


def _named(found: PlanJson, tenant: str, action: str) -> PageRow:
    return {"a": found["address"], "t": tenant, "k": found["type"], "n": found["name"], "act": action}


def _why(change: PlanJson) -> Iterator[list[str]]:
    reason = change["action_reason"]
    risks = [RISKS[risk] for risk in sorted(change.get("risks", []), key=rank_of) if risk in RISKS]
    if risks:
        yield ["Risk", "; ".join(risks)]
    if reason:
        yield ["Why", str(REASONS.get(reason, reason))]
    yield ["Whose doing", str(CAUSES.get(change["cause"], change["cause"]))]
    for status in change.get("status", []):
        yield ["Status", status]
    if change["outside"]:
        yield ["Changed outside", f"by {change['outside']['by']} at {change['outside']['at']}"]
    if change["previous_address"]:
        yield ["Moved from", change["previous_address"]]
    if change["adopted_from"] is not None:
        yield ["Taken over from", f"the project {change['adopted_from']}" if change["adopted_from"] else "nobody"]
    if change["restored_uid"]:
        yield ["Brings back", f"uid {change['restored_uid']}"]
    if change["source"]:
        yield ["Written in", _place(change["source"])]


def _place(source: PlanJson) -> str:
    return f"{source['file']}:{source['line']}" if source["line"] else str(source["file"])


def _fields(change: PlanJson) -> Iterator[PageRow]:
    before, after = change["change"]["before"], change["change"]["after"]
    if change["action"] == "create" and after is not None:
        written = {str(path[0]) for path in change["explicit"] if path}
        yield from _whole("add", after, written)
    elif change["action"] == "delete" and before is not None:
        yield from _whole("remove", before, set())
    else:
        for field in change["fields"]:
            forces = bool(field["path"]) and change["action_reason"] == f"{field['path'][0]}-changed"
            yield _field(field, "forces replacement" if forces else "")


def _whole(op: str, body: PlanJson, written: set[str]) -> Iterator[PageRow]:
    """Every field; empty ones and, where it is known what an author wrote, the others are marked as defaults."""
    for key in sorted(body):
        before, after = (None, body[key]) if op == "add" else (body[key], None)
        row = {"f": key, "op": op, "d": parts(op, before, after)}
        is_default = body[key] in _PLAIN or (written and key not in written)
        yield {**row, "s": 1} if is_default else row


def _field(field: PlanJson, remark: str = "") -> PageRow:
    row: PageRow = {"f": _name(field), "op": field["op"], "d": parts(field["op"], field["before"], field["after"])}
    if field["op"] in SECRET_OPS:
        row["x"] = SECRET_OPS[field["op"]]
    if field.get("cause", "configuration") != "configuration":
        row["c"] = field["cause"]
    if field.get("source"):
        row["at"] = _place(field["source"])
    return {**row, "x": remark} if remark else row


def _name(field: PlanJson) -> str:
    return visible_path(tuple(field["path"]))


def _outside(found: PlanJson) -> RowHead:
    """Return what a plan says of a resource that somebody changed or deleted."""
    deleted = found["change"]["actions"] == ["delete"]
    row = {
        **_named(found, found["address"].partition("/")[0], "deleted outside" if deleted else "changed outside"),
        **_said_outside(found, found["change"]["before"] if deleted else None, None),
        "g": OUTSIDE,
    }
    return RowHead(row["a"], row["act"], [], [], lambda: row, None)


def _finding(found: PlanJson) -> RowHead:
    created, deleted = found["finding"] == "created", found["finding"] == "deleted"
    action = "forged record" if found["finding"] == "forged" else f"{found['finding']} outside"
    row = {
        **_named(found, found["tenant"], action),
        **_said_outside(found, found["before"] if deleted else None, found["after"] if created else None),
        "g": _OUTSIDE[found["finding"]],
    }
    return RowHead(row["a"], action, [], [], lambda: row, lambda: found["after"] or found["before"])


def _said_outside(found: PlanJson, lost: PlanJson | None, gained: PlanJson | None) -> PageRow:
    fields = [_field({**field, "cause": "configuration"}) for field in found["fields"]]
    if not fields and isinstance(lost, dict):
        fields = [*_whole("remove", lost, set())]
    elif not fields and isinstance(gained, dict):
        fields = [*_whole("add", gained, set())]
    why = [["Whose doing", f"{found['by']}, at {found['at']}"]]
    return {"risks": [], "stop": [], "why": why, "c": "outside", "un": 0, "f": fields}


def words_of(heads: Sequence[RowHead]) -> PlanJson:
    """Return the words that rows use by their stable names, for the page's script."""
    risks = sorted({risk for head in heads for risk in head.risks}, key=lambda risk: (rank_of(risk), risk))
    used = {head.action for head in heads}
    return {
        "actions": {name: ACTIONS[name] for name in ACTIONS if name in used},
        "risks": {risk: risk_word(risk) for risk in risks},
        "levels": {risk: level_of(risk).value for risk in risks},
        "causes": CAUSES,
    }
