"""What an approval asks for: who decides, until when, and how long a decision counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

DECIDE_MINUTES, USE_MINUTES = 60, 15
"""Where nobody says otherwise."""


class Approval(NamedTuple):
    """The obligation that a person approves a call before it runs.

    ``roles``: a decider has one of them; empty: every operator with the scope `approve` may decide. ``four_eyes``: only
    operators whom a token of an issuer proves may.
    """

    roles: tuple[str, ...] = ()
    decide_minutes: int = DECIDE_MINUTES
    use_minutes: int = USE_MINUTES
    four_eyes: bool = False

    @property
    def words(self) -> str:
        """By whom, e.g. "after approval by lead or owner"."""
        return f"after approval by {' or '.join(self.roles) if self.roles else 'an operator'}"


def approval_of(body: Mapping[str, Any] | None) -> Approval | None:
    """Return what the normalised field `approval` of a policy asks for."""
    if not body:
        return None
    minutes = body["decide_within_minutes"], body["use_within_minutes"]
    return Approval(tuple(sorted(body["roles"])), *minutes, body["four_eyes"])


def eased(before: Approval | None, after: Approval | None) -> bool:
    """Whether fewer people stand before a call: nobody, or more deciders to choose from. Minutes don't count."""
    if before is None or after is None:
        return before is not None and after is None
    more_roles = bool(before.roles) and (not after.roles or not {*after.roles} <= {*before.roles})
    return more_roles or (before.four_eyes and not after.four_eyes)
