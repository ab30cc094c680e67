"""Write a plan as canonical JSON, and read such bytes back with one typed decoder; changes pass one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import msgspec
import orjson
from msgspec import Raw, ValidationError
from msgspec.structs import replace

from reconciler.errors import IntegrityFailed
from reconciler.model.body import canonical
from reconciler.model.plan import Change, Plan
from reconciler.plan.digests import APART, Digests, Hashing, counted
from reconciler.plan.document import PlanDocument, ResourceChangeDocument, SignatureDocument
from reconciler.plan.text import CHANGES, around_changes, canonical_bytes
from reconciler.plan.typed import NO_DIGITS, change_of, plan_of, typed_change, typed_plan
from reconciler.remembered import remembered

AGAIN = "make the plan again with `reconciler plan --out FILE`"
_decode_plan = msgspec.json.Decoder(PlanDocument[Raw]).decode
_decode_change = msgspec.json.Decoder(ResourceChangeDocument).decode


class WrittenPlan(NamedTuple):
    """The digests of a written plan, and the offsets of the 64 digits for ``digest``, ``sources_digest`` and ``hmac``."""

    digests: Digests
    offsets: Mapping[str, int]


class Believed(NamedTuple):
    """A plan whose document has the digests that it states, and agrees with itself."""

    plan: Plan
    digests: Digests
    signature: SignatureDocument | None


class DecodedPlan(NamedTuple):
    """A document that has the form of a plan's.

    ``plan`` is None where an address is malformed. ``digests`` are those of the content, ``stated`` those that the document
    has. ``agrees``: the plan is written as these very bytes, so values that the document has twice are the same.
    """

    plan: Plan | None
    digests: Digests
    stated: Digests
    signature: SignatureDocument | None
    agrees: bool

    def believed(self) -> Believed:
        """Raise IntegrityFailed where the document was changed or contradicts itself."""
        if self.digests != self.stated:
            raise changed()
        if self.plan is None:
            raise IntegrityFailed("the plan holds a malformed address", code="plan-malformed")
        if not self.agrees:
            raise contradictory()
        return Believed(self.plan, self.digests, self.signature)


def changed() -> IntegrityFailed:
    """Return the error of a plan whose content was changed."""
    message = "the plan was changed after it was written: its digest does not match its content"
    return IntegrityFailed(message, code="plan-tampered", hint=AGAIN)


def contradictory() -> IntegrityFailed:
    """Return the error of a plan that shows other than it would do."""
    message = "the plan contradicts itself: what it shows is not what it would do"
    return IntegrityFailed(message, code="plan-tampered", hint=AGAIN)


def write(plan: Plan, file: BinaryIO, key_id: str | None) -> WrittenPlan:
    """Write it with room for its digests, and for a signature where there is a ``key_id``."""
    document = typed_plan(plan)
    if key_id is not None:
        document = replace(document, hmac=SignatureDocument(key_id, NO_DIGITS))
    before, behind = around_changes(document)
    hashing = Hashing(document)
    file.write(before)
    lead = b""
    for change in plan.changes:
        typed = typed_change(change)
        file.write(lead + canonical_bytes(typed))
        hashing.add(counted(typed))
        lead = b","
    at = file.tell()
    file.write(behind + b"\n")
    offsets = {"digest": _offset(before, b'"digest":"'), "sources_digest": at + _offset(behind, b'"sources_digest":"')}
    if key_id is not None:
        offsets["hmac"] = _offset(before, b'"value":"')
    return WrittenPlan(hashing.result(), offsets)


def _offset(text: bytes, key: bytes) -> int:
    """Return where a key's zeros begin. No text holds its quotes, and no map of free keys stands behind it."""
    return text.rindex(key + NO_DIGITS.encode()) + len(key)


def read(data: bytes) -> DecodedPlan:
    """Read a plan's document. Raises ValueError (of msgspec where it has another form), RecursionError."""
    document = _decode_plan(data)
    hashing, changes, size, agrees = Hashing(document), list[Change | None](), 0, True
    for number, raw in enumerate(document.resource_changes):
        text = bytes(raw)
        size += len(text) + 1
        typed, change = _decoded_change(text, number)
        hashing.add(counted(typed))
        changes.append(change)
        agrees = agrees and change is not None and _is_written_as(change, text)
    try:
        plan = plan_of(document, changes)
    except ValueError:
        plan = None
    agrees = agrees and plan is not None and _is_whole(data, plan, document, size)
    stated = Digests(document.digest, document.sources_digest)
    return DecodedPlan(plan, hashing.result(), stated, document.hmac or None, agrees)


def _decoded_change(text: bytes, number: int) -> tuple[ResourceChangeDocument, Change | None]:
    """Return a change's document, and the change; None where an address is malformed. Raises ValidationError."""
    typed: ResourceChangeDocument | None = None
    try:
        typed = _decode_change(text)
        return typed, change_of(typed)
    except msgspec.DecodeError as error:
        message, at, path = str(error).partition(" - at `$")
        raise ValidationError(f"{message} - at `$.{CHANGES}[{number}]{path if at else '`'}") from None
    except ValueError:
        if typed is None:  # this is not UTF-8
            raise
        return typed, None


def _is_written_as(change: Change, text: bytes) -> bool:
    """Whether these are the bytes of a change. Its bodies are passed as they are, so they are checked by themselves."""
    bodies = (body for body in (change.old_text, change.new_text) if body is not None)
    return canonical_bytes(typed_change(change)) == text and all(map(_is_canonical, bodies))


def _is_whole(data: bytes, plan: Plan, document: PlanDocument[Any], size: int) -> bool:
    """Whether a file is the canonical JSON of a plan whose changes, with their commas, have this size."""
    stated = {name: getattr(document, name) for name in APART if name != "revision"}
    before, behind = around_changes(replace(typed_plan(plan), **stated))
    end = len(data) - data.endswith(b"\n")
    length = len(before) + max(0, size - 1) + len(behind)
    return end == length and data.startswith(before) and data[end - len(behind) : end] == behind


@remembered(4096)
def _is_canonical(text: str) -> bool:
    """Whether a body is canonical JSON; tenants mostly have the same bodies."""
    try:
        return canonical(orjson.loads(text)) == text
    except (ValueError, TypeError):
        return False


def place_of(error: ValidationError) -> str:
    """Return where a document has another form, by the names of the format only: anybody may have written the others."""
    message, _, path = str(error).partition(" - at `$")
    parts = ["".join(part) for part in re.findall(r"\.(\w+)|\[(\d+)\]", path)]
    missing = re.match(r"Object missing required field `(\w+)`", message)
    return ".".join([*parts, *(missing.groups() if missing else ())]) or "the file"
