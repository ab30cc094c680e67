"""What is another in the lists of MCP servers than in their locks: as text, a changed tool line by line, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from reconciler.kinds.connector.mcp_definition import Definition
from reconciler.kinds.connector.mcp_lock import Compared, LockedServer
from reconciler.render.manifest import unsubstituted
from reconciler.render.mcp_lock import tool_lines

CONTEXT = 1
"""Lines that are shown around a changed one."""


def server_text(
    reached: str,
    before: LockedServer | None,
    after: LockedServer | None,
    found: Compared,
    malformed: Mapping[str, str],
    was_asked: bool = True,
) -> Iterator[str]:
    """Yield the lines about one server; what it says is escaped where it could not be seen."""
    now = after or before
    named = " ".join(filter(None, (now.server["name"], now.server["version"], now.protocol))) if now is not None else ""
    yield f"  {unsubstituted(reached)}" + (f" ({unsubstituted(named)})" if named else "")
    if not was_asked:
        yield "    was not asked"
        return
    if after is None:
        yield "    - nothing reaches it any more"
        return
    for name in found.new:
        yield f"    + {unsubstituted(name)} is new"
    for name in found.changed:
        yield f"    ~ {unsubstituted(name)} is changed"
        if before is not None:
            yield from (f"        {line}" for line in _by_line(before.tools[name], after.tools[name]))
    for name in found.gone:
        yield f"    - {unsubstituted(name)} is gone"
    for name, why in sorted(malformed.items()):
        yield f"    ! {unsubstituted(name)} can't be pinned: {why}"
    if not any(found) and not malformed:
        yield "    as pinned"


def _by_line(before: Definition, after: Definition) -> Iterator[str]:
    old, new = ([*tool_lines(one.name, one)] for one in (before, after))
    for line in [*unified_diff(old, new, n=CONTEXT, lineterm="")][2:]:
        if line.startswith("@@"):
            continue
        yield line


def server_json(
    reached: str, after: LockedServer | None, found: Compared, malformed: Mapping[str, str]
) -> dict[str, Any]:
    """Return one server as JSON."""
    return {
        "reached": reached,
        "protocol": after.protocol if after else None,
        "server": dict(after.server) if after else None,
        **{word: [*names] for word, names in found._asdict().items()},
        "malformed": dict(sorted(malformed.items())),
    }
