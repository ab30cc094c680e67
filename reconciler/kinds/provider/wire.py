"""How a provider is called: its endpoints by format, where the key stands, how it reports usage and bounds output.

Each provider's own file holds its ``Wire``; whoever sends a request asks nothing else about a provider.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from reconciler.model.body import Body

Format: TypeAlias = Literal["openai", "anthropic"]
"""The form of requests and answers of models."""
Places: TypeAlias = Mapping[str, str]
"""By endpoint (chat, responses, embeddings, messages, count_tokens): the URL that it is asked at."""
NOTHING: Mapping[str, str] = MappingProxyType({})


class Key(NamedTuple):
    """Where the credential stands in a request: a header, and what comes before the secret in it."""

    header: str = "Authorization"
    prefix: str = "Bearer "


class Probe(NamedTuple):
    """The cheapest authenticated request of an API, a GET. ``key`` is where the credential stands, None for the wire's own place."""

    url: str
    key: Key | None = None


class Alias(NamedTuple):
    """How LiteLLM knows a provider, by its documentation of providers.

    ``name`` is what references to its credential are called by, ``prefixes`` stand before the name of a model, and ``routes``
    behind them, saying how it is called. ``variable`` is where LiteLLM finds the key by itself. ``bare`` is a pattern of models'
    names that need no prefix.
    """

    name: str
    prefixes: tuple[str, ...]
    variable: str | None = None
    base_url: str | None = None
    routes: frozenset[str] = frozenset()
    bare: str = ""


class Wire(NamedTuple):
    """One provider as requests see it. All functions take the body of an integration.

    ``places`` returns its endpoints, ``headers`` what every request carries besides, ``model`` the name that is sent for a
    model. ``include_usage`` says whether a stream of chat completions may be asked for its usage, ``output_bound`` under which
    name it reads the bound on output. ``adds`` are fields of the provider's own, put into every request of an endpoint.
    ``probe`` is what shows whether it answers, None where that is more than one request. ``prices`` is the name of the provider in
    `genai-prices`, "" for one that is found by its address, or not at all. ``unserved`` is what the runtime would need for a body
    and can't do yet, in words.

    ``is_byte_level`` says whether its tokenizers work on bytes as they are; others may normalise text first. ``image_tokens`` are
    the most of one image, which the provider scales down itself; None for one that may fill the context window.
    ``aliases`` are its names in LiteLLM.
    """

    places: Callable[[Body], Places]
    key: Callable[[Body], Key] = lambda _body: Key()
    headers: Callable[[Body], Mapping[str, str]] = lambda _body: NOTHING
    model: Callable[[Body, str], str] = lambda _body, model: model
    include_usage: Callable[[Body], bool] = lambda _body: True
    output_bound: Callable[[Body, str], str] = lambda _body, endpoint: OUTPUT_BOUNDS[endpoint]
    adds: Callable[[Body, str], Mapping[str, Any]] = lambda _body, _endpoint: NOTHING
    probe: Callable[[Body], Probe | None] = lambda _body: None
    prices: str = ""
    unserved: Callable[[Body], str | None] = lambda _body: None
    is_byte_level: bool = False
    image_tokens: int | None = None
    aliases: tuple[Alias, ...] = ()


OUTPUT_BOUNDS: Mapping[str, str] = {
    "chat": "max_completion_tokens",
    "responses": "max_output_tokens",
    "messages": "max_tokens",
}
CHAT: Mapping[str, str] = {"chat": "/chat/completions"}
OPENAI: Mapping[str, str] = {**CHAT, "responses": "/responses", "embeddings": "/embeddings"}
"""Paths below the base of OpenAI's format, which ends in a version."""
ANTHROPIC: Mapping[str, str] = {"messages": "/v1/messages", "count_tokens": "/v1/messages/count_tokens"}
"""Paths below the base of Anthropic's format."""


def base_of(body: Body, default: str = "") -> str:
    """Return the base URL of an integration, without a slash at its end."""
    return str(body.get("base_url") or default).rstrip("/")


def under(base: str, paths: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the URLs of endpoints below a base: all of ``paths``, or those that are named."""
    return {name: base + path for name, path in paths.items() if not names or name in names}


def config_of(body: Body) -> Mapping[str, Any]:
    """Return the options of an integration."""
    config: Mapping[str, Any] = body.get("config") or {}
    return config
