"""The two digests of a plan: of what it would do, and of where and in which commit that was written.

``digest`` is the SHA-256 of the canonical JSON of the document without ``revision`` and the digests, every ``source``
of a change and its fields being null, its ``status`` empty, and without ``sources``: a comment, another working
directory or a freeze does not move it.
``sources_digest`` is the SHA-256 of the canonical JSON of ``[revision, [[source, [source of each field]] of each
change]]``; a change that has ``sources`` adds them as a third item, and one that has ``status`` adds that as an object.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from reconciler.model.body import canonical

APART = ("digest", "hmac", "revision", "sources_digest")
"""The fields of a document that ``digest`` is not about."""
CHANGES = "resource_changes"
_SOURCE = b',"source":'
_SOURCES = b',"sources":['
_NO_STATUS = b',"status":[],"tenant":'
_FIELDS = b',"fields":['
_END = ord("]")


class Digests(NamedTuple):
    """Both, as hexadecimal digits."""

    content: str
    sources: str


def content_digest(document: dict[str, Any]) -> str:
    """Return the digest of what a plan's document would do. Raises TypeError for what is no JSON of bounded depth."""
    content = {key: value for key, value in document.items() if key not in APART}
    return sha256(canonical({**content, CHANGES: [*map(_without, document[CHANGES])]}).encode()).hexdigest()


def sources_digest(document: dict[str, Any]) -> str:
    """Return the digest of where a plan's document says that its values were written."""
    return sha256(canonical([document["revision"], [*map(_sources, document[CHANGES])]]).encode()).hexdigest()


def _sources(change: dict[str, Any]) -> list[Any]:
    found = [change["source"], [field["source"] for field in change["fields"]]]
    found += [change["sources"]] if change.get("sources") else []
    return [*found, {"status": change["status"]}] if change["status"] else found


def digests_of(document: dict[str, Any]) -> Digests:
    return Digests(content_digest(document), sources_digest(document))


def _without(change: dict[str, Any]) -> dict[str, Any]:
    fields = [{**field, "source": None} for field in change["fields"]]
    kept = {key: value for key, value in change.items() if key != "sources"}
    return kept | {"source": None, "fields": fields, "status": []}


class Hashing:
    """Computes both digests while a document's canonical JSON passes, one field of it after the other, in sorted order."""

    def __init__(self, revision: Any) -> None:
        self._content, self._sources = sha256(b"{"), sha256(b"[" + canonical(revision).encode() + b",[")
        self._lead = b""
        self._first = True

    def field(self, name: str, text: bytes) -> None:
        """Take one field of the envelope; those that stand apart may be passed too, and count for nothing."""
        if name not in APART:
            self._content.update(self._lead + canonical(name).encode() + b":" + text)
            self._lead = b","

    def begin_changes(self) -> None:
        self.field(CHANGES, b"[")

    def changes(self, texts: list[bytes]) -> None:
        """Take some of the changes, each as canonical JSON."""
        if not texts:
            return
        cuts = [*map(_cut, texts)]
        lead = b"" if self._first else b","
        self._first = False
        self._content.update(lead + b",".join([content for content, _ in cuts]))
        self._sources.update(lead + b",".join([sources for _, sources in cuts]))

    def end_changes(self) -> None:
        self._content.update(b"]")

    def result(self) -> Digests:
        self._content.update(b"}")
        self._sources.update(b"]]")
        return Digests(self._content.hexdigest(), self._sources.hexdigest())


def _cut(text: bytes) -> tuple[bytes, bytes]:
    """Return a change as it counts for the one digest, and its sources as they count for the other, as JSON.

    Behind a change's own source stand its status and names, which are no lists of fields, and between its fields and its source nothing that holds a list of
    fields: so the last occurrences are those of the change itself, whatever its body holds.
    """
    at = text.rfind(_SOURCE)
    fields, behind = text.rfind(_FIELDS, 0, at), text.find(_NO_STATUS, at)
    if fields >= 0 and behind >= 0 and text[fields + len(_FIELDS)] == _END and text.find(_SOURCES, fields, at) < 0:
        begin = at + len(_SOURCE)
        return text[:begin] + b"null" + text[behind:], b"[" + text[begin:behind] + b",[]]"
    change = orjson.loads(text)
    return canonical(_without(change)).encode(), canonical(_sources(change)).encode()
