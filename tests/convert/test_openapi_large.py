"""Descriptions of the size of real APIs: hundreds of definitions that lead to each other, inheritance, choices, and what is too much."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.convert.one import made
from tests.convert.play import Refused, played
from tests.kinds.test_schema_cost import described


def moved(value: Any) -> Any:
    """Return a schema with its definitions where OpenAPI has them."""
    if isinstance(value, dict):
        return {key: moved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item) for item in value]
    return value.replace("#/$defs/", "#/components/schemas/") if isinstance(value, str) else value


def api(bodies: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    paths = {
        f"/{name}": {
            "post": {
                "operationId": name,
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": {},
            }
        }
        for name, body in bodies.items()
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Pay", "version": "1"},
        "servers": [{"url": "https://api.example.com/v1"}],
    }
    return {**document, "paths": paths, "components": {"schemas": schemas}}


def test_what_real_apis_have_is_carried(tmp_path: Path) -> None:
    schema = moved(described(300, 60))
    schemas = schema.pop("$defs") | {"Unused": {"type": "object", "properties": {"x": {"type": "string"}}}}
    began = time.process_time()
    found = made("openapi", api({"pay": schema, "small": {"$ref": "#/components/schemas/Money"}}, schemas), tmp_path)
    assert time.process_time() - began < 15
    templates = found.of("template")
    assert {*templates} == {"pay", "small"}, found.report
    definitions = templates["pay"]["body"]["$defs"]
    # each once, however often it is referred to
    assert len([name for name in definitions if name.startswith("T")]) > 250
    assert "Unused" not in definitions
    assert {*templates["small"]["body"]["$defs"]} == {"Money", "T0"}
    value = {
        "method": {"kind": "k7", "amount": {"value": 2**53 + 1, "currency": "EUR"}},
        "r": {"f299_0": {"of_19": "x"}},
    }
    assert json.loads(played(found.converted, "pay", body=value).body or b"") == value
    for wrong in ({"method": {"kind": "none"}}, {"r": {"f299_0": {"of_19": 5}}}):
        with pytest.raises(Refused):
            played(found.converted, "pay", body=wrong)


def test_a_chain_of_inheritance_is_carried(tmp_path: Path) -> None:
    schemas: dict[str, Any] = {"C0": {"type": "object", "properties": {"p0": {"type": "integer"}}}}
    for n in range(1, 25):
        schemas[f"C{n}"] = {
            "allOf": [{"$ref": f"#/components/schemas/C{n - 1}"}, {"properties": {f"p{n}": {"type": "integer"}}}]
        }
    found = made("openapi", api({"deep": {"$ref": "#/components/schemas/C24"}}, schemas), tmp_path)
    assert played(found.converted, "deep", body={"p0": 1, "p24": 2}).body == b'{"p0":1,"p24":2}'
    with pytest.raises(Refused):
        played(found.converted, "deep", body={"p0": "x"})


def doubling() -> dict[str, Any]:
    me = {"$ref": "#/components/schemas/Twice"}
    return {"anyOf": [{"properties": {"a": me}}, {"properties": {"a": me}}]}


TOO_MUCH = {
    "bytes": {"type": "string", "enum": [f"{'x' * 100}{n}" for n in range(3000)]},
    "wide": {"allOf": [{"type": "object", "maxProperties": n} for n in range(3000)]},
    "twice": {"$ref": "#/components/schemas/Twice"},
    "bound": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 2**64}}},
    "value": {"type": "object", "properties": {"n": {"type": "integer", "const": 2**64}}},
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_is_left_out_and_named(name: str, tmp_path: Path) -> None:
    bodies = {"plain": {"type": "object"}, name: TOO_MUCH[name]}
    found = made("openapi", api(bodies, {"Twice": doubling()}), tmp_path)
    assert {*found.of("template")} == {"plain"}
    assert name in found.report
