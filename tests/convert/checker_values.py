"""What the checkers share: probes, an original's schemas by a few rules, and what a template takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.model.address import Address
from reconciler.model.resource import resource_of
from reconciler.model.target import Bound, Identity

Bodies = dict[str, dict[str, Any]]
PROBES: tuple[Any, ...] = (
    0, 1, 2, 5, -1, 10**6, 2**53 - 1, 0.5, "", "a", "b", "ab", "abc", "x-abc-y", "123", "a123b", "internal", "zz", "A B",
    "x" * 300, True, False, [], ["a"], ["a", "a"], ["a", "b", "c", "d"], [1], [0], {"a": 1}, {"id": 1}, {"name": "a"},
    {"name": ""}, {"name": "a", "id": 1}, {"name": "a", "n": 3}, {"name": "a", "n": 99}, {"n": 1}, {"more": 1},
)  # fmt: skip
METHODS = ("get", "head", "post", "put", "patch", "delete")


class Difference(NamedTuple):
    """Something that the manifests allow, or leave out, and the place of the original that says otherwise."""

    what: str
    path: tuple[Any, ...]


def of_kind(bodies: Bodies, kind: str) -> Bodies:
    return {name.partition("/")[2]: body for name, body in bodies.items() if name.startswith(f"{kind}/")}


def is_off(body: dict[str, Any]) -> bool:
    return body.get("runtime") is False or body.get("enabled") is False


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


# values


def fits(schema: Any, value: Any, root: Any = None) -> bool:
    """Whether an original schema allows a value, by the few rules that are needed here."""
    if isinstance(schema, bool):
        return schema
    while "$ref" in schema:
        schema = pointed(root, schema["$ref"])
    kinds = {
        "string": str, "integer": int, "number": int | float, "boolean": bool, "array": list, "object": dict,
    }  # fmt: skip
    kind = schema.get("type")
    if kind in kinds and (
        not isinstance(value, kinds[kind]) or (kind in ("integer", "number") and isinstance(value, bool))
    ):
        return bool(schema.get("nullable")) and value is None
    if "enum" in schema and str(value) not in {str(one) for one in schema["enum"]}:
        return False
    if isinstance(value, str):
        pattern = schema.get("pattern")
        bounded = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
        return bounded and (pattern is None or re.search(pattern, value, re.ASCII) is not None)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _in_range(schema, value)
    if isinstance(value, list):
        many = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
        return many and all(fits(schema.get("items", True), one, root) for one in value)
    if isinstance(value, dict):
        return _fits_map(schema, value, root)
    return True


def _in_range(schema: Any, value: float) -> bool:
    low, high = schema.get("minimum"), schema.get("maximum")
    is_low = low is not None and (value < low or (schema.get("exclusiveMinimum") is True and value == low))
    is_high = high is not None and (value > high or (schema.get("exclusiveMaximum") is True and value == high))
    divides = value % schema["multipleOf"] == 0 if "multipleOf" in schema else True
    return not is_low and not is_high and divides


def _fits_map(schema: Any, value: dict[str, Any], root: Any) -> bool:
    properties = schema.get("properties", {})
    hidden = {name for name, one in properties.items() if isinstance(one, dict) and one.get("readOnly")}
    if not {*schema.get("required", ())} - hidden <= value.keys() or hidden & value.keys():
        return False
    more = schema.get("additionalProperties", True)
    return all(fits(properties.get(name, more), one, root) for name, one in value.items())


def pointed(root: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        root = root[step.replace("~1", "/").replace("~0", "~")]
    return root


def resolved(root: Any, value: Any) -> Any:
    while "$ref" in value:
        value = pointed(root, value["$ref"])
    return value


def takes(body: dict[str, Any], kind: str = "template") -> Callable[[dict[str, Any]], bool]:
    """Return whether a template takes some arguments, as the runtime judges them."""
    spec = parse(KINDS[kind], body, Address("a", kind, "x"))
    assert not isinstance(spec, tuple)
    inputs = ParameterInputs(resource_of(Address("a", kind, "x"), spec).body)
    claims = dict.fromkeys(inputs.claims, "a")
    return lambda given: isinstance(inputs.bind(given, Identity("x", claims)), Bound)


def widened(body: dict[str, Any], name: str, allows: Callable[[Any], bool]) -> bool:
    """Whether a template's parameter takes a probe that the original doesn't allow."""
    parameter = body["parameters"][name]
    alone = takes({"type": "sql", "datasource": "d", "sql": f"SELECT :{name}", "parameters": {name: parameter}})
    return any(alone({name: value}) and not allows(value) for value in PROBES)
