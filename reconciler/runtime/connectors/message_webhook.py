"""Messages by webhooks: JSON by POST, signed as the Standard Webhooks specification says."""

from __future__ import annotations

import time

from reconciler import strict_json
from reconciler.errors import CredentialUnresolved
from reconciler.model.body import Body
from reconciler.notify.webhook import webhook
from reconciler.runtime.connectors.credential import no_token, with_credential
from reconciler.runtime.connectors.message import Outgoing, Undelivered, Way
from reconciler.runtime.connectors.message_http import post, require_taken
from reconciler.secrets.secret import Secret
from reconciler.store.outbox import Letter


async def send(outgoing: Outgoing, _address: str, way: Way) -> None:
    """Make one attempt: the same id and the same bytes each time. Raises Undelivered, Failed."""
    body = body_of(outgoing)
    headers, _ = await with_credential(
        {"headers": way.body["headers"], "auth": {"type": "none"}}, {}, [], way.secret, no_token
    )
    reference = way.body.get("webhook_url")
    url = await way.secret(reference) if reference is not None else way.body["url"]
    own = {"content-type": "application/json", "webhook-id": outgoing.id}
    if (signs := way.body.get("signing_secret")) is not None:
        try:
            signed = webhook(Letter(outgoing.id, "", body.decode()), Secret(await way.secret(signs)), int(time.time()))
        except CredentialUnresolved as error:
            raise Undelivered(str(error), code="credential-unresolved") from None
        own = dict(signed.headers)
    kept = {name: value for name, value in headers.items() if name.lower() not in own}
    require_taken(await post(url, {**kept, **own}, body, way))


async def ping(_way: Way) -> None:
    """Never called: any request to a webhook is a message."""
    raise AssertionError


def is_askable(_body: Body) -> bool:
    """Whether it can be asked without a message: it can't."""
    return False


def body_of(outgoing: Outgoing) -> bytes:
    """Return the JSON of a message."""
    subject = {"subject": outgoing.subject} if outgoing.subject else {}
    data = {"id": outgoing.id, "template": outgoing.template, "to": [*outgoing.to], **subject, "text": outgoing.text}
    return strict_json.write({"type": "message", "data": {**data, "messages": outgoing.messages}})
