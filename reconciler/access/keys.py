"""An issued key turned into the caller that it is good for."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.access.resource import Resource
from reconciler.access.snapshot import Tenant
from reconciler.model.status import CallerKey, moment


def holder_of(tenant: Tenant, key: CallerKey, now: datetime) -> Resource | None:
    """Return the caller of a key; None where the key does not count.

    That is one that is revoked or expired, or whose caller is not live, was changed by hand, or takes no keys of this age.
    """
    caller = tenant.caller_with(key.uid)
    if caller is None or not caller.known.settled or not key.is_active(moment(now)):
        return None
    taken = caller.body["auth"].get("api_key")
    # what the caller's spec says now counts, also for keys that were issued under a longer term
    if taken is None or moment(now - timedelta(days=taken["max_age_days"])) >= key.created_at:
        return None
    return caller
