"""One letter posted to one destination; the answer turned into nothing, or into a reason that holds no secret."""

from __future__ import annotations

import time
from collections.abc import Mapping

from reconciler.errors import CredentialUnresolved
from reconciler.model.notification import Destination
from reconciler.model.secret_ref import SCHEMES
from reconciler.notify.message import Format, Message
from reconciler.notify.slack import slack
from reconciler.notify.webhook import webhook
from reconciler.parallel import within
from reconciler.secrets.resolve import of_environment
from reconciler.store.outbox import Letter

TOTAL_SECONDS = 10.0
"""For a whole attempt; httpx's own timeouts are per read, so a server that trickles would hold us up for hours."""

FORMATS: Mapping[str, Format] = {"slack": slack, "webhook": webhook}


def send(destination: Destination, letter: Letter) -> str | None:
    """None where the other side took it (2xx); otherwise why not. A URL may be a secret: it is in no reason."""
    try:
        secret = of_environment(destination.secret) if destination.secret else None
        message = FORMATS[destination.type](letter, secret, int(time.time()))
        url = of_environment(destination.url).reveal() if _is_reference(destination.url) else destination.url
    except CredentialUnresolved as error:
        return str(error)
    answer = within(TOTAL_SECONDS, lambda: (_post(url, message),))
    return answer[0] if answer else f"no answer within {TOTAL_SECONDS:.0f} s"


def _is_reference(url: str) -> bool:
    return url.partition("://")[0] in SCHEMES


def _post(url: str, message: Message) -> str | None:
    import httpx  # most servers and commands send nothing, and it takes 10 MiB

    try:
        # the environment's proxy settings count: where a network has one, nothing gets out without it
        with (
            httpx.Client(timeout=TOTAL_SECONDS, follow_redirects=False) as client,
            client.stream("POST", url, headers=dict(message.headers), content=message.body) as response,
        ):
            return None if response.is_success else f"it answered {response.status_code}"
    except httpx.TimeoutException:
        return "it did not answer in time"
    except httpx.InvalidURL:
        return "its URL is not one"
    except (httpx.HTTPError, ValueError, UnicodeError) as error:
        return f"it could not be reached ({type(error).__name__})"
