"""A plan's document turned into the Markdown of a review comment, within a budget of characters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from reconciler.model.amount import amount
from reconciler.model.risk import RISKS, Level, level_of
from reconciler.render.groups import MOST, digest_of, groups_of
from reconciler.render.left_out import left_out_lines, no_changes
from reconciler.render.markdown.changes import SYMBOLS, TITLES, diff_lines
from reconciler.render.markdown.effects import access_markdown
from reconciler.render.markdown.marks import code, details, fenced, table
from reconciler.render.plan_json import PlanJson
from reconciler.render.risks import rank_of

BUDGET = 65_000
"""Characters. A comment on GitHub holds 65,536."""

_TOP = 40
_NAMED = 100


def marker(document: PlanJson) -> str:
    """Return the first line: a pipeline finds its earlier comment by it, and writes over that."""
    names = (document["project"], document["environment"] or "-")
    return f"<!-- reconciler plan {' '.join(re.sub('[^a-z0-9-]|--+', '', name) for name in names)} -->"


def plan_markdown(document: PlanJson, budget: int = BUDGET) -> str:
    """Never longer than ``budget`` (2,000 at least): the least risky changes are shortened first, and counted."""
    changes: Sequence[PlanJson] = document["resource_changes"]
    gravity, risky, sorts = [], set[int](), []
    counted: dict[tuple[str, str], Counter[str]] = {}
    for number, change in enumerate(changes):
        gravity.append(_gravity(change))
        counted.setdefault((change["tenant"], change["type"]), Counter())[change["action"]] += 1
        if any(level_of(risk) is not Level.LOW for risk in change["risks"]):
            risky.add(number)
        if len(changes) <= MOST:
            sorts.append((change["type"], change["name"], change["action"]))
    groups = [[number] for number in range(len(changes))]
    if sorts:
        groups = groups_of(sorts, lambda number: digest_of(changes[number]))
    groups.sort(key=lambda group: gravity[group[0]])
    first = [group for group in groups if group[0] in risky]
    head = [marker(document), "", *_title(document), *_blockers(document), *_table(counted)]
    head += [*access_markdown(document), *_risky(changes, first)]
    tail = [*_outside(document), *_notes(document)]
    room = budget - _size(head) - _size(tail) - 300  # for what says how much was left out
    shown: list[str] = []
    fitting = 0
    for group in groups:
        block = ["", *_block(changes, group)]
        if _size(block) > room:
            break
        fitting += 1
        shown += block
        room -= _size(block)
    text = (
        "\n".join(
            [
                *head,
                *shown,
                *_left_out(changes, [number for group in groups[fitting:] for number in group], room),
                *tail,
            ]
        ).rstrip()
        + "\n"
    )
    return text if len(text) <= budget else _cut(text, budget)


def _size(lines: list[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _gravity(change: PlanJson) -> int:
    """Change without risk come last; among equals the plan's own order stays."""
    return min(map(rank_of, change["risks"]), default=len(RISKS) + 1)


def _title(document: PlanJson) -> Iterator[str]:
    summary = document["summary"]
    where = code(document["project"]) + (f" in {code(document['environment'])}" if document["environment"] else "")
    if not document["resource_changes"]:
        yield f"### Plan for {where}: no changes"
        yield ""
        yield no_changes(document, code)
        yield from (part for line in left_out_lines(document, code) for part in ("", line))
        return
    counts = f"{summary['add']} to add, {summary['change']} to change, {summary['destroy']} to destroy"
    also = [f"{summary[key]} to {key}" for key in ("move", "adopt", "forget") if summary[key]]
    yield f"### Plan for {where}: {counts}{''.join(f', {part}' for part in also)}"
    revision = document["revision"]
    commit = f", commit {code(revision['commit'][:12])}{' (dirty)' if revision['dirty'] else ''}" if revision else ""
    yield ""
    yield from (part for line in left_out_lines(document, code) for part in (line, ""))
    yield f"Database {code(document['database'])}, generation {document['generation']}{commit}."
    yield ""


def _blockers(document: PlanJson) -> Iterator[str]:
    blockers = document["blockers"]
    if blockers:
        yield f"> **An apply would be refused**, for {amount(len(blockers), 'reason')}:"
        for blocker in blockers[:20]:
            yield f"> - {code(blocker['message'])}" + (f" {code(blocker['hint'])}" if blocker["hint"] else "")
        if len(blockers) > 20:
            yield f"> - and {len(blockers) - 20} more"
        yield ""


