"""What a template's parameters take: told as a JSON Schema, and held against the values of a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct, field

from reconciler import strict_json
from reconciler.kinds.schema_engine import UnusableSchema
from reconciler.kinds.template.body import BODY, body_fault
from reconciler.kinds.template.declared import Unfitting, all_fit
from reconciler.kinds.template.parameter import Parameter
from reconciler.kinds.template.pattern import MAX_STEPS, weight
from reconciler.kinds.template.schema_cost import TooMuch, steps_of
from reconciler.model.body import Body
from reconciler.model.spec import read_again
from reconciler.model.target import CLAIMS, Bound, Identity, NoClaim, Unfit, value_of

MOST_FAULTS = 100
"""Of one call: its caller can do nothing with more."""
COSTLY = Unfit("arguments", "expected less text: holding it against the patterns here would take too long")
_FORMATS = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
}


class ParameterInputs(Struct, frozen=True, dict=True):
    """The parameters of a valid, normalised body, and the JSON body that it sends, if any.

    ``judge`` yields those of some values that the ``connector`` behind it can't take.
    """

    template: Body
    connector: Body = field(default_factory=dict)
    judge: Unfitting = all_fit

    @property
    def sends_body(self) -> bool:
        return self.template.get("body") is not None

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        return {name: read_again(Parameter, raw) for name, raw in self.template["parameters"].items()}

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """Where the values come from that the caller does not give, by parameter."""
        return {name: one.origin for name, one in self.parameters.items() if one.origin is not None}

    @property
    def asks_identity(self) -> bool:
        return bool(self.origins)

    @cached_property
    def claims(self) -> tuple[str, ...]:
        return tuple(one.removeprefix(CLAIMS) for one in self.origins.values() if one.startswith(CLAIMS))

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        own = {name: one for name, one in self.template["parameters"].items() if one.get("from") is None}
        properties = {name: _schema(one) for name, one in own.items()}
        required = [name for name, one in own.items() if one.get("default") is None and not one["nullable"]]
        if isinstance(self.template.get("body"), dict):
            properties[BODY] = self.template["body"]
            required.append(BODY)
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def identify(self, identity: Identity) -> dict[str, Any]:
        found = {name: value_of(origin, identity) for name, origin in self.origins.items()}
        for name, value in found.items():
            if fault := _claim_fault(self.parameters[name], value):
                raise NoClaim(f"{name}: {fault}")
        # the caller can't give another value: what the other side can't take is no call of this caller's
        for one in self.judge(self.template, self.connector, found) if found else ():
            raise NoClaim(f"{one.parameter}: {one.message}")
        return found

    def bind(self, given: Mapping[str, Any], identity: Identity) -> Bound | tuple[Unfit, ...]:
        """Values of strings are judged by JSON's types, never converted."""
        found = self.identify(identity)
        own = self.parameters
        if self._steps(given) > MAX_STEPS:
            return (COSTLY,)
        wrong: list[Unfit] = []
        for name in given:
            if name not in own and not (name == BODY and self.sends_body):
                wrong.append(Unfit(name, "there is no such parameter"))
            elif name in self.origins:
                wrong.append(Unfit(name, "this value comes from who calls, and can't be given"))
        for name, parameter in own.items():
            if name not in found:
                found[name], fault = _given(parameter, given, name)
                wrong += [Unfit(name, fault)] if fault else []
        if self.sends_body and (unfit := self._body_fault(given)):
            wrong.append(unfit)
        wrong = wrong or [*self.judge(self.template, self.connector, found)]
        return tuple(wrong[:MOST_FAULTS]) or Bound(found, given[BODY] if self.sends_body else None)

    def _steps(self, given: Mapping[str, Any]) -> int:
        """Return what it costs at most to hold values against patterns."""
        steps = sum(_steps(one, given[name]) for name, one in self.parameters.items() if name in given)
        if self._steps_of_body and given.get(BODY) is not None:
            steps += self._steps_of_body * len(strict_json.write(given[BODY]))
        return steps

    @cached_property
    def _steps_of_body(self) -> int:
        """What each character of a body costs at most; 0 for a schema without patterns, and for one that can't be used."""
        try:
            return steps_of(self.template["body"]) if self.sends_body else 0
        except TooMuch:
            return 0

    def _body_fault(self, given: Mapping[str, Any]) -> Unfit | None:
        missing = None if BODY in given else Unfit(BODY, "a value is required")
        try:
            return body_fault(self.template["body"], given.get(BODY)) or missing
        except UnusableSchema:
            return Unfit(BODY, "the template's schema of the body can't be used")


def _claim_fault(parameter: Parameter, value: Any) -> str | None:
    """Return what is wrong with a claim as a value of the parameter."""
    return COSTLY.message if _steps(parameter, value) > MAX_STEPS else _fault(parameter, value)


def _given(parameter: Parameter, given: Mapping[str, Any], name: str) -> tuple[Any, str | None]:
    value = given.get(name)
    if value is None and name not in given and parameter.default is not None:
        return (list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default), None
    if value is None:
        return None, None if parameter.nullable else "a value is required"
    return value, _fault(parameter, value)


def _steps(parameter: Parameter, value: Any) -> int:
    """Return what it costs at most to hold a value against the parameter's pattern."""
    if parameter.pattern is None:
        return 0
    texts = value if isinstance(value, list) else [value]
    return weight(parameter.pattern) * sum(len(one) for one in texts if isinstance(one, str))


def _fault(parameter: Parameter, value: Any) -> str | None:
    if parameter.type != "array":
        return parameter.wrong(value)
    if not isinstance(value, list):
        return "expected a list"
    if parameter.max_length is not None and len(value) > parameter.max_length:
        return f"expected at most {parameter.max_length} items"
    if parameter.min_length is not None and len(value) < parameter.min_length:
        return f"expected at least {parameter.min_length} items"
    if parameter.items == "number" and parameter.is_unbounded and {*map(type, value)} <= {int, float}:
        return None  # a vector has thousands of items, each of which would cost a microsecond
    return next(_first(parameter, value), None)


def _first(parameter: Parameter, values: list[Any]) -> Iterator[str]:
    for value in values:
        if message := parameter.wrong(value):
            yield message


def _schema(parameter: Mapping[str, Any]) -> dict[str, Any]:
    scalar = parameter.get("items") or "string" if parameter["type"] == "array" else parameter["type"]
    one: dict[str, Any] = dict(_FORMATS[scalar])
    bounds = {"min": "minimum", "max": "maximum"} if scalar in {"integer", "number"} else {}
    one |= {word: parameter[name] for name, word in bounds.items() if parameter.get(name) is not None}
    if scalar == "string" and parameter.get("pattern") is not None:
        one["pattern"] = f"^(?:{parameter['pattern']})$"
    if parameter.get("enum") is not None:
        one["enum"] = parameter["enum"]
    lengths = {"min_length": "minLength", "max_length": "maxLength"}
    if parameter["type"] == "array":
        lengths = {"min_length": "minItems", "max_length": "maxItems"}
        one = {"type": "array", "items": one}
    elif scalar != "string":
        lengths = {}
    found: dict[str, Any] = one | {word: parameter[name] for name, word in lengths.items() if parameter.get(name)}
    if parameter["nullable"]:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    described = {"description": parameter["description"]} if parameter["description"] else {}
    default = {"default": parameter["default"]} if parameter.get("default") is not None else {}
    return {**found, **described, **default}
