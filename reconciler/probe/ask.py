"""A call made, and its answer judged: healthy, degraded or failing, with how long it took."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx

from reconciler.model.address import Address
from reconciler.model.health import DEGRADED_MS, REFUSED, Check, by_latency
from reconciler.parallel import in_parallel, within
from reconciler.probe.calls import Call


def ask_all(calls: Mapping[Address, Call]) -> dict[Address, Check]:
    """In parallel; each within ``DEGRADED_MS``, whatever the other side does."""
    return in_parallel(calls, lambda address: _bounded(calls[address]))


def _bounded(call: Call) -> Check:
    # httpx's own timeouts are per read: a server that trickles its headers would hold us up for hours
    late = Check("failing", None, f"no answer within {DEGRADED_MS} ms")
    return within(DEGRADED_MS / 1000, lambda: ask(call)) or late


def ask(call: Call) -> Check:
    """One request; no redirect is followed, and of the answer only the head is read."""
    try:
        with httpx.Client(timeout=DEGRADED_MS / 1000, follow_redirects=False) as client:
            started = time.monotonic()
            with client.stream(call.method, call.url, headers=dict(call.headers)) as response:
                return judge(response.status_code, round((time.monotonic() - started) * 1000), call.any_answer)
    except httpx.TimeoutException:
        return Check("failing", None, f"no answer within {DEGRADED_MS} ms")
    except (httpx.InvalidURL, UnicodeError):
        return Check("failing", None, "its address or its credential can't be sent over HTTP")
    except (httpx.HTTPError, ValueError) as error:
        return Check("failing", None, f"it can't be reached ({type(error).__name__})")


def judge(status: int, latency_ms: int, any_answer: bool) -> Check:
    """Return what a status and a latency say; 401 and 403 are about the credential, 429 about how much it is used."""
    if status in (401, 403):
        return Check("failing", latency_ms, f"{REFUSED} ({status})")
    if status == 429:
        return Check("degraded", latency_ms, "it answers that there are too many requests (429)")
    if status >= 500:
        return Check("failing", latency_ms, f"it answers {status}")
    if 300 <= status < 400:
        return Check("degraded", latency_ms, f"it answers {status}, a redirect, which is not followed")
    if status >= 400 and not any_answer:
        return Check("failing", latency_ms, f"it answers {status}: is `base_url` right?")
    return by_latency(latency_ms)
