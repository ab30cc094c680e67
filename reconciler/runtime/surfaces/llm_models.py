"""Lists of models in the shapes of both formats: OpenAI's is whole, Anthropic's comes in pages.

Shapes: https://platform.openai.com/docs/api-reference/models and https://docs.anthropic.com/en/api/models-list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct

from reconciler.access.target import Target
from reconciler.kinds.provider.wire import Format
from reconciler.runtime.surfaces.requests import BadRequest, query_in

SINCE = "1970-01-01T00:00:00Z"
"""When a model was made: nobody here knows, and both formats ask for it."""
MOST, LONGEST_ID = 1000, 200


class OpenaiModel(TypedDict):
    """A model in OpenAI's shape; ``owned_by`` is its target."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenaiModels(TypedDict):
    """All models in OpenAI's shape."""

    object: Literal["list"]
    data: list[OpenaiModel]


class AnthropicModel(TypedDict):
    """A model in Anthropic's shape."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str


class AnthropicModels(TypedDict):
    """A page of models in Anthropic's shape; ``has_more`` is about the direction that was asked for."""

    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ModelsQuery(Struct, frozen=True):
    """The query of Anthropic's list; OpenAI's list is always whole."""

    limit: Annotated[int, Meta(ge=1, le=MOST, description="How many models a page has, in Anthropic's shape.")] = 20
    after_id: Annotated[str, Meta(max_length=LONGEST_ID, description="The page begins behind this model.")] = ""
    before_id: Annotated[str, Meta(max_length=LONGEST_ID, description="The page ends before this model.")] = ""


def model_entry(name: str, target: Target, format_: Format) -> OpenaiModel | AnthropicModel:
    """Return one model."""
    return _anthropic(name) if format_ == "anthropic" else _openai(name, target)


def model_list(
    models: Mapping[str, Target], format_: Format, query: Mapping[str, str]
) -> OpenaiModels | AnthropicModels:
    """Return the models, which are sorted by name; of Anthropic's format one page. Raises BadRequest."""
    asked = query_in(ModelsQuery, query)
    if format_ == "openai":
        return {"object": "list", "data": [_openai(name, target) for name, target in models.items()]}
    if asked.after_id and asked.before_id:
        raise BadRequest(400, "invalid-page", "Expected `after_id` or `before_id`, not both.")
    if asked.before_id:
        before = [name for name in models if name < asked.before_id]
        shown, has_more = before[-asked.limit :], len(before) > asked.limit
    else:
        behind = [name for name in models if name > asked.after_id]
        shown, has_more = behind[: asked.limit], len(behind) > asked.limit
    first, last = (shown[0], shown[-1]) if shown else (None, None)
    return {"data": [_anthropic(name) for name in shown], "has_more": has_more, "first_id": first, "last_id": last}


def _openai(name: str, target: Target) -> OpenaiModel:
    return {"id": name, "object": "model", "created": 0, "owned_by": target.name}


def _anthropic(name: str) -> AnthropicModel:
    return {"type": "model", "id": name, "display_name": name, "created_at": SINCE}
