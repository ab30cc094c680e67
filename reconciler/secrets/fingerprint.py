"""A secret turned into a mark that shows whether it changed, and nothing else.

With a key: HMAC-SHA256 under a key of the tenant's own, over the reference and the value, so that neither two tenants
nor two references can be compared, and a guess can't be tried without the key. Without one: the store's own version.
"""

from __future__ import annotations

import hmac

from reconciler.secrets.fetch import Fetched

_PURPOSE = b"reconciler fingerprint, format 1\n"


def mark(fetched: Fetched, tenant: str, reference: str, key: tuple[str, bytes] | None) -> str | None:
    """None where there is neither a key nor a version. ``key`` is its id and its 32 bytes."""
    if key is None:
        return f"version:{fetched.version}" if fetched.version else None
    of_tenant = hmac.digest(key[1], _PURPOSE + tenant.encode(), "sha256")
    message = f"{len(reference)}:{reference}".encode() + fetched.secret.reveal().encode()
    return f"hmac:{key[0]}:{hmac.digest(of_tenant, message, 'sha256').hex()}"
