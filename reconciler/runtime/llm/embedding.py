"""Embeddings inside of a call: a text turned into a vector by a model call of its own, with evidence, limits and usage of its own.

The right to it is the template's, which was reviewed: no policy is asked for the caller. All else of a model call holds.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler import strict_json
from reconciler.codes import Code
from reconciler.runtime.call import EmbeddedText, Failed
from reconciler.runtime.inside import Outer
from reconciler.runtime.llm.calls import ModelCalls
from reconciler.runtime.llm.reading import Refused, request_of
from reconciler.runtime.llm.request import ENDPOINTS
from reconciler.runtime.llm.running import Whole
from reconciler.runtime.results import Refusal
from reconciler.strict_json import NotStrict

SETTLE_SECONDS = 0.05
"""Before the deadline of the outer call: its evidence says then that the embedding was late."""
_SHOWN: Mapping[Code, Code] = {
    **dict.fromkeys(("limit-exceeded", "limit-busy", "limit-blocked"), "limit-exceeded"),
    **{one: one for one in ("limit-unreachable", "price-unknown", "bound-unknown")},
    **{one: one for one in ("content-blocked", "frozen", "unavailable", "breaker-open")},
}
"""By the code of a refusal of ours that came before anything was sent: how the outer call ends."""


class ModelEmbeddings:
    """Implements ``inside.Embeddings`` over the calls of models."""

    def __init__(self, calls: ModelCalls) -> None:
        self._calls = calls

    async def vector(self, outer: Outer, wanted: EmbeddedText, deadline: float) -> Sequence[float]:
        """Return the vector of a text. Raises Failed."""
        body: dict[str, Any] = {
            "model": f"{wanted.integration}/{wanted.model}",
            "input": wanted.text,
            "encoding_format": "float",
        }
        if wanted.dimensions is not None:
            body["dimensions"] = wanted.dimensions
        try:
            request = request_of(ENDPOINTS["embeddings"], strict_json.write(body), {})
            async with asyncio.timeout_at(deadline - SETTLE_SECONDS):
                answer = await self._calls.call_inside(outer, wanted.integration, request)
        except TimeoutError:
            raise Failed("embedding-failed", "the model took too long", "timeout") from None
        except Refused:
            raise Failed("embedding-failed", "the text is no request of a model", "blocked") from None
        except Refusal as refusal:
            raise _failed(refusal) from None
        assert isinstance(answer, Whole)
        if answer.status != 200:
            raise Failed("embedding-failed", "the provider refuses the text or the model")
        return vector_in(answer.body)


def _failed(refusal: Refusal) -> Failed:
    if (code := _SHOWN.get(refusal.code)) is not None:
        message = next((one.message for one in refusal.unfit), "the embedding is refused")
        return Failed(code, message, "blocked", retry_after=refusal.retry_after)
    return Failed("embedding-failed", "the model gave no vector", "timeout" if refusal.code == "timeout" else "failure")


def vector_in(data: bytes) -> list[float]:
    """Return the one vector of an answer in OpenAI's format. Raises Failed for anything else."""
    try:
        body = strict_json.read(data.decode())
        (one,) = body["data"]
        found = [float(number) if _is_number(number) else math.nan for number in one["embedding"]]
    except (NotStrict, UnicodeDecodeError, KeyError, TypeError, ValueError, OverflowError):
        raise _no_vector() from None
    if not found or not all(map(math.isfinite, found)):
        raise _no_vector()
    return found


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str) and value is not None


def _no_vector() -> Failed:
    return Failed("embedding-failed", "the answer of the model is no vector")
