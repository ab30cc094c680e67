"""What a request carries, read into Structs: a query or a JSON body. Whatever does not fit is a problem document."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, ValidationError
from starlette.requests import Request

from reconciler import strict_json
from reconciler.codes import Code
from reconciler.runtime.surfaces.incoming import header, received
from reconciler.runtime.surfaces.problem import problem
from reconciler.runtime.threads import aside
from reconciler.strict_json import NotStrict

T = TypeVar("T", bound=Struct)
MOST_DIGITS = 9
"""Digits of a number in a query."""
PAGE = frozenset({"limit", "cursor"})
"""Parameters that every list takes; a wrong one has a code of its own."""


class BadRequest(Exception):
    """A request that does not fit its route; ``answer`` is the response to it."""

    def __init__(self, status: int, code: Code, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.answer = problem(status, code, detail, **more)


def unfit(parameter: str, message: str) -> BadRequest:
    """Return the error for one value of a body that its route does not take."""
    errors = [{"parameter": parameter, "message": message}]
    return BadRequest(422, "invalid-values", "The values are not what this takes.", errors=errors)


async def body_of(wanted: type[T], request: Request) -> T:
    """Return the JSON body of a request. Raises BadRequest."""
    body = await json_object(request)
    try:
        return msgspec.convert(body, wanted)
    except ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise unfit(path.removesuffix("`"), message) from None


async def query_of(wanted: type[T], request: Request) -> T:
    """Return the query of a request; unknown parameters are ignored. Raises BadRequest."""
    return query_in(wanted, request.query_params)


def query_in(wanted: type[T], given: Mapping[str, str]) -> T:
    """Return the query that texts by their names make. Raises BadRequest."""
    found: dict[str, Any] = {}
    for name, is_number in _parameters(wanted):
        text = given.get(name)
        if text is not None:
            is_numeral = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
            found[name] = int(text) if is_number and is_numeral else text
    try:
        return msgspec.convert(found, wanted)
    except ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        name = path.removesuffix("`")
        code: Code = "invalid-page" if name in PAGE else "invalid-values"
        raise BadRequest(400, code, f"`{name}`: {message}.") from None


@cache
def _parameters(wanted: type[Struct]) -> tuple[tuple[str, bool], ...]:
    """Return the names of a query's parameters, and whether each is a number."""
    described = msgspec.inspect.type_info(wanted)
    assert isinstance(described, msgspec.inspect.StructType)
    return tuple((one.encode_name, _is_number(one.type)) for one in described.fields)


def _is_number(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):  # a description, for instance
        kind = kind.type
    return isinstance(kind, msgspec.inspect.IntType)


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body of a request; an empty one is an empty object. Raises BadRequest."""
    body = await received(request.receive)
    if not body:
        return {}
    kind = (header(request.scope, b"content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(415, "wrong-media-type", "Send JSON, as application/json.")
    try:
        found = await aside(len(body), strict_json.read, body)
    except NotStrict as error:
        raise BadRequest(400, "invalid-json", f"Send strict JSON: {error}.") from None
    if not isinstance(found, dict):
        raise BadRequest(400, "invalid-json", "Send a JSON object.")
    return found
