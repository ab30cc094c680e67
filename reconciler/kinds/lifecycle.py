"""Whether a resource is in use: by its own spec, and by what operators and health checks add to it."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.body import Body


class UseStatus(NamedTuple):
    """The status of one resource, which no spec holds: who suspended it and why, and the last error of a health check."""

    suspended_by: str | None = None
    suspended_reason: str | None = None
    error: str | None = None


def switched_off(body: Body) -> bool:
    """Whether a resource's own spec takes it out of use: `enabled: false`, or the lifecycle `inactive`."""
    return body.get("enabled") is False or body.get("lifecycle") == "inactive"


def usable(body: Body, status: UseStatus) -> bool:
    """Whether agents may use a resource: not switched off, not suspended, and not in error."""
    return not switched_off(body) and status.suspended_by is None and status.error is None
