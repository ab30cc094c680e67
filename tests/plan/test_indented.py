"""A plan's JSON on stdout in pieces: the very bytes of the document as a whole."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from msgspec.structs import replace

from reconciler.model.plan import Plan
from reconciler.plan.convert import to_document
from reconciler.plan.indented import indented

from .plans import PLANS
from .test_codec import many


def whole(plan: Plan) -> bytes:
    return orjson.dumps(to_document(plan), option=orjson.OPT_INDENT_2)


@given(PLANS)
def test_the_bytes_are_those_of_the_document(plan: Plan) -> None:
    assert b"".join(indented(plan)) == whole(plan)


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_each_change_is_a_piece(count: int) -> None:
    plan = many(count)
    pieces = [*indented(plan)]
    assert b"".join(pieces) == whole(plan)
    assert len(pieces) == count + 3


def test_text_that_looks_like_the_list_is_text() -> None:
    odd = '\n  "resource_changes": [] ' + "0" * 64
    plan = replace(many(3), notes=(odd,), project=odd)
    assert b"".join(indented(plan)) == whole(plan)
