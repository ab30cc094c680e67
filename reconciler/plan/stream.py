"""A plan into its canonical JSON piece by piece, and such bytes back: no more than a few hundred changes are text at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, BinaryIO, TypeAlias

import orjson
from msgspec.structs import replace
from pydantic import ValidationError

from reconciler.model.plan import Change, Plan
from reconciler.plan.convert import change_document, from_envelope, read_change, summary, to_document
from reconciler.plan.creation import Record, change_of, record_from, record_of, written
from reconciler.plan.document import ResourceChangeDocument
from reconciler.processes import BATCH, MANY, in_batches, in_processes

Signature: TypeAlias = dict[str, str]
CHANGES = "resource_changes"
APART = ("digest", "hmac")
"""What the digest is not about: it stands in the middle of the text, and is known at its end."""
NOTHING = "0" * 64
_BEGIN = b'"resource_changes":['
_END = b'],"resource_drift":'
_CUT = b'},{"action":"'


def canonical_bytes(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def write(plan: Plan, file: BinaryIO, key_id: str | None) -> tuple[str, int, int]:
    """Writes it with room for its digest, and for a signature where there is a ``key_id``.

    Returns the digest, the offset of the 64 digits for it, and that of the signature's.
    """
    envelope = envelope_of(plan)
    parts: dict[str, Any] = {**envelope, "digest": NOTHING}
    if key_id is not None:
        parts["hmac"] = {"key": key_id, "value": NOTHING}
    content, places = sha256(), {}
    lead = hashed_lead = b"{"
    for name in sorted(parts):
        text = b"[" if name == CHANGES else canonical_bytes(parts[name])
        file.write(lead + canonical_bytes(name) + b":" + text)
        if name in APART:
            places[name] = file.tell() - len(NOTHING) - (1 if name == "digest" else 2)
        else:
            content.update(hashed_lead + canonical_bytes(name) + b":" + text)
            hashed_lead = b","
        if name == CHANGES:
            for piece in _changes(plan.changes):
                file.write(piece)
                content.update(piece)
            file.write(b"]")
            content.update(b"]")
        lead = b","
    file.write(b"}\n")
    content.update(b"}")
    return content.hexdigest(), places["digest"], places.get("hmac", 0)


def envelope_of(plan: Plan) -> dict[str, Any]:
    """The document without its changes and its digest; its summary counts them."""
    document = to_document(replace(plan, changes=()))
    del document["digest"]
    return {**document, "summary": summary(plan)}


def _changes(changes: Sequence[Change]) -> Iterator[bytes]:
    """The elements, with commas between them."""

    def work(batch: Sequence[Change]) -> bytes:
        return b",".join(map(_text, batch))

    lead = b""
    for text in in_batches(changes, work):
        yield lead + (text or b"")
        lead = b","


def _text(change: Change) -> bytes:
    record = record_from(change)
    return canonical_bytes(change_document(change)) if record is None else written(record)


def read(data: bytes | memoryview) -> tuple[Plan, str, Signature | None] | None:
    """The plan, its digest and its signature, of text that this module wrote, to the byte; None for any other text, which may still be a plan.

    Every change is built and written again: what comes out has to be the very bytes, and so does the rest. So what the
    text says twice agrees, and its digest may be taken of the bytes as they are.
    """
    whole = bytes(data).rstrip(b"\n")
    begin, end = whole.find(_BEGIN), whole.rfind(_END)
    if begin < 0 or end < begin + len(_BEGIN):
        return None
    begin += len(_BEGIN)
    slices = _elements(whole, begin, end)
    try:
        envelope = orjson.loads(whole[:begin] + whole[end:])
    except ValueError:
        return None
    plan = from_envelope(envelope)
    changes = _rewritten(whole, slices) if plan is not None else None
    if plan is None or changes is None:
        return None
    plan = replace(plan, changes=changes)
    apart = {name: envelope.get(name) for name in APART if name in envelope}
    expected = canonical_bytes({**envelope_of(plan), **apart})
    if expected != whole[:begin] + whole[end:] or _digest(whole, envelope) != envelope["digest"]:
        return None
    return plan, envelope["digest"], envelope.get("hmac")


def _elements(whole: bytes, begin: int, end: int) -> list[tuple[int, int]]:
    """Where each change stands. A cut inside of a change (a body may hold anything) leaves no JSON, and is noticed."""
    found: list[tuple[int, int]] = []
    at = begin
    while at < end:
        cut = whole.find(_CUT, at, end)
        to = end if cut < 0 else cut + 1
        found.append((at, to))
        at = to + 1
    return found


def _rewritten(whole: bytes, slices: Sequence[tuple[int, int]]) -> tuple[Change, ...] | None:
    """The changes, if every element is of the right form, and what this module makes of the change that it tells."""
    batches = [range(at, min(at + BATCH, len(slices))) for at in range(0, len(slices), BATCH)]
    read_here: dict[int, list[Change]] = {}

    def work(batch: range) -> bytes | None:
        try:
            found = [_change(whole[at:to]) for at, to in (slices[number] for number in batch)]
        except (ValidationError, ValueError):
            return None
        # of use where this process did it; of another one's the records come back, which are quickly read
        read_here[batch.start] = [change for change, _ in found]
        return orjson.dumps([record for _, record in found])

    results = in_processes(batches, work) if len(slices) >= MANY else map(work, batches)
    changes: list[Change] = []
    for batch, result in zip(batches, results, strict=True):
        if result is None:
            return None
        changes += read_here.get(batch.start) or (
            read_change(orjson.loads(whole[slice(*slices[number])])) if record is None else change_of(record)
            for number, record in zip(batch, orjson.loads(result), strict=True)
        )
    return tuple(changes)


def _change(text: bytes) -> tuple[Change, Record | None]:
    """Raises ValueError where the text is not what it would be written as."""
    record = record_of(text)
    if record is not None:
        return change_of(record), record
    document = orjson.loads(text)
    ResourceChangeDocument.model_validate(document)
    change = read_change(document)
    if canonical_bytes(change_document(change)) != text:
        raise ValueError("not as it would be written")
    return change, None


def _digest(whole: bytes, envelope: dict[str, Any]) -> str:
    content = sha256()
    at = 0
    for name in APART:
        if name in envelope:
            text = canonical_bytes(name) + b":" + canonical_bytes(envelope[name]) + b","
            place = whole.find(text, at, whole.find(_BEGIN))
            content.update(whole[at:place])
            at = place + len(text)
    content.update(memoryview(whole)[at:])
    return content.hexdigest()
