"""Compute the two digests of a plan: of what it would do, and of where and in which commit that was written.

``digest`` is the SHA-256 of the canonical JSON of the document without ``revision`` and the digests, every ``source``
of a change and its fields being null, its ``status`` empty, and without ``sources``: a comment, another working
directory or a freeze does not move it.
``sources_digest`` is the SHA-256 of the canonical JSON of ``[revision, [[source, [source of each field]] of each
change]]``; a change that has ``sources`` adds them as a third item, and one that has ``status`` adds that as an object.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from reconciler.plan.document import PlanDocument, ResourceChangeDocument
from reconciler.plan.text import around_changes, canonical_bytes

APART = ("digest", "hmac", "revision", "sources_digest")
"""The fields of a document that ``digest`` leaves out."""


class Digests(NamedTuple):
    """Both, as hexadecimal digits."""

    content: str
    sources: str


def counted(change: ResourceChangeDocument) -> tuple[bytes, bytes]:
    """Return the JSON of a change that ``digest`` counts, and the JSON that ``sources_digest`` counts."""
    sources: list[Any] = [change.source, [field.source for field in change.fields]]
    if change.sources:
        sources.append(change.sources)
    if change.status:
        sources.append({"status": change.status})
    fields = tuple([replace(field, source=None) for field in change.fields])
    content = replace(change, source=None, fields=fields, status=(), sources=UNSET)
    return canonical_bytes(content), canonical_bytes(sources)


class Hashing:
    """Computes both digests of a document whose changes are passed one by one."""

    def __init__(self, document: PlanDocument[Any]) -> None:
        before, self._behind = around_changes(document, APART)
        self._content = sha256(before)
        self._sources = sha256(b"[" + canonical_bytes(document.revision) + b",[")
        self._lead = b""

    def add(self, counted: tuple[bytes, bytes]) -> None:
        content, sources = counted
        self._content.update(self._lead + content)
        self._sources.update(self._lead + sources)
        self._lead = b","

    def result(self) -> Digests:
        self._content.update(self._behind)
        self._sources.update(b"]]")
        return Digests(self._content.hexdigest(), self._sources.hexdigest())
