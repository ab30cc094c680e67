"""What the kill switch may name: one judge of the form, for the command line and the operators' API."""

from __future__ import annotations

from reconciler.kinds.table import TOOL, freezable, is_freezable
from reconciler.kinds.tool import is_tool
from reconciler.model.address import is_name
from reconciler.model.target import PARTS, is_part


def forms() -> str:
    """Return the forms of a freeze's target, in words."""
    return f"platform, tenant/NAME, key/ID, TENANT/KIND/NAME with a kind of {', '.join(freezable())}, or TENANT/tool/CONNECTOR/TOOL"


def is_freeze_target(text: str) -> bool:
    """Whether a text has the form of a target; nothing is looked up."""
    first, *rest = text.split("/")
    if not rest:
        return first == "platform"
    if len(rest) == 1:
        return first in {"tenant", "key"} and is_name(rest[0])
    if rest[0] in PARTS and len(rest) > 2:
        return is_name(first) and is_name(rest[1]) and is_part("/".join(rest[2:]))
    named = is_tool if rest[0] == TOOL else is_name
    return len(rest) == 2 and is_name(first) and is_freezable(rest[0]) and named(rest[1])


def tenant_of(target: str) -> str | None:
    """Return the tenant that a target belongs to; None for the platform and for keys."""
    first, *rest = target.split("/")
    return rest[0] if first == "tenant" else first if len(rest) > 1 else None


LONGEST_REASON = 1024


def reason_of(text: object) -> str | None:
    """Return the reason of a freeze or of its end, cut to ``LONGEST_REASON`` characters; None for a blank one."""
    return text[:LONGEST_REASON] if isinstance(text, str) and text.strip() else None
