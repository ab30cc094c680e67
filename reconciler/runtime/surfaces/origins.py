"""Pages of this machine: which Origin headers name one, and which listeners take them."""

from __future__ import annotations

import re
from ipaddress import ip_address

from reconciler.load.serve_file import Listener

LOOPBACK_HOST = r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?"
_IS_LOOPBACK_ORIGIN = re.compile(f"https?://{LOOPBACK_HOST}")


def takes_loopback_pages(listener: Listener) -> bool:
    """Whether pages of this machine may ask a listener: it listens to this machine alone."""
    host = str(listener.host)
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_origin(origin: str) -> bool:
    """Whether an Origin header names a page of this machine."""
    return _IS_LOOPBACK_ORIGIN.fullmatch(origin) is not None
