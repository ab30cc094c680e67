"""Answers of providers freed of every secret that was resolved for their tenant, whole or event by event."""

from __future__ import annotations

from typing import Any

from reconciler import strict_json
from reconciler.runtime.llm.sse import Event, event_of
from reconciler.runtime.llm.tries import Read
from reconciler.secrets.scrub import Scrubber
from reconciler.strict_json import NotStrict


def scrubbed(data: bytes, body: Any, secrets: Scrubber) -> tuple[bytes, Any]:
    """Return an answer and its JSON; the same objects where no secret is in it."""
    if not secrets or not secrets.is_in(data.decode(errors="replace")):
        return data, body
    body = secrets.value(body, keys=True)
    return strict_json.write(body), body


def scrubbed_event(read: Read, secrets: Scrubber) -> Read:
    """Return an event as it may leave; the same one where no secret is in it. What can't be masked is left out whole."""
    if not secrets or not secrets.is_in(read.event.raw.decode(errors="replace")):
        return read
    body = secrets.value(read.body, keys=True)
    try:
        data = strict_json.write(body)
    except NotStrict:
        data = b'"***"'
    name = secrets.value(read.event.name)
    return read._replace(event=Event(event_of(name, data), name, data), body=body)
