"""What operators decide about callers and systems while they run, and no apply writes: keys and freezes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import NamedTuple

from msgspec import Struct, field

from reconciler.model.address import Address
from reconciler.model.known import Known
from reconciler.model.target import PARTS, part_uid


@lru_cache(maxsize=1024)
def moment(at: datetime) -> str:
    """Return a time as status keeps it: ISO 8601 in UTC, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")  # %Y writes the year 1 as 1


class CallerKey(NamedTuple):
    """An issued key: never the key itself. Times are ISO 8601 in UTC.

    ``caller`` is the name at the time of issue; the caller itself is the resource with ``uid``, whatever its name is now.
    """

    id: str
    tenant: str
    caller: str
    uid: str
    digest: str
    created_at: str
    created_by: str
    expires_at: str
    revoked_at: str | None = None
    revoked_by: str | None = None

    def is_active(self, now: str) -> bool:
        return self.revoked_at is None and now < self.expires_at


class Freeze(NamedTuple):
    """``target`` as the operator wrote it: ``platform``, ``tenant/NAME``, ``key/ID``, ``TENANT/KIND/NAME`` or a part of that.

    ``uid`` is the resource that was live under that name: the freeze follows it through every rename. Without a uid, the
    freeze is of the name itself. ``origin`` is the freeze that this one was carried over from, or its own id.
    """

    id: str
    target: str
    reason: str
    frozen_at: str
    frozen_by: str
    tenant: str | None = None
    uid: str | None = None
    origin: str = ""

    def facts(self) -> dict[str, str | None]:
        """Return it as JSON."""
        return {
            "target": self.target,
            "uid": self.uid,
            "reason": self.reason,
            "frozen_at": self.frozen_at,
            "frozen_by": self.frozen_by,
        }

    def __str__(self) -> str:
        return f"frozen since {self.frozen_at} by {self.frozen_by}: {self.reason}"


class FreezeEntry(NamedTuple):
    """A freeze as lists show it: ``address`` is the name of its target now, None once that is gone.

    ``state`` is ``in-force``, ``waiting`` (nothing has this name yet) or ``ended`` (the resource is gone; the freeze
    counts again should a rollback bring back this very life).
    """

    freeze: Freeze
    address: str | None
    state: str

    def document(self) -> dict[str, str | None]:
        """Return the entry as both the command line and the operators' API write it."""
        return {"id": self.freeze.id, "address": self.address, "state": self.state, **self.freeze.facts()}


class Held(Struct, frozen=True):
    """What operators decided about resources, by tenant and uid: active keys are counted, ``suspended`` says who, when and why.

    ``used`` is what was used of limits in the windows of now, also by the uid of the limit.
    """

    freezes: tuple[FreezeEntry, ...] = ()
    keys: Mapping[tuple[str, str], int] = field(default_factory=dict)
    suspended: Mapping[tuple[str, str], str] = field(default_factory=dict)
    used: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


class Status(Struct, frozen=True, dict=True):
    """Issued keys by id, revoked and expired ones included; and the freezes in force.

    ``pending`` decisions among them are not in the audit trail yet.
    """

    keys: Mapping[str, CallerKey] = field(default_factory=dict)
    freezes: tuple[Freeze, ...] = ()
    pending: int = 0

    def freeze_of(
        self, tenant: str, caller: Known | None, key: str, chain: Sequence[Known], tool: str = "", part: str = ""
    ) -> Freeze | None:
        """Return the most general freeze that stops a call: platform, tenant, caller, key, then the chain in its order.

        ``key`` is the id of the caller's key, "" without one; ``tool`` the name under which agents see the target, and
        ``part`` what of the first of the chain is called.
        """
        if not self.freezes:
            return None
        named = self._by_name
        found = named.get("platform") or named.get(f"tenant/{tenant}") or (caller and self.freeze_on(caller))
        return (
            found
            or (named.get(f"key/{key}") if key else None)
            or (named.get(f"{tenant}/tool/{tool}") if tool else None)
            or (self._freeze_on_part(chain[0], part) if part else None)
            or next((freeze for one in chain if (freeze := self.freeze_on(one))), None)
        )

    def _freeze_on_part(self, known: Known, part: str) -> Freeze | None:
        word = next((word for word, kind in PARTS.items() if kind == known.address.kind), "")
        name = f"{known.address.tenant}/{word}/{known.address.name}/{part}"
        return self._by_uid.get((known.address.tenant, part_uid(known.uid, part))) or self._by_name.get(name)

    def freeze_on(self, known: Known) -> Freeze | None:
        """Return the freeze of this very resource, or of the name that it has now."""
        return self.freeze_at(known.address, known.uid)

    def freeze_at(self, address: Address, uid: str | None) -> Freeze | None:
        if not self.freezes:
            return None
        return self._by_uid.get((address.tenant, uid or "")) or self._by_name.get(str(address))

    def freeze_over(self, address: Address, uid: str) -> Freeze | None:
        """Return the freeze of a resource, or of its tenant or the platform."""
        if not self.freezes:
            return None
        return self.freeze_of(address.tenant, None, "", [Known(address, uid, None, None, False)])

    @cached_property
    def _by_name(self) -> Mapping[str, Freeze]:
        return {one.target: one for one in self.freezes if one.uid is None}

    @cached_property
    def _by_uid(self) -> Mapping[tuple[str, str], Freeze]:
        return {(one.tenant or "", one.uid): one for one in self.freezes if one.uid is not None}
