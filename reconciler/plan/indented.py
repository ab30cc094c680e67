"""A plan into its JSON as people and programs read it from stdout: indented, in its keys' order, a few hundred changes at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

import orjson

from reconciler.model.plan import Change, Plan
from reconciler.plan.convert import change_document
from reconciler.plan.stream import CHANGES, NOTHING, canonical_bytes, envelope_of
from reconciler.processes import in_batches

_EMPTY = f'\n  "{CHANGES}": []'.encode()
"""How a plan without changes says so. Nothing else looks like it: no text in JSON holds a line's end."""


def indented(plan: Plan) -> Iterator[bytes]:
    """What ``orjson.dumps(to_document(plan), OPT_INDENT_2)`` gives, in pieces."""
    envelope = envelope_of(plan)
    head, _, tail = _indented({**envelope, "digest": NOTHING}).partition(_EMPTY)
    names = sorted(envelope)
    content = sha256(b"{")

    def told(some: Sequence[str]) -> None:
        content.update(b"".join(canonical_bytes(name) + b":" + canonical_bytes(envelope[name]) + b"," for name in some))

    place = names.index(CHANGES)
    told(names[:place])
    content.update(canonical_bytes(CHANGES) + b":[")
    yield head + _EMPTY[:-1]
    lead = b"\n    "
    for canonical, shown in map(_halves, in_batches(plan.changes, _batch)):
        content.update((b"" if lead == b"\n    " else b",") + canonical)
        yield lead + shown
        lead = b",\n    "
    yield b"\n  ]" if plan.changes else b"]"
    content.update(b"],")
    told(names[place + 1 : -1])
    content.update(canonical_bytes(names[-1]) + b":" + canonical_bytes(envelope[names[-1]]) + b"}")
    before, _, after = tail.rpartition(NOTHING.encode())
    yield before + content.hexdigest().encode() + after


def _indented(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def _batch(changes: Sequence[Change]) -> bytes:
    """The changes twice: as the digest counts them, and as they are shown."""
    documents = [change_document(change) for change in changes]
    canonical = b",".join(map(canonical_bytes, documents))
    shown = b",\n".join(map(_indented, documents)).replace(b"\n", b"\n    ")
    return len(canonical).to_bytes(8, "little") + canonical + shown


def _halves(batch: bytes | None) -> tuple[bytes, bytes]:
    whole = batch or bytes(8)
    cut = 8 + int.from_bytes(whole[:8], "little")
    return whole[8:cut], whole[cut:]
