"""Convert a plan into its JSON as people and programs read it from stdout: indented, in the order of its fields, in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from reconciler.model.plan import Plan
from reconciler.plan.digests import Hashing, counted
from reconciler.plan.text import CHANGES, in_order
from reconciler.plan.typed import NO_DIGITS, typed_change, typed_plan

_EMPTY = f'\n  "{CHANGES}": []'.encode()
"""The changes of a plan that has none. Nothing else looks like it: no text in JSON holds a line's end."""


def indented(plan: Plan) -> Iterator[bytes]:
    """Yield the pieces of ``orjson.dumps(to_document(plan), OPT_INDENT_2)``."""
    document = typed_plan(plan)
    # the digests stand last
    head, _, tail = _indented(document).partition(_EMPTY)
    hashing = Hashing(document)
    yield head + _EMPTY[:-1]
    lead = b"\n    "
    for change in plan.changes:
        typed = typed_change(change)
        hashing.add(counted(typed))
        yield lead + _indented(typed).replace(b"\n", b"\n    ")
        lead = b",\n    "
    yield b"\n  ]" if plan.changes else b"]"
    digests = hashing.result()
    before, between, after = tail.rsplit(NO_DIGITS.encode(), 2)
    yield b"".join((before, digests.content.encode(), between, digests.sources.encode(), after))


def _indented(typed: object) -> bytes:
    return msgspec.json.format(in_order(typed), indent=2)
