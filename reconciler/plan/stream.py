"""A plan into its canonical JSON piece by piece, and such bytes back: no more than a few hundred changes are text at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import orjson
from msgspec.structs import replace
from pydantic import ValidationError

from reconciler.model.plan import Change, Plan
from reconciler.plan.convert import change_document, from_envelope, read_change, summary, to_document
from reconciler.plan.creation import Record, change_of, record_from, record_of, written
from reconciler.plan.digests import APART, CHANGES, Digests, Hashing
from reconciler.plan.document import ResourceChangeDocument
from reconciler.processes import BATCH, MANY, in_batches, in_processes

Signature: TypeAlias = dict[str, str]
NOTHING = "0" * 64
_BEGIN = b'"resource_changes":['
_END = b'],"resource_drift":'
_CUT = b'},{"action":"'


class Written(NamedTuple):
    """The digests of what was written, and the offsets of the 64 digits for ``digest``, ``sources_digest`` and ``hmac``."""

    digests: Digests
    places: Mapping[str, int]


def canonical_bytes(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def write(plan: Plan, file: BinaryIO, key_id: str | None) -> Written:
    """Write it with room for its digests, and for a signature where there is a ``key_id``."""
    envelope = envelope_of(plan)
    parts: dict[str, Any] = {**envelope, "digest": NOTHING, "sources_digest": NOTHING}
    if key_id is not None:
        parts["hmac"] = {"key": key_id, "value": NOTHING}
    hashing, places = Hashing(envelope["revision"]), dict[str, int]()
    lead = b"{"
    for name in sorted(parts):
        file.write(lead + canonical_bytes(name) + b":")
        lead = b","
        if name == CHANGES:
            _write_changes(plan.changes, file, hashing)
            continue
        text = canonical_bytes(parts[name])
        file.write(text)
        hashing.field(name, text)
        if NOTHING.encode() in text and name in APART:
            places[name] = file.tell() - len(NOTHING) - (2 if name == "hmac" else 1)
    file.write(b"}\n")
    return Written(hashing.result(), places)


def _write_changes(changes: Sequence[Change], file: BinaryIO, hashing: Hashing) -> None:
    hashing.begin_changes()
    lead = b"["
    for texts in _texts(changes):
        hashing.changes(texts)
        file.write(lead + b",".join(texts))
        lead = b","
    file.write(b"]" if changes else b"[]")
    hashing.end_changes()


def envelope_of(plan: Plan) -> dict[str, Any]:
    """The document without its changes and its digest; its summary counts them."""
    document = to_document(replace(plan, changes=()))
    del document["digest"], document["sources_digest"]
    return {**document, "summary": summary(plan)}


def _texts(changes: Sequence[Change]) -> Iterator[list[bytes]]:
    """Each change as canonical JSON, which holds no line break of its own, some hundred at a time."""

    def work(batch: Sequence[Change]) -> bytes:
        return b"\n".join(map(_text, batch))

    for texts in in_batches(changes, work):
        yield (texts or b"").split(b"\n")


def _text(change: Change) -> bytes:
    record = record_from(change)
    return canonical_bytes(change_document(change)) if record is None else written(record)


def read(data: bytes | memoryview) -> tuple[Plan, Digests, Signature | None] | None:
    """The plan, its digests and its signature, of text that this module wrote, to the byte; None for any other text, which may still be a plan.

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
    stated = {name: envelope[name] for name in ("digest", "sources_digest", "hmac") if name in envelope}
    expected = canonical_bytes({**envelope_of(plan), **stated})
    digests = Digests(envelope["digest"], envelope["sources_digest"])
    if expected != whole[:begin] + whole[end:] or _digests(whole, slices, envelope) != digests:
        return None
    return plan, digests, envelope.get("hmac")


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


def _digests(whole: bytes, slices: Sequence[tuple[int, int]], envelope: dict[str, Any]) -> Digests:
    """Compute both of a text whose envelope and changes are known to be canonical."""
    hashing = Hashing(envelope["revision"])
    for name in sorted(envelope):
        if name == CHANGES:
            hashing.begin_changes()
            for at in range(0, len(slices), BATCH):
                hashing.changes([whole[begin:end] for begin, end in slices[at : at + BATCH]])
            hashing.end_changes()
        else:
            hashing.field(name, canonical_bytes(envelope[name]))
    return hashing.result()
