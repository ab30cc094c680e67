"""Names of headers that a spec may set."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from reconciler.model.fields import Form, fail

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")
_OURS = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "proxy-connection",
} | {"expect"}


def _header(text: str) -> str:
    if not _HEADER.match(text):
        raise fail("invalid-header", "expected the name of a header, e.g. X-Request-Source")
    if text.lower() in _OURS:
        raise fail("forbidden-header", "this header belongs to the connection and cannot be set")
    return text


HeaderName: TypeAlias = Annotated[
    str,
    Field(max_length=128),
    AfterValidator(_header),
    Form("header_name", r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "expected the name of a header"),
]
