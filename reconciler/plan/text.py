"""Encode parts of a plan's document: canonical JSON (sorted keys, no spaces), and JSON in the order of the fields."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import UNSET

from reconciler.plan.document import PlanDocument

CHANGES = "resource_changes"

canonical_bytes = msgspec.json.Encoder(order="sorted").encode
in_order = msgspec.json.Encoder().encode


def around_changes(document: PlanDocument[Any], leave_out: Collection[str] = ()) -> tuple[bytes, bytes]:
    """Return the document's canonical JSON before its first change, and behind its last one."""
    stated = {name: getattr(document, name) for name in sorted({*document.__struct_fields__} - {*leave_out})}
    fields = {name: value for name, value in stated.items() if value is not UNSET}
    texts = [
        b'"%b":%b' % (name.encode(), b"[" if name == CHANGES else canonical_bytes(fields[name])) for name in fields
    ]
    cut = [*fields].index(CHANGES) + 1
    return b"{" + b",".join(texts[:cut]), b",".join([b"]", *texts[cut:]]) + b"}"
