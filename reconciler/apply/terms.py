"""What an apply goes by besides its plan: who, how it was approved, what is allowed."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from reconciler.guards.check import Allowances
from reconciler.model.configuration import Guards, Retention
from reconciler.model.fingerprint import Fingerprints
from reconciler.model.plan import Blocker, Revision


class Approval(Struct, frozen=True):
    """How this apply came to be: whether a person looks on, and whether the plan was saved for review before."""

    unattended: bool = False
    saved: bool = False


class Terms(Struct, frozen=True):
    """What an apply goes by besides its plan."""

    actor: str
    approval: Approval = field(default_factory=Approval)
    guards: Guards = field(default_factory=Guards)
    allowed: Allowances = field(default_factory=Allowances)
    lock_timeout: float = 60.0
    revision: Revision | None = None
    audit_key: tuple[str, bytes] | None = None
    retention: Retention = field(default_factory=Retention)
    seen: Fingerprints = field(default_factory=dict)
    """What stands behind references, where they were resolved before this apply."""
    told: tuple[str, ...] = ()
    """Names of the destinations that are told of this apply."""
    taken_back: tuple[str, ...] = ()
    """What the plan takes back of earlier generations, where nobody has seen it; a sentence each."""
    diverged: Callable[[str], Blocker | None] = lambda _commit: None
    """Why this configuration should not follow the commit that was applied last; asks nobody, since it is called under the lock."""
