"""What the OpenAPI document for agents says of the endpoints of models: made from the table of endpoints, errors in each format's shape.

A request has the fields of its format, of which this server reads a few; the provider's own reference describes the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict

import msgspec
from msgspec import Meta

from reconciler.kinds.provider.wire import Format
from reconciler.runtime.llm.errors import OVERLOADED, STATUSES, wire_code
from reconciler.runtime.llm.reading import STREAMS
from reconciler.runtime.llm.request import ENDPOINTS, Endpoint
from reconciler.runtime.surfaces.errors import EVERY_REQUEST
from reconciler.runtime.surfaces.llm_models import (
    AnthropicModel,
    AnthropicModels,
    ModelsQuery,
    OpenaiModel,
    OpenaiModels,
)
from reconciler.runtime.surfaces.llm_paths import MODELS

Schema = dict[str, Any]


class OpenaiErrorBody(TypedDict):
    """What an error of OpenAI's format says."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenaiError(TypedDict):
    """An error in OpenAI's format."""

    error: OpenaiErrorBody


class AnthropicErrorBody(TypedDict):
    """What an error of Anthropic's format says."""

    type: str
    message: str


class AnthropicError(TypedDict):
    """An error in Anthropic's format."""

    type: Literal["error"]
    error: AnthropicErrorBody


class ModelBody(TypedDict):
    """A request of a model, which has further fields of its format."""

    model: Annotated[str, Meta(min_length=1, description="A name of a route, or INTEGRATION/MODEL.")]


TYPES: tuple[Any, ...] = (
    ModelBody,
    OpenaiError,
    AnthropicError,
    OpenaiModel,
    OpenaiModels,
    AnthropicModel,
    AnthropicModels,
)
"""The components that the operations refer to."""
_ERRORS: Mapping[Format, type] = {"openai": OpenaiError, "anthropic": AnthropicError}
_UPSTREAM = (
    "What a provider says of a failure of its own, in the same shape; or it failed (`upstream_failed` and others)."
)


def paths_of_models(reference: str) -> dict[str, Schema]:
    """Return the paths. ``reference`` is the template of references to components."""
    found = {one.path: {"post": _call(one, reference)} for one in ENDPOINTS.values()}
    shapes = {MODELS: (OpenaiModels, AnthropicModels), f"{MODELS}/{{id}}": (OpenaiModel, AnthropicModel)}
    for path, pair in shapes.items():
        found[path] = {"get": _list(path, pair, reference)}
    return found


def _call(endpoint: Endpoint, reference: str) -> Schema:
    takes, gives = _refers(ModelBody, reference), {"application/json": {"schema": {"type": "object"}}}
    if endpoint.name in STREAMS:
        gives["text/event-stream"] = {"schema": {"type": "string"}}
    done = {
        "description": "The provider's answer, as it says it; a stream where the body asks for one.",
        "content": gives,
    }
    named = [
        _header("X-Run-Id", "The run that the call belongs to."),
        _header("X-Approval-Id", "The approval that the call has."),
    ]
    error = {"application/json": {"schema": _refers(_ERRORS[endpoint.format], reference)}}
    return {
        "summary": f"Call a model in {_NAMES[endpoint.format]} format ({endpoint.name}).",
        "parameters": named,
        "requestBody": {"required": True, "content": {"application/json": {"schema": takes}}},
        "responses": {
            "200": done,
            **{str(status): {"description": text, "content": error} for status, text in _statuses(endpoint.format)},
            "default": {"description": _UPSTREAM, "content": error},
        },
    }


_NAMES: Mapping[Format, str] = {"openai": "OpenAI's", "anthropic": "Anthropic's"}


def _list(path: str, pair: tuple[Any, Any], reference: str) -> Schema:
    """Return the operation of a list of models, or of one; a header says in which of both shapes."""
    shapes = {"oneOf": [_refers(one, reference) for one in pair]}
    error = {"application/json": {"schema": {"oneOf": [_refers(one, reference) for one in _ERRORS.values()]}}}
    parameters = [_header("anthropic-version", "Any value asks for Anthropic's shape.")]
    if path == MODELS:
        parameters += _query()
    else:
        parameters += [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]
    return {
        "summary": "List the models that the caller may use." if path == MODELS else "Get one model.",
        "parameters": parameters,
        "responses": {
            "200": {"description": "Success", "content": {"application/json": {"schema": shapes}}},
            "default": {"description": "An error of the format.", "content": error},
        },
    }


def _query() -> Iterator[Schema]:
    (_,), components = msgspec.json.schema_components([ModelsQuery])
    for name, schema in components[ModelsQuery.__name__]["properties"].items():
        yield {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}


def _header(name: str, text: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}


def _refers(of: Any, reference: str) -> Schema:
    return {"$ref": reference.format(name=of.__name__)}


def _statuses(format_: Format) -> Iterator[tuple[int, str]]:
    """Yield each status of our own errors, with their codes as agents see them."""
    early: Mapping[str, int] = {code: status for status, codes in EVERY_REQUEST.items() for code in codes}
    found: dict[int, list[str]] = {}
    every: Mapping[str, int] = {**early, **STATUSES}
    for code, status in sorted(every.items()):
        shown = OVERLOADED if status == 503 and format_ == "anthropic" else status
        found.setdefault(shown, []).append(wire_code(code))
    for status, names in sorted(found.items()):
        yield status, ", ".join(names)
