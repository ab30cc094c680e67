"""What an apply goes by besides its plan: who, how it was approved, what is allowed."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from reconciler.guards.check import Allowances
from reconciler.model.audit import AuditKey
from reconciler.model.configuration import Guards, Retention
from reconciler.model.fingerprint import Fingerprints
from reconciler.model.plan import Blocker, Revision

ANYWAY = "or say --allow-diverged"


class Approval(Struct, frozen=True):
    """How this apply came to be: whether a person looks on, and whether the plan was saved for review before."""

    unattended: bool = False
    saved: bool = False


class Standing(Struct, frozen=True):
    """How a configuration stands to ``last``, the commit that was applied last when this was asked ("": none)."""

    last: str
    divergence: Blocker | None

    def against(self, last: str) -> Blocker | None:
        """Return why the apply should not go on, now that the last commit is known for sure."""
        if last == self.last:
            return self.divergence
        return Blocker("diverged", f"the commit {last[:12]} was applied meanwhile", f"plan again; {ANYWAY}")


class CommitMoved(Exception):
    """Raised under the lock to roll back: another commit was applied since ``Terms.ask`` answered."""


class Terms(Struct, frozen=True):
    """What an apply goes by besides its plan."""

    actor: str
    approval: Approval = field(default_factory=Approval)
    guards: Guards = field(default_factory=Guards)
    allowed: Allowances = field(default_factory=Allowances)
    lock_timeout: float = 60.0
    revision: Revision | None = None
    audit_key: AuditKey = None
    retention: Retention = field(default_factory=Retention)
    seen: Fingerprints = field(default_factory=dict)
    """What stands behind references, where they were resolved before this apply."""
    told: tuple[str, ...] = ()
    """Names of the destinations that are told of this apply."""
    taken_back: tuple[str, ...] = ()
    """What the plan takes back of earlier generations, where nobody has seen it; a sentence each."""
    ask: Callable[[], Standing] | None = None
    """Asks how the configuration stands to the commit that was applied last; never called under the lock. None: nothing to ask."""
    standing: Standing | None = None
    """What was answered last."""
