"""Signed webhooks, as the Standard Webhooks specification 1.0 (standardwebhooks.com) says: any of its libraries verifies them."""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256

from reconciler.errors import CredentialUnresolved
from reconciler.notify.message import Message
from reconciler.secrets.secret import Secret
from reconciler.store.outbox import Letter

_PREFIX = "whsec_"
MIN_KEY_BYTES = 24


def webhook(letter: Letter, secret: Secret | None, now: int) -> Message:
    """Return the event as it stands in the outbox: the same id and the same bytes at each attempt."""
    body = letter.event.encode()
    signature = base64.b64encode(hmac.new(_key(secret), f"{letter.id}.{now}.".encode() + body, sha256).digest())
    headers = {
        "content-type": "application/json",
        "webhook-id": letter.id,
        "webhook-timestamp": str(now),
        "webhook-signature": "v1," + signature.decode(),
    }
    return Message(headers, body)


def _key(secret: Secret | None) -> bytes:
    text = secret.reveal() if secret is not None else ""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else text.encode()
    except binascii.Error:
        key = b""
    if len(key) < MIN_KEY_BYTES:
        raise CredentialUnresolved(
            f"the signing secret is not usable: expected {_PREFIX} and base64, or text, of at least {MIN_KEY_BYTES} bytes",
            hint="make one with `openssl rand -base64 32`",
        )
    return key