def _table(counted: Mapping[tuple[str, str], Counter[str]]) -> list[str]:
    """How many changes of each action there are, by tenant and kind."""
    if not counted:
        return []
    used = [action for action in SYMBOLS if any(counts[action] for counts in counted.values())]
    rows = [[tenant, kind, *(counts[a] or "" for a in used)] for (tenant, kind), counts in sorted(counted.items())]
    lines = table(["tenant", "kind", *used], rows[:_TOP], numbers_from=2)
    return [*lines, *([f"\n… and {len(rows) - _TOP} more rows."] if len(rows) > _TOP else []), ""]


def _risky(changes: Sequence[PlanJson], found: Sequence[Sequence[int]]) -> Iterator[str]:
    """Yield what somebody should look at before anything else, above the fold; ``found`` are the numbers of its groups."""
    if not found:
        return
    yield f"**Look at {'these' if len(found) > 1 else 'this'} first**"
    yield ""
    for change, group in ((changes[group[0]], group) for group in found[:_TOP]):
        told = "; ".join(f"**{r}**: {RISKS[r]}" if r in RISKS else code(r) for r in change["risks"])
        level = level_of(min(change["risks"], key=rank_of)).value
        more = f" and {len(group) - 1} more like it" if len(group) > 1 else ""
        yield f"- {level}: `{change['address']}`{more} {TITLES[change['action']]}: {told}"
    if len(found) > _TOP:
        yield f"- … and {len(found) - _TOP} more below"
    yield ""


def _block(changes: Sequence[PlanJson], group: Sequence[int]) -> list[str]:
    change = changes[group[0]]
    body: list[str] = []
    many = f" in {len(group)} tenants" if len(group) > 1 else ""
    if many:
        names = [f"`{changes[number]['address']}`" for number in group[:_NAMED]]
        more = f", and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
        body.append(f"The same change in {len(group)} tenants: {', '.join(names)}{more}.")
    if change["previous_address"]:
        body.append(f"Moves from `{change['previous_address']}`.")
    body += [f"Status: {code(status)}." for status in change["status"]]
    if change["outside"]:
        body.append(f"Changed outside by {code(change['outside']['by'])} at {code(change['outside']['at'])}.")
    if change["adopted_from"] is not None:
        owner = f"from the project {code(change['adopted_from'])}" if change["adopted_from"] else "nobody owns it"
        body.append(f"Taken over: {owner}.")
    lines = diff_lines(change)
    if lines:
        body += ["", *fenced(lines, "diff"), ""]
    if change["unchanged_fields"] and lines and change["action"] not in {"create", "delete"}:
        body.append(f"{change['unchanged_fields']} fields stay as they are.")
    source = change["source"]
    if source:
        body.append(f"Written in {code(':'.join(str(part) for part in source.values() if part is not None))}.")
    symbol = escape(SYMBOLS[change["action"]])
    return details(f"<code>{symbol}</code> {escape(change['address'])} {TITLES[change['action']]}{many}", body)


def _left_out(changes: Sequence[PlanJson], left: Sequence[int], room: int) -> Iterator[str]:
    """Yield the names of those that did not fit (``left`` are their numbers), as long as there is room for names."""
    if not left:
        return
    yield ""
    yield f"**{len(left)} more changes** did not fit here, the least risky ones:"
    yield ""
    for named, change in enumerate(changes[number] for number in left):
        line = f"- `{SYMBOLS[change['action']]}` {change['address']}"
        room -= len(line) + 1
        if room < 0:
            yield f"- … and {len(left) - named} more: see the plan's text, JSON or HTML"
            return
        yield line


def _outside(document: PlanJson) -> Iterator[str]:
    drift = document["resource_drift"]
    if drift:
        yield ""
        were = "resource was" if len(drift) == 1 else "resources were"
        yield f"**{len(drift)} {were} changed outside** of this configuration:"
        yield ""
        for item in drift[:20]:
            done = "deleted" if item["change"]["actions"] == ["delete"] else "changed"
            yield f"- `{item['address']}` was {done} by {code(item['by'])} at {code(item['at'])}"
        if len(drift) > 20:
            yield f"- … and {len(drift) - 20} more"


def _notes(document: PlanJson) -> Iterator[str]:
    for note in document["notes"][:20]:
        yield ""
        yield f"Note: {code(note)}"


def _cut(text: str, budget: int) -> str:
    """Return a budget too small even for the head: the beginning, and that it is only that."""
    end = "\n\n… cut here: the budget for this comment is too small.\n"
    return text[: budget - len(end)] + end
