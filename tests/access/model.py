"""The rules of access once more, as a person would check them by hand: slow, plain, and apart from the program."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, NamedTuple

ORDER = ["public", "internal", "confidential", "restricted"]


class Row(NamedTuple):
    """What is in the database at ``kind/name``: body (None: gone, or no valid one), owner, as applied, what was applied."""

    body: dict[str, Any] | None
    project: str | None = "p1"
    settled: bool = True
    applied: dict[str, Any] | None = None
    suspended: bool = False
    is_there: bool = True


World = dict[str, Row]


class Said(NamedTuple):
    allowed: bool
    policy: str | None = None


NO = Said(False)


def judged(world: World, caller: str, more_roles: set[str], target: str, action: str | None) -> Said:
    who = world.get(f"caller/{caller}")
    if who is None or who.body is None or not who.settled or who.suspended or not who.body["enabled"]:
        return NO
    roles = {*who.body["roles"], *more_roles}
    chain = behind(world, target, action)
    if chain is None:
        return NO
    rows = [(name, world[name]) for name in chain]
    template = next(row.body for name, row in rows if name.startswith("template/"))
    assert template is not None
    does = action_of(template)
    if action is not None and action != does:
        return NO
    sources = [row for name, row in rows if name.startswith("datasource/")]
    classes = [row.body.get("classification") for row in sources if row.body]
    in_force = None if not classes or None in classes else max(classes, key=ORDER.index)
    policies = sorted(name for name in world if name.startswith("policy/"))
    if any(world[name].is_there and world[name].body is None for name in policies):
        return NO
    for name in policies:
        for body in (world[name].body, world[name].applied):
            if body and body["effect"] == "deny" and about(body, caller, roles, who.body, does):
                classed = body["targets"] == "any" or not body["targets"]["classification"]
                if not classed and in_force is not None and in_force not in body["targets"]["classification"]:
                    continue
                if any(row.body and names(body, one, row.body) for one, row in rows):
                    return Said(False, name)
    if any(row.suspended for _, row in rows):
        return NO
    if any(row.body and (row.body.get("runtime") is False or row.body.get("dialect") == "bigquery") for _, row in rows):
        return NO
    if target.startswith("template/") and len(claimed(world)[tool_name(world, target)]) > 1:
        return NO
    for source in sources:
        assert source.body is not None
        if source.body["lifecycle"] == "inactive":
            return NO
        if source.body["access_roles"] and not roles & {*source.body["access_roles"]}:
            return NO
    named = world[target]
    assert named.body is not None
    for name in policies:
        policy = world[name]
        body = policy.body
        if not body or not policy.settled or body["effect"] != "allow" or policy.project is None:
            continue
        shared = (named.body.get("shared_with") or []) if named.project is not None else []
        if policy.project != named.project and policy.project not in shared:
            continue
        if not about(body, caller, roles, who.body, does) or not names(body, target, named.body):
            continue
        classed = body["targets"] == "any" or not body["targets"]["classification"]
        if not classed and (in_force is None or in_force not in body["targets"]["classification"]):
            continue
        return Said(True, name)
    return NO


def behind(world: World, target: str, action: str | None) -> list[str] | None:
    def usable(name: str) -> dict[str, Any] | None:
        row = world.get(name)
        return row.body if row is not None else None

    named = usable(target)
    if named is None or not target.startswith(("template/", "plane/")):
        return None
    chain, template = [target], named
    if target.startswith("plane/"):
        runs = named["actions"].get(action or "")
        found = usable(runs) if runs else None
        if runs is None or found is None or found.get("datasource") not in named["datasources"]:
            return None
        chain, template = [target, runs], found
    connector = template.get("connector")
    if template.get("datasource"):
        source = usable(f"datasource/{template['datasource']}")
        if source is None:
            return None
        chain.append(f"datasource/{template['datasource']}")
        connector = source["connector"]
    reached = usable(f"connector/{connector}")
    if reached is None or reached["type"] != template["type"]:
        return None
    if template["type"] == "http" and template["method"] not in reached["allowed_methods"]:
        return None
    if template["type"] == "sql" and not template["read_only"] and reached["read_only"]:
        return None
    return [*chain, f"connector/{connector}"]


def action_of(template: dict[str, Any]) -> str:
    if template["type"] == "sql":
        reads, usual = template["read_only"], "query"
    else:
        reads, usual = template["method"] in ("GET", "HEAD"), "retrieve"
    return (template.get("action") or usual) if reads else "write"


def about(policy: dict[str, Any], caller: str, roles: set[str], body: dict[str, Any], does: str) -> bool:
    if policy["actions"] != "any" and does not in policy["actions"]:
        return False
    subjects = policy["subjects"]
    if subjects == "any":
        return True
    if subjects["callers"] and not any(fnmatchcase(caller, pattern) for pattern in subjects["callers"]):
        return False
    if subjects["roles"] and not roles & {*subjects["roles"]}:
        return False
    return all(body["labels"].get(key) == value for key, value in subjects["labels"].items())


def names(policy: dict[str, Any], name: str, body: dict[str, Any]) -> bool:
    targets = policy["targets"]
    if targets == "any":
        return True
    if targets["names"] and not any(fnmatchcase(name, pattern) for pattern in targets["names"]):
        return False
    return all(body["labels"].get(key) == value for key, value in targets["labels"].items())


def tools(world: World, caller: str, more_roles: set[str]) -> dict[str, str]:
    return {
        tool: targets[0]
        for tool, targets in sorted(claimed(world).items())
        if len(targets) == 1 and judged(world, caller, more_roles, targets[0], None).allowed
    }


def claimed(world: World) -> dict[str, list[str]]:
    """The templates that claim each tool's name."""
    found: dict[str, list[str]] = {}
    for name, row in world.items():
        if name.startswith("template/") and row.body is not None:
            found.setdefault(tool_name(world, name), []).append(name)
    return found


def tool_name(world: World, template: str) -> str:
    body = world[template].body
    assert body is not None
    return body.get("tool_name") or template.partition("/")[2]
