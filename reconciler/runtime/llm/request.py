"""The nouns of a model call: what an agent asks for, which deployment may answer, and the usage that it reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from reconciler.access.resource import Resource
from reconciler.kinds.provider.wire import Format

EndpointName: TypeAlias = Literal["chat", "responses", "embeddings", "messages", "count_tokens"]


class Endpoint(NamedTuple):
    """One operation of a format. ``path`` is the one that agents ask."""

    name: EndpointName
    format: Format
    path: str
    has_output: bool = True
    """Whether its answer is made of tokens that are billed as output."""


ENDPOINTS: Mapping[EndpointName, Endpoint] = {
    "chat": Endpoint("chat", "openai", "/v1/chat/completions"),
    "responses": Endpoint("responses", "openai", "/v1/responses"),
    "embeddings": Endpoint("embeddings", "openai", "/v1/embeddings", has_output=False),
    "messages": Endpoint("messages", "anthropic", "/v1/messages"),
    "count_tokens": Endpoint("count_tokens", "anthropic", "/v1/messages/count_tokens", has_output=False),
}


class Medium(NamedTuple):
    """An image, a sound or a file in a request. ``inline`` is the length of its base64 text in the body; 0 for a URL or an id."""

    kind: Literal["image", "audio", "file"]
    inline: int
    media_type: str = ""
    detail: str = ""
    """OpenAI's `detail` of an image."""


class ModelRequest(Struct, frozen=True):
    """A request as it came and as it was read. ``raw`` are the bytes that the agent sent, ``body`` the object in them.

    ``most_output`` is the agent's own bound on output tokens of one choice, None without one; ``choices`` is how many answers
    it asks for. ``affinity`` is the text by which its session is known, "" without one.
    """

    endpoint: Endpoint
    raw: bytes
    body: Mapping[str, Any]
    model: str
    is_stream: bool = False
    media: tuple[Medium, ...] = ()
    has_tools: bool = False
    most_output: int | None = None
    choices: int = 1
    affinity: str = ""
    headers: Mapping[str, str] = {}
    """The agent's headers that may go out, by their names in small letters."""


class Deployment(NamedTuple):
    """One integration and one of its models, by the provider's own name of the model."""

    integration: Resource
    model: str
    weight: int = 1

    @property
    def provider(self) -> str:
        provider: str = self.integration.body["provider"]
        return provider


class Usage(NamedTuple):
    """Tokens that a provider reported for one try, in one shape for all providers.

    ``input`` counts all input tokens, with those that were ``cached`` (read from a cache) and ``written`` to one;
    ``written_hour`` are those of ``written`` that stay for an hour (Anthropic). ``output`` counts all output tokens, with those
    of ``reasoning``. ``input_audio`` and ``output_audio`` are parts of both. ``tier`` is the service tier that was billed.
    """

    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0
    written_hour: int = 0
    input_audio: int = 0
    output_audio: int = 0
    tier: str = ""
