"""The values of a call held against a template's parameters: what is bound, or everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.access.snapshot import Resource
from reconciler.kinds.template.parameter import Parameter


class Identity(NamedTuple):
    """Who asks, as the way in vouched for it: the caller's name and its token's claims."""

    name: str
    claims: Mapping[str, Any] = MappingProxyType({})


class Unfit(NamedTuple):
    """A value that is not taken; ``message`` names parameters and never repeats a value."""

    parameter: str
    message: str


class NoClaim(Exception):
    """A parameter comes from a claim that the caller's token does not have: the call is denied."""


def values_of(template: Resource, given: Mapping[str, Any], identity: Identity) -> dict[str, Any] | tuple[Unfit, ...]:
    """By parameter, every one of them; None is NULL. Values of strings are told by JSON's types, never converted.

    Raises NoClaim, which says nothing about the values: who may not call learns nothing of them.
    """
    found: dict[str, Any] = {}
    wrong: list[Unfit] = []
    own = template.parameters
    for name, parameter in own.items():
        if parameter.origin is not None:
            found[name] = _of_identity(parameter.origin, identity)
            if fault := _fault(parameter, found[name]):
                raise NoClaim(f"{name}: {fault}")
    for name in given:
        if name not in own and not (name == "body" and template.body.get("body") is not None):
            wrong.append(Unfit(name, "there is no such parameter"))
        elif name in own and own[name].origin is not None:
            wrong.append(Unfit(name, "this value comes from who calls, and can't be given"))
    for name, parameter in own.items():
        if parameter.origin is None:
            found[name], fault = _given(parameter, given, name)
            wrong += [Unfit(name, fault)] if fault else []
    return tuple(wrong) or found


def _of_identity(origin: str, identity: Identity) -> Any:
    if origin == "caller.name":
        return identity.name
    claim = origin.removeprefix("claims.")
    if identity.claims.get(claim) is None:
        raise NoClaim(f"the token has no claim {claim}")
    return identity.claims[claim]


def _given(parameter: Parameter, given: Mapping[str, Any], name: str) -> tuple[Any, str | None]:
    value = given.get(name)
    if value is None and name not in given and parameter.default is not None:
        return (list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default), None
    if value is None:
        return None, None if parameter.nullable else "a value is required"
    return value, _fault(parameter, value)


def _fault(parameter: Parameter, value: Any) -> str | None:
    if parameter.type != "array":
        return parameter.wrong(value)
    if not isinstance(value, list):
        return "expected a list"
    if parameter.max_length is not None and len(value) > parameter.max_length:
        return f"expected at most {parameter.max_length} items"
    return next(_first(parameter, value), None)


def _first(parameter: Parameter, values: list[Any]) -> Iterator[str]:
    for value in values:
        if message := parameter.wrong(value):
            yield message
