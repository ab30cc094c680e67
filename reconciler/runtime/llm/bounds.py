"""The most tokens that a request can be billed, by its bytes and by what bounds its output. Nothing is tokenised.

A tokenizer that works on bytes makes at most one token of each byte. Some providers normalise text first (NFKC), by which one
character can become many; the bytes are counted after that then. What JSON puts around texts is more than what a provider does.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from reconciler import strict_json
from reconciler.kinds.provider.wires import WIRES
from reconciler.model.price import ModelFacts
from reconciler.runtime.llm.request import Medium, ModelRequest

TOOLS_TOKENS = 1_000
"""What providers add to a request with tools: a prompt of their own."""


class InputBound(NamedTuple):
    """``size`` is the part that comes from text, in bytes."""

    tokens: int
    size: int


class OutputBound(NamedTuple):
    """``limit_to`` is what the request has to say for one choice, None where it may stay as it is."""

    tokens: int
    limit_to: int | None


def input_bound(request: ModelRequest, provider: str, window: int | None) -> InputBound | None:
    """Return the most input tokens of a request; None where only an unknown context window would bound them."""
    size = text_size(request, provider)
    total = size + (TOOLS_TOKENS if request.has_tools else 0)
    for medium in request.media:
        tokens = medium_bound(medium, provider)
        if tokens is None:
            return None if window is None else InputBound(window, min(size, window))
        total += tokens
    most = total if window is None else min(total, window)
    return InputBound(most, min(size, most))


def text_size(request: ModelRequest, provider: str) -> int:
    """Return the bytes of a request's text, as they are tokenised: all of the body but for recognised base64."""
    inline = sum(medium.inline for medium in request.media)
    size = len(request.raw)
    if not WIRES[provider].is_byte_level and (b"\\u" in request.raw or not request.raw.isascii()):
        text = strict_json.write(request.body).decode()
        size = max(size, len(unicodedata.normalize("NFKC", text).encode()))
    return max(0, size - inline)


def medium_bound(medium: Medium, provider: str) -> int | None:
    """Return the most tokens of a medium; None where it may fill the context window.

    A sound has fewer tokens than bytes. A file is unpacked by the provider, and one that is not sent along has no known size.
    """
    if medium.kind == "image":
        return WIRES[provider].image_tokens
    return medium.inline if medium.kind == "audio" and medium.inline else None


def output_bound(request: ModelRequest, facts: ModelFacts, route_output: int | None) -> OutputBound | None:
    """Return the most output tokens of a request, all choices together; None where nothing bounds them.

    One choice is bounded by the agent and the route, the lower of both; else by what the model declares; else by the context
    window. The request is changed only to lower the agent's bound, or to say one where it has none.
    """
    if not request.endpoint.has_output:
        return OutputBound(0, None)
    said = [one for one in (request.most_output, route_output) if one is not None]
    one = min(said) if said else facts.max_output_tokens
    limit_to = one if one != request.most_output else None
    if one is None:
        one = facts.context_window
    elif facts.context_window is not None:
        one = min(one, facts.context_window)
    return None if one is None else OutputBound(one * max(1, request.choices), limit_to)
