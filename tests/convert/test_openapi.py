"""What an operation sends is what its description says: address, authentication, forms of values, bodies; nothing wider."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import reconciler
from tests.convert.one import Made, made
from tests.convert.play import Refused, played

SERVER = [{"url": "https://api.example.com/v1"}]


def api(operation: dict[str, Any], method: str = "get", path: str = "/a", **top: Any) -> dict[str, Any]:
    found = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "servers": SERVER,
        "paths": {path: {method: {"operationId": "a", **operation}}, "/plain": {"get": {"operationId": "plain"}}},
    }
    return {**found, **top}


def query(name: str = "q", required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "query", "required": required, "schema": schema}]}


def styled(schema: dict[str, Any], **style: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "q", "in": "query", "schema": schema, **style}]}


def posted(schema: Any, media: str = "application/json", **more: Any) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media: {"schema": schema, **more}}}}


def url(found: Made, template: str = "a", **values: Any) -> str:
    return played(found.converted, template, **values).url.removeprefix("https://api.example.com/v1")


# empty and shapeless values


@pytest.mark.parametrize("schema", [{}, True, {"description": "anything"}])
def test_a_schema_that_says_nothing_is_any_body(schema: Any, tmp_path: Path) -> None:
    found = made("openapi", api(posted(schema), "post"), tmp_path)
    assert "body" in found.of("template")["a"]
    for body in ({"x": [1]}, [1], "text", None, {}):
        assert json.loads(played(found.converted, "a", body=body).body or b"") == body
    with pytest.raises(Refused):
        played(found.converted, "a")


def test_a_body_without_a_schema_is_any_body(tmp_path: Path) -> None:
    body = {"requestBody": {"required": True, "content": {"application/json": {}}}}
    assert made("openapi", api(body, "post"), tmp_path).of("template")["a"]["body"] == {}


UNKNOWN = {
    "no content": {"requestBody": {"required": True}},
    "empty content": {"requestBody": {"content": {}}},
    "a body that is text": {"requestBody": "x"},
    "a null body": {"requestBody": None},
    "a schema that is text": posted("x"),
    "a null schema": posted(None),
    "no body fits": posted(False),
    "a type of its own": posted({"type": "any"}),
    "a reference elsewhere": posted({"$ref": "https://elsewhere.example/s.json"}),
    "a reference to no file": posted({"$ref": "missing.json#/a"}),
    "deep inside": posted({"properties": {"x": {"items": {"$ref": "missing.json"}}}}),
    "parameters that are no list": {"parameters": {"a": 1}},
    "a parameter that is text": {"parameters": ["x"]},
    "a parameter elsewhere": {"parameters": [{"$ref": "missing.json"}]},
    "a parameter without a place": {"parameters": [{"name": "x", "schema": {}}]},
    "a parameter in a place of its own": {"parameters": [{"name": "x", "in": "matrix", "schema": {}}]},
    "a required object": {"parameters": [{"name": "x", "in": "query", "required": True, "schema": {"type": "object"}}]},
    "a required cookie": {
        "parameters": [{"name": "x", "in": "cookie", "required": True, "schema": {"type": "string"}}]
    },
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood_is_not_written(name: str, tmp_path: Path) -> None:
    found = made("openapi", api(UNKNOWN[name], "post"), tmp_path)
    assert [*found.of("template")] == ["plain"]
    assert "the operation can't be written" in found.report


def test_an_empty_text_is_no_secret_and_matches_nothing(tmp_path: Path) -> None:
    found = made("openapi", api(query(type="string"), **{"x-internal": {"api_key": "", "password": "  "}}), tmp_path)
    assert sorted(found.of("template")) == ["a", "plain"]


# addresses


def test_a_server_that_equals_the_documents_is_no_other(tmp_path: Path) -> None:
    found = made("openapi", api({"servers": SERVER}), tmp_path)
    assert [*found.of("connector")] == ["t"]
    assert {one["connector"] for one in found.of("template").values()} == {"t"}


def test_another_server_has_a_connector_of_its_own(tmp_path: Path) -> None:
    found = made("openapi", api({"servers": [{"url": "https://files.example.com"}]}, "post"), tmp_path)
    templates, connectors = found.of("template"), found.of("connector")
    assert connectors[templates["a"]["connector"]]["base_url"] == "https://files.example.com"
    assert connectors[templates["a"]["connector"]]["allowed_methods"] == ["POST"]
    assert connectors[templates["plain"]["connector"]]["base_url"] == "https://api.example.com/v1"
    assert "allowed_methods" not in connectors["t"] or connectors["t"]["allowed_methods"] == ["GET"]


def test_the_query_of_a_server_is_sent(tmp_path: Path) -> None:
    found = made("openapi", api({}, servers=[{"url": "https://api.example.com/v1?api-version=2024-01-01"}]), tmp_path)
    assert url(found) == "/a?api-version=2024-01-01"
    assert url(found, "plain") == "/plain?api-version=2024-01-01"


def test_the_query_of_a_path_is_sent(tmp_path: Path) -> None:
    assert url(made("openapi", api({}, path="/a?action=list"), tmp_path)) == "/a?action=list"


# authentication

SCHEMES = {
    "first": {"type": "apiKey", "in": "header", "name": "X-App-Id"},
    "second": {"type": "apiKey", "in": "header", "name": "X-App-Key"},
    "third": {"type": "apiKey", "in": "query", "name": "key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "digest": {"type": "http", "scheme": "digest"},
    "tls": {"type": "mutualTLS"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "signed": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
    "client": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "https://l.example/t", "scopes": {"r": "", "w": ""}}},
    },
    "login": {"type": "oauth2", "flows": {"authorizationCode": {"tokenUrl": "https://l.example/t", "scopes": {}}}},
}


def secured(everywhere: Any, **operation: Any) -> dict[str, Any]:
    return {**api(operation), "security": everywhere, "components": {"securitySchemes": SCHEMES}}


def auth(found: Made, template: str = "a") -> dict[str, Any]:
    connector = found.of("connector")[found.of("template")[template]["connector"]]
    return {"auth": connector.get("auth"), "headers": connector.get("headers")}


def test_two_keys_that_are_wanted_together_are_sent_together(tmp_path: Path) -> None:
    found = made("openapi", secured([{"first": [], "second": []}]), tmp_path)
    sent = played(found.converted, "a").headers
    assert sent["X-App-Id"] == "<env://T_FIRST_KEY>"
    assert sent["X-App-Key"] == "<env://T_SECOND_KEY>"


@pytest.mark.parametrize("names", [["third", "first"], ["bearer", "first"], ["first", "basic", "second"]])
def test_other_ways_that_are_wanted_together(names: list[str], tmp_path: Path) -> None:
    found = made("openapi", secured([{name: [] for name in names}]), tmp_path)
    request = played(found.converted, "a")
    sent = str(request.headers) + request.url
    for name in {*names} & {"first", "second"}:
        assert f"<env://T_{name.upper()}_KEY>" in sent
    assert ("key=" in request.url) == ("third" in names)


@pytest.mark.parametrize("names", [["bearer", "basic"], ["tls", "first"], ["bearer", "client"]])
def test_ways_that_can_not_be_sent_together_are_an_error_of_the_operation(names: list[str], tmp_path: Path) -> None:
    found = made("openapi", secured([], security=[{name: [] for name in names}]), tmp_path)
    assert [*found.of("template")] == ["plain"]


@pytest.mark.parametrize("name", ["digest", "tls", "cookie", "signed", "unheard-of"])
def test_an_unknown_scheme_is_an_error_of_its_operation(name: str, tmp_path: Path) -> None:
    found = made("openapi", secured([{"first": []}], security=[{name: []}]), tmp_path)
    assert [*found.of("template")] == ["plain"]
    assert "the operation can't be written" in found.report


def test_the_first_usable_alternative_is_taken(tmp_path: Path) -> None:
    found = made("openapi", secured([{"digest": []}, {"tls": []}, {"bearer": []}, {"first": []}]), tmp_path)
    assert auth(found)["auth"]["type"] == "bearer"
    assert auth(made("openapi", secured([{}, {"bearer": []}]), tmp_path))["auth"] is None


def test_an_operation_with_another_scheme_has_a_connector_of_its_own(tmp_path: Path) -> None:
    found = made("openapi", secured([{"bearer": []}], security=[{"first": []}]), tmp_path)
    assert auth(found)["auth"]["type"] == "api_key"
    assert auth(found, "plain")["auth"]["type"] == "bearer"
    open_one = made("openapi", secured([{"bearer": []}], security=[]), tmp_path)
    assert auth(open_one)["auth"] is None
    assert auth(open_one, "plain")["auth"]["type"] == "bearer"


def test_scopes_are_those_that_are_asked_for(tmp_path: Path) -> None:
    assert auth(made("openapi", secured([{"client": ["r"]}]), tmp_path))["auth"]["scopes"] == ["r"]
    assert auth(made("openapi", secured([{"login": []}]), tmp_path))["auth"]["type"] == "bearer"


def test_nothing_is_sent_where_nothing_is_asked_for(tmp_path: Path) -> None:
    found = made("openapi", api({}, components={"securitySchemes": SCHEMES}), tmp_path)
    assert auth(found)["auth"] is None
    assert "ways to authenticate are described and none is asked for" in found.report


# parameters of the API that only sound secret


@pytest.mark.parametrize(
    "name", ["pageToken", "hide_secret", "key", "next_token", "continuationToken", "password", "session"]
)
def test_parameters_that_sound_secret_are_kept(name: str, tmp_path: Path) -> None:
    found = made("openapi", api(query(name, type="string")), tmp_path)
    (parameter,) = found.of("template")["a"]["parameters"]
    assert url(found, **{parameter: "x"}) == f"/a?{name}=x"


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Page-Token", "X-Sort-Key"])
def test_headers_that_sound_secret_are_kept(name: str, tmp_path: Path) -> None:
    header = {"parameters": [{"name": name, "in": "header", "schema": {"type": "string"}}]}
    found = made("openapi", api(header), tmp_path)
    (parameter,) = found.of("template")["a"]["parameters"]
    assert played(found.converted, "a", **{parameter: "x"}).headers[name] == "x"


def test_the_parameter_of_a_scheme_comes_from_the_connector(tmp_path: Path) -> None:
    found = made("openapi", secured([{"third": []}], **query("key", type="string")), tmp_path)
    assert "parameters" not in found.of("template")["a"]
    assert url(found) == "/a?key=%3Cenv%3A%2F%2FT_THIRD_KEY%3E"


def test_a_required_credential_is_a_reference(tmp_path: Path) -> None:
    found = made("openapi", api(query("api_key", True, type="string")), tmp_path)
    assert url(found) == "/a?api_key=%3Cenv%3A%2F%2FT_API_KEY%3E"
    assert auth(found, "plain")["auth"] is None


# forms of values


@pytest.mark.parametrize(
    ("style", "sent"),
    [
        ({}, "q=a&q=b"),
        ({"explode": False}, "q=a,b"),
        ({"style": "form", "explode": False}, "q=a,b"),
        ({"style": "spaceDelimited", "explode": False}, "q=a+b"),
        ({"style": "pipeDelimited", "explode": False}, "q=a%7Cb"),
    ],
)
def test_styles_of_arrays(style: dict[str, Any], sent: str, tmp_path: Path) -> None:
    found = made("openapi", api(styled({"type": "array", "items": {"type": "string"}}, **style)), tmp_path)
    assert url(found, q=["a", "b"]) == f"/a?{sent}"
    assert url(found, q=[]) == "/a"


def test_an_item_can_not_hold_what_stands_between_items(tmp_path: Path) -> None:
    array = {"type": "array", "items": {"type": "string"}}
    found = made("openapi", api(styled(array, explode=False)), tmp_path)
    with pytest.raises(Refused, match="without"):
        url(found, q=["a,b"])


def test_arrays_of_paths_and_headers(tmp_path: Path) -> None:
    array = {"type": "array", "items": {"type": "integer"}}
    both = [
        {"name": "ids", "in": "path", "required": True, "schema": array},
        {"name": "X-Ids", "in": "header", "schema": array},
    ]
    found = made("openapi", api({"parameters": both}, path="/a/{ids}"), tmp_path)
    request = played(found.converted, "a", ids=[1, 2], x_ids=[3, 4])
    assert request.url.endswith("/a/1,2")
    assert request.headers["X-Ids"] == "3,4"


@pytest.mark.parametrize("style", ["deepObject", "tabDelimited"])
def test_other_styles_are_not_written(style: str, tmp_path: Path) -> None:
    found = made("openapi", api(styled({"type": "array", "items": {"type": "string"}}, style=style)), tmp_path)
    assert "parameters" not in found.of("template")["a"]


BOUNDS: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({"type": "string", "pattern": "[0-9]{3}"}, ["123", "a123b"], ["12", "abc"]),
    ({"type": "string", "pattern": "^[0-9]{3}$"}, ["123"], ["1234", "a123"]),
    ({"type": "string", "pattern": "^a|b$"}, ["ax", "xb"], ["xa", "bx"]),
    ({"type": "string", "pattern": "^\\d+$"}, ["1"], ["١"]),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab"], ["a", "abcd"]),
    ({"type": "string", "enum": ["a", "b"]}, ["a"], ["c"]),
    ({"type": "string", "const": "a"}, ["a"], ["b"]),
    ({"type": "integer", "minimum": 2, "maximum": 4}, [2, 4], [1, 5]),
    ({"type": "integer", "exclusiveMinimum": 2, "exclusiveMaximum": 5}, [3, 4], [2, 5]),
    ({"type": "integer", "minimum": 1.5}, [2], [1]),
    ({"type": "integer", "maximum": 9223372036854775807}, [2**63 - 1], [2**63, "1"]),
    ({"type": "integer", "minimum": -9223372036854775808, "exclusiveMaximum": 2**64}, [-(2**63), 2**64 - 1], [2**64]),
    ({"type": "integer", "enum": [2**53 + 1]}, [2**53 + 1], [2**53, 2**53 + 2]),
    ({"type": "number", "minimum": 0.5}, [0.5], [0.4]),
    (
        {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
        [[1]],
        [[], [0], [1, 2, 3]],
    ),
    ({"type": "boolean"}, [True], ["true"]),
    ({"allOf": [{"type": "string", "enum": ["a"]}]}, ["a"], ["b"]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), BOUNDS)
def test_bounds_are_kept(schema: dict[str, Any], good: list[Any], bad: list[Any], tmp_path: Path) -> None:
    found = made("openapi", api(query(required=True, **schema)), tmp_path)
    for value in good:
        played(found.converted, "a", q=value)
    for value in bad:
        with pytest.raises(Refused):
            played(found.converted, "a", q=value)
    with pytest.raises(Refused):
        played(found.converted, "a")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "integer", "multipleOf": 5},
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"type": "string", "not": {"enum": ["x"]}},
        {"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "integer"}]},
    ],
)
def test_a_bound_that_can_not_be_kept_leaves_the_parameter_out(schema: dict[str, Any], tmp_path: Path) -> None:
    assert "parameters" not in made("openapi", api(query(**schema)), tmp_path).of("template")["a"]
    required = made("openapi", api(query(required=True, **schema)), tmp_path)
    assert [*required.of("template")] == ["plain"]
    assert required.restrictions


def test_defaults_become_values_of_their_type(tmp_path: Path) -> None:
    assert url(made("openapi", api(query(type="integer", default="50")), tmp_path)) == "/a?q=50"
    assert url(made("openapi", api(query(type="boolean", default="true")), tmp_path)) == "/a?q=true"
    assert url(made("openapi", api(query(type="string", default=50)), tmp_path)) == "/a?q=50"
    assert made("openapi", api(query(type="integer", enum=["1", "2"])), tmp_path).of("template")["a"]["parameters"][
        "q"
    ]["enum"] == [1, 2]
    body = posted({"properties": {"n": {"type": "integer", "default": "50"}}})
    assert made("openapi", api(body, "post"), tmp_path).of("template")["a"]["body"]["properties"]["n"]["default"] == 50


def test_properties_that_only_answers_have_are_no_part_of_a_request(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}},
    }
    found = made("openapi", api(posted(schema), "post"), tmp_path)
    body = found.of("template")["a"]["body"]
    assert "id" not in body["properties"]
    assert body["required"] == ["name"]
    assert json.loads(played(found.converted, "a", body={"name": "x"}).body or b"") == {"name": "x"}
    with pytest.raises(Refused):
        played(found.converted, "a", body={"name": "x", "id": 1})


def test_forms(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "integer"}}},
    }
    form = "application/x-www-form-urlencoded"
    request = played(
        made("openapi", api(posted(schema, form), "post"), tmp_path).converted, "a", body={"a": "x y", "b": [1, 2]}
    )
    assert request.headers["Content-Type"] == form
    assert request.body == b"a=x+y&b=1&b=2"
    deep = {"encoding": {"b": {"style": "deepObject", "explode": True}, "m": {"style": "deepObject", "explode": True}}}
    schema["properties"]["m"] = {"type": "object"}
    found = made("openapi", api(posted(schema, form, **deep), "post"), tmp_path)
    sent = played(found.converted, "a", body={"a": "x", "b": [1], "m": {"k": True}}).body
    assert sent == b"a=x&b%5B0%5D=1&m%5Bk%5D=true"


def test_another_sort_of_json_is_named(tmp_path: Path) -> None:
    found = made("openapi", api(posted({"type": "object"}, "application/merge-patch+json"), "patch"), tmp_path)
    assert played(found.converted, "a", body={}).headers["Content-Type"] == "application/merge-patch+json"


def test_many_definitions_and_levels(tmp_path: Path) -> None:
    chain = {
        f"s{i}": {"type": "object", "properties": {"next": {"$ref": f"#/components/schemas/s{i + 1}"}}}
        for i in range(25)
    }
    wide = {f"w{i}": {"type": "object", "description": "x" * 300} for i in range(150)}
    top = {"type": "object", "properties": {name: {"$ref": f"#/components/schemas/{name}"} for name in wide}}
    deep: dict[str, Any] = {"type": "integer"}
    for _level in range(20):
        deep = {"type": "object", "properties": {"x": deep}}
    schemas = {**chain, "s25": {"type": "string"}, **wide}
    for schema in ({"$ref": "#/components/schemas/s0"}, top, deep):
        found = made("openapi", api(posted(schema), "post", components={"schemas": schemas}), tmp_path)
        assert sorted(found.of("template")) == ["a", "plain"], found.report
    body: Any = "no integer"
    for _level in range(20):
        body = {"x": body}
    with pytest.raises(Refused):
        played(found.converted, "a", body=body)


# version 2, and files of one folder

OLD = {
    "swagger": "2.0",
    "info": {"title": "T", "version": "1"},
    "host": "api.example.com",
    "basePath": "/v1",
    "schemes": ["http", "https"],
    "consumes": ["application/json"],
    "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}, "basic": {"type": "basic"}},
    "security": [{"key": []}],
    "definitions": {"Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
    "paths": {
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "type": "integer", "minimum": 1}],
            "put": {
                "operationId": "put",
                "parameters": [
                    {"in": "body", "name": "pet", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
                ],
            },
            "get": {
                "operationId": "get",
                "security": [{"basic": []}],
                "parameters": [{"name": "tags", "in": "query", "type": "array", "items": {"type": "string"}}],
            },
            "post": {
                "operationId": "form",
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [{"name": "name", "in": "formData", "required": True, "type": "string"}],
            },
            "patch": {"operationId": "file", "parameters": [{"name": "f", "in": "formData", "type": "file"}]},
        }
    },
}


def test_version_2(tmp_path: Path) -> None:
    found = made("openapi", OLD, tmp_path)
    assert sorted(found.of("template")) == ["form", "get", "put"]
    request = played(found.converted, "put", id=1, body={"name": "x"})
    assert (request.method, request.url) == ("PUT", "https://api.example.com/v1/pets/1")
    assert request.headers["X-Key"] == "<env://T_KEY_KEY>"
    with pytest.raises(Refused):
        played(found.converted, "put", id=0, body={"name": "x"})
    assert played(found.converted, "get", id=1, tags=["a", "b"]).url.endswith("?tags=a,b")
    assert auth(found, "get")["auth"]["type"] == "basic"
    assert played(found.converted, "form", id=1, body={"name": "x"}).body == b"name=x"


def test_references_between_files_of_one_folder(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "pet.yaml").write_text(
        "Pet: {type: object, required: [tag], properties: {tag: {$ref: '../tag.json#/Tag'}}}\n"
    )
    (tmp_path / "tag.json").write_text('{"Tag": {"type": "string", "enum": ["a"]}}')
    found = made("openapi", api(posted({"$ref": "./schemas/pet.yaml#/Pet"}), "post"), tmp_path)
    played(found.converted, "a", body={"tag": "a"})
    with pytest.raises(Refused):
        played(found.converted, "a", body={"tag": "b"})
    (tmp_path / "tag.json").write_text('{"Tag": {"type": "string", "pattern": "(?=a)b"}}')
    ran = reconciler("convert", "openapi", "in.json", "--strict", cwd=tmp_path).ok(2)
    assert "tag.json:1:" in ran.err


@pytest.mark.parametrize("reference", ["../outside.json#/a", "/etc/passwd", "link.json#/a", "file:///etc/passwd"])
def test_no_file_out_of_the_folder_is_read(reference: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "outside.json").write_text('{"a": {"type": "string"}}')
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    found = made("openapi", api(posted({"$ref": reference}), "post"), folder)
    assert [*found.of("template")] == ["plain"]
