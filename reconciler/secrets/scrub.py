"""The last line of defence: text on its way out, freed of every secret that this process has resolved.

Secrets have no way into text (``Secret``); this is for the ways that nobody thought of. What was resolved is known by
its exact value and by the encodings in which programs and libraries write a value.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "(secret)"
SHORTEST = 6
"""Characters; a shorter value stands in half of all words, and masking it would tell what it is."""
NOISY = ("boto3", "botocore", "urllib3", "requests", "hvac", "httpx", "httpcore", "psycopg", "sqlalchemy")
"""Loggers of clients; some of them write whole answers, and URLs with what is in them."""

_values: set[str] = set()  # of the whole process: what is written last knows nothing of who resolved what
_forms: list[str] = []  # of those values, the longest first


def remember(value: str) -> None:
    """From now on ``scrub`` knows ``value``, in every form; each line of it too, where it has several."""
    parts = {value, value.strip(), *(line.strip() for line in value.splitlines())} - _values
    parts = {part for part in parts if len(part) >= SHORTEST}
    if parts:
        _values.update(parts)
        found = {form for part in parts for form in forms(part) if len(form) >= SHORTEST}
        _forms[:] = sorted(found.union(_forms), key=len, reverse=True)


def scrub(text: str) -> str:
    """``text`` with every known secret masked."""
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def forms(value: str) -> Iterator[str]:
    """The value as programs write it: plain, escaped, quoted, encoded."""
    raw = value.encode("utf-8", "surrogatepass")
    yield value
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value), ascii(value), repr(raw)):
        yield text.removeprefix("b")[1:-1]
    escaped = json.dumps(value)[1:-1]
    yield escaped.replace("/", "\\/")
    yield json.dumps(escaped)[1:-1]  # JSON inside JSON
    yield from (html.escape(value), html.escape(value, quote=False), html.escape(value).replace("&#x27;", "&#39;"))
    for safe in ("", "/", "/:@!$&'()*+,;=~-._"):
        coded = quote(raw, safe=safe)
        yield from (coded, _lower_escapes(coded))
    yield quote_plus(raw)
    yield from (
        value.replace("'", "''"),
        value.replace("'", "'\\''"),
        value.replace("'", "'\"'\"'"),
        value.replace("\\", "\\\\"),
    )
    yield "".join(f"\\{c}" if c in _MARKDOWN else c for c in value)
    yield from (raw.hex(), raw.hex().upper(), raw.hex(" "), raw.hex(":"), value[::-1])
    yield "".join(f"\\u{unit:04x}" for unit in memoryview(value.encode("utf-16-le", "surrogatepass")).cast("H"))
    yield base64.b32encode(raw).decode()[: len(raw) * 8 // 5]
    for offset in range(3):  # base64 of a longer text that holds the value at any place
        coded = base64.b64encode(b"\0" * offset + raw).decode()
        # the first characters also hold bits of what stands before, the last one of what comes after
        kept = coded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]
        if len(kept) >= 2 * SHORTEST or (not offset and len(kept) >= SHORTEST):
            yield from (kept, kept.replace("+", "-").replace("/", "_"))


_MARKDOWN = "\\`*_{}[]<>()#+-.!|~&"


def _lower_escapes(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def quieten() -> None:
    """Clients log no more than warnings, and whatever anybody logs is scrubbed, tracebacks included."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    make = logging.getLogRecordFactory()
    if getattr(make, "scrubs", False):
        return

    def scrubbed(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make(*arguments, **named)
        if _forms:
            record.msg, record.args = scrub(record.getMessage()), None
            if record.exc_info:
                record.exc_text = scrub("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        return record

    scrubbed.scrubs = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(scrubbed)
