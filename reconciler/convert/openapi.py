"""An API's description turned into connectors of type `http` and one template per operation.

Source: the OpenAPI Specification, versions 3.0 and 3.1, and Swagger 2.0.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from reconciler.convert import openapi_operation
from reconciler.convert.conversion import Conversion, Example, NotOfThisFormat
from reconciler.convert.examples import of_operation
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.openapi_connectors import Connectors
from reconciler.convert.openapi_refs import Description, NotHere
from reconciler.convert.openapi_schema import leave_annotations
from reconciler.convert.openapi_security import fields_left
from reconciler.convert.restrictions import Restriction
from reconciler.model.address import Address

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_PARAMETER_RULES = {
    "enum, const": "`enum`", "minimum, maximum, exclusive…": "`min`, `max`", "minLength, maxLength": "`min_length`, `max_length`",
    "minItems, maxItems": "`min_length`, `max_length`", "pattern": "`pattern`", "multipleOf, uniqueItems, not, allOf": "",
}  # fmt: skip
RESTRICTIONS = (
    *(
        Restriction(f"parameters.*.schema: {rules}", "it limits a parameter", becomes, judged=True)
        for rules, becomes in _PARAMETER_RULES.items()
    ),
    Restriction("parameters.*.required", "the API wants it", "neither `default` nor `nullable`", judged=True),
    Restriction("requestBody.*.schema", "it limits a body", "`body`", judged=True),
    Restriction("*.readOnly", "only answers have the property", "it is none of `body`", judged=True),
    Restriction("security", "it says who may call", "`auth`, `headers` and `scopes`", judged=True),
    Restriction("servers.*.url", "its query may limit what may be done", "`query` of each template", judged=True),
)
REASONS = {
    "responses": "templates say nothing of answers",
    "callbacks": "nothing is called back",
    "externalDocs": "manifests have no links to pages",
    "tags": "templates have no tags",
    "deprecated": "templates have no lifecycle",
    "produces": "templates say nothing of answers",
    "consumes": "bodies are JSON here, or forms",
}
_TOP = {
    "components": "no request uses it: it describes answers, or nothing",
    "definitions": "no request uses it: it describes answers, or nothing",
    "parameters": "no request uses it",
    "responses": "no request uses it: it describes answers, or nothing",
    "webhooks": "nothing is called back",
    "tags": "templates have no tags",
    "servers": "a connector has one address: the first",
    "info": "manifests don't describe an API",
    "produces": "templates say nothing of answers",
    "consumes": "bodies are JSON here, or forms",
}


def convert(conversion: Conversion) -> None:
    """Convert an API's description. Raises NotOfThisFormat."""
    root = conversion.documents[0] if conversion.documents else None
    if root is None or not isinstance(root.value, dict):
        raise NotOfThisFormat("expected `openapi: 3…` or `swagger: 2.0`", (0,))
    version, paths = root.get("openapi") or root.get("swagger"), root.get("paths")
    if version is None:
        raise NotOfThisFormat("expected `openapi: 3…` or `swagger: 2.0`", (0,))
    if not str(version.value).startswith("2.0" if root.get("openapi") is None else ("3.0", "3.1")):
        raise NotOfThisFormat("expected version 2.0, 3.0 or 3.1", version.path)
    if paths is None or not isinstance(paths.value, dict):
        raise NotOfThisFormat("expected `paths`", (0,))
    version.carry()
    files = {
        name: node for node in conversion.documents if (name := conversion.files.get(int(node.path[0]))) is not None
    }
    files[FilePath(conversion.source.path).name] = root
    description = Description(root, files)
    connectors = Connectors(conversion, description)
    for path, item in paths.fields():
        if path.startswith("x-"):
            continue
        try:
            item = description.map_of(item, "the path")
        except NotHere as error:
            item.left(f"the path can't be written: {error}")
            continue
        for method, operation in item.fields():
            if method in METHODS:
                _operation(conversion, connectors, path, method, item, operation)
            elif method == "trace":
                operation.left("templates have no method TRACE")
    connectors.write()
    schemes = root.get("securityDefinitions") if description.is_old else root.at("components", "securitySchemes")
    for scheme in fields_left(schemes):
        scheme.left("no operation that was written authenticates this way first")
    for key, reason in _TOP.items():
        if (node := root.get(key)) is not None:
            node.left_open(reason)


def _operation(
    conversion: Conversion, connectors: Connectors, path: str, method: str, item: Node, operation: Node
) -> None:
    description = connectors.description
    try:
        if not isinstance(operation.value, dict):
            raise NotHere("it is no map")
        place = connectors.place_of(item, operation)
        body, words, nodes = openapi_operation.template(description, path, method, item, operation, place.way.fills)
    except NotHere as error:
        if error.node is not None:
            error.node.restricts(str(error))
        operation.left(f"the operation can't be written: {error}")
        return
    for name, value in place.server.query:
        body["query"].setdefault(name, value)
    own = operation.get("operationId")
    wanted = str(own.carry()) if own is not None else f"{method} {path}"
    if words:
        body["description"] = prose(words, operation)
    made: dict[str, Any] = {"connector": connectors.use(place, method), **body}
    name = conversion.name("template", wanted, own)
    conversion.add("template", name, made, operation)
    for values in of_operation(description, body, nodes, operation):
        conversion.examples.append(Example(Address(conversion.tenant, "template", name), values))
    for key, reason in REASONS.items():
        if (node := operation.get(key)) is not None:
            node.left(reason)
    leave_annotations(operation)
