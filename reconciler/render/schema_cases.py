"""Rules over several fields as JSON Schema, from the cases that the models' own validators go by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from reconciler.kinds.rules import GIVEN, Case
from reconciler.render.schema_values import Schema, unknown_value


def all_of(rules: Iterable[Schema]) -> Schema:
    """Return rules that all hold, as a part of a schema; nothing where there are none."""
    found = list(rules)
    return {"allOf": found} if found else {}


def case_schema(model: type[BaseModel], case: Case) -> Schema:
    """Return the rule of one case of a model. A variable may hold anything, so it neither breaks a rule nor calls for one."""
    conditions: dict[str, Schema] = {name: {"enum": _empty(model, name)} for name in case.some}
    required: list[str] = []
    for name, values in case.when.items():
        if GIVEN in values:
            conditions[name] = {"not": _no_value(model, name)}
        else:
            empty = _empty(model, name) if None in values else []
            conditions[name] = {"enum": [*empty, *(one for one in values if one is not None)]}
        if None not in values and model.model_fields[name].default not in values:
            required.append(name)
    then = _then(model, case)
    return {"if": {"properties": conditions, "required": required}, "then": then} if conditions else then


def _empty(model: type[BaseModel], name: str) -> list[Any]:
    """Return what counts as no value of a field: null, and its default where that is empty."""
    default = model.model_fields[name].get_default(call_default_factory=True)
    return [None, [] if default == () else {}] if default in ((), {}) else [None]


def _no_value(model: type[BaseModel], name: str) -> Schema:
    return {"anyOf": [{"enum": _empty(model, name)}, unknown_value()]}


def _then(model: type[BaseModel], case: Case) -> Schema:
    properties: dict[str, Schema] = {}
    needed = (*case.needed, *case.some[:1])
    for name in needed:
        message = case.says or f"`{name}` is required {case.where}"
        properties[name] = _told(message) | {"not": {"enum": _empty(model, name)}}
    for name in case.barred:
        message = case.says.replace("{name}", name) or f"`{name}` has no meaning {case.where}; leave it out"
        properties[name] = _told(message) | _no_value(model, name)
    return {"properties": properties, **({"required": list(needed)} if needed else {})}


def _told(message: str) -> Schema:
    return {"description": message, "errorMessage": message}
