"""A plan into its JSON as people and programs read it from stdout: indented, in its keys' order, a few hundred changes at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from reconciler.model.plan import Change, Plan
from reconciler.plan.convert import change_document
from reconciler.plan.digests import CHANGES, Hashing
from reconciler.plan.stream import NOTHING, canonical_bytes, envelope_of
from reconciler.processes import in_batches

_EMPTY = f'\n  "{CHANGES}": []'.encode()
"""How a plan without changes says so. Nothing else looks like it: no text in JSON holds a line's end."""


def indented(plan: Plan) -> Iterator[bytes]:
    """Yield the pieces of ``orjson.dumps(to_document(plan), OPT_INDENT_2)``."""
    envelope = envelope_of(plan)
    # its keys stand in the order of the document, the digests last
    head, _, tail = _indented({**envelope, "digest": NOTHING, "sources_digest": NOTHING}).partition(_EMPTY)
    names, hashing = sorted(envelope), Hashing(envelope["revision"])
    place = names.index(CHANGES)
    for name in names[:place]:
        hashing.field(name, canonical_bytes(envelope[name]))
    hashing.begin_changes()
    yield head + _EMPTY[:-1]
    lead = b"\n    "
    for canonical, shown in map(_halves, in_batches(plan.changes, _batch)):
        hashing.changes(canonical.split(b"\n"))
        yield lead + shown
        lead = b",\n    "
    yield b"\n  ]" if plan.changes else b"]"
    hashing.end_changes()
    for name in names[place + 1 :]:
        hashing.field(name, canonical_bytes(envelope[name]))
    digests = hashing.result()
    before, between, after = tail.rsplit(NOTHING.encode(), 2)
    yield b"".join((before, digests.content.encode(), between, digests.sources.encode(), after))


def _indented(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def _batch(changes: Sequence[Change]) -> bytes:
    """The changes twice: as the digest counts them, and as they are shown."""
    documents = [change_document(change) for change in changes]
    canonical = b"\n".join(map(canonical_bytes, documents))
    shown = b",\n".join(map(_indented, documents)).replace(b"\n", b"\n    ")
    return len(canonical).to_bytes(8, "little") + canonical + shown


def _halves(batch: bytes | None) -> tuple[bytes, bytes]:
    whole = batch or bytes(8)
    cut = 8 + int.from_bytes(whole[:8], "little")
    return whole[8:cut], whole[cut:]
