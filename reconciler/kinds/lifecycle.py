"""The life of an integration: its states, and what operators and health checks add to the spec."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from reconciler.kinds.facts import healing_fields
from reconciler.kinds.integration import KIND
from reconciler.model.body import Body


class State(Enum):
    """created -> enabled <-> disabled, and each of them -> deleted, which is the end."""

    CREATED = "created"
    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"


_NEXT = {
    State.CREATED: {State.ENABLED, State.DELETED},
    State.ENABLED: {State.DISABLED, State.DELETED},
    State.DISABLED: {State.ENABLED, State.DELETED},
    State.DELETED: set[State](),
}


class Status(Struct, frozen=True):
    """What is not in git: who suspended it and why, and the last error of a health check."""

    suspended_by: str | None = None
    suspended_reason: str | None = None
    error: str | None = None

    @property
    def suspended(self) -> bool:
        return self.suspended_by is not None


def state(enabled: bool, ever_enabled: bool, deleted: bool = False) -> State:
    """The name of the state; one that was never enabled is still only created."""
    if deleted:
        return State.DELETED
    if enabled:
        return State.ENABLED
    return State.DISABLED if ever_enabled else State.CREATED


def move(current: State, target: State) -> State:
    """The target, if it may follow the current state; raises ValueError otherwise."""
    if target not in _NEXT[current]:
        raise ValueError(f"an integration that is {current.value} cannot become {target.value}")
    return target


def switched_off(body: Body) -> bool:
    """Whether a resource's own spec takes it out of use: `enabled: false`, or the lifecycle `inactive`."""
    return body.get("enabled") is False or body.get("lifecycle") == "inactive"


def usable(enabled: bool, status: Status) -> bool:
    """Whether agents may use it: enabled, not suspended, and not in error."""
    return enabled and not status.suspended and status.error is None


def suspend(status: Status, by: str, reason: str) -> Status:
    """An operator stops it; raises ValueError without a name, or where it is suspended already."""
    if not by:
        raise ValueError("a suspension names who suspends")
    if status.suspended:
        raise ValueError("this integration is suspended already")
    return replace(status, suspended_by=by, suspended_reason=reason)


def resume(status: Status) -> Status:
    """An operator lifts the suspension; raises ValueError where there is none."""
    if not status.suspended:
        raise ValueError("this integration is not suspended")
    return replace(status, suspended_by=None, suspended_reason=None)


def after_apply(status: Status, changed_fields: Iterable[str]) -> Status:
    """An apply never lifts a suspension; a change of what the error was about clears the error."""
    return replace(status, error=None) if set(changed_fields) & {*healing_fields(KIND)} else status


def after_credential_test(status: Status, ok: bool, message: str = "") -> Status:
    """A test that succeeds clears the error, one that fails sets it; neither touches a suspension."""
    return replace(status, error=None if ok else message or "the credential test failed")
