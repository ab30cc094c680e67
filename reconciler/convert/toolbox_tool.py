"""One tool of MCP Toolbox turned into a template of SQL, if it has a reviewed statement that only reads."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.names import identifier, prose
from reconciler.convert.toolbox_source import Made
from reconciler.convert.toolbox_sql import NotCarried, tables_of, with_names
from reconciler.convert.values import whole
from reconciler.kinds.template.statement import inspect

TYPES = {"string": "string", "integer": "integer", "float": "number", "boolean": "boolean"}
_BOUNDS = {"minValue": "min", "maxValue": "max"}


def make(conversion: Conversion, name: str, type: str, node: Node, named: Node, sources: dict[str, Made]) -> None:
    """Convert a tool of MCP Toolbox into a template."""
    source = node.get("source")
    made = sources.get(str(source.value)) if source is not None else None
    why = _refused(type, node, made)
    if why is not None or made is None or made.dialect is None or source is None:
        node.left(why or "it names no source of this file")
        return
    source.carry()
    wanted: dict[str, Any] = {}
    try:
        values = _parameters(node, "parameters", wanted)
        pasted = _parameters(node, "templateParameters", wanted)
        statement = node.get("statement")
        assert statement is not None
        types = {one: wanted[one]["type"] for one in pasted}
        sql = with_names(str(statement.value), made.dialect, values, types)
        sql = sql.rstrip("; \t\r\n")
        found = inspect(sql, made.dialect)
        if found.writes:
            raise NotCarried(f"{found.writes[0]}, and what is converted only reads: review it and write it yourself")
        if found.refused:
            raise NotCarried(f"{found.refused[0].message} [{found.refused[0].code}]")
    except NotCarried as error:
        node.left(str(error))
        return
    statement.carry()
    unused = [one for one in wanted if not re.search(rf":{one}\b", sql)]
    if unused:
        node.left(f"the parameter `{unused[0]}` is declared and not used")
        return
    made.datasource = made.datasource or conversion.name("datasource", made.connector)
    body = {"type": "sql", "datasource": made.datasource, "sql": sql, "parameters": wanted}
    if (text := node.text("description")) is not None:
        body["description"] = prose(text, node.get("description"))
    made.tables.update(tables_of(sql, made.dialect))
    made.users.append(node)
    conversion.add("template", conversion.name("template", name, named), body, node)


def _refused(type: str, node: Node, made: Made | None) -> str | None:
    if made is None:
        return "it names no source of this file"
    if "execute" in type:
        return "it runs whatever statement the caller gives, and a template has one that was reviewed"
    statement = node.get("statement")
    if not type.endswith("-sql") or statement is None or not isinstance(statement.value, str):
        return "what it runs is built into Toolbox, and stands in no file: write it as a template"
    if made.dialect is None:
        return "its source is no database whose SQL is known here"
    for key in ("authRequired", "authServices"):
        if (auth := node.get(key)) is not None and auth.value:
            return "only callers who have logged in may run it, and a template can't say so: use a datasource's `access_roles`"
    return None


def _parameters(node: Node, key: str, wanted: dict[str, Any]) -> list[str]:
    """Return the names, in their order; what each is goes into ``wanted``. Raises NotCarried."""
    names: list[str] = []
    for item in node.each(key):
        own = item.get("name")
        if own is None or not isinstance(own.value, str):
            raise NotCarried("a parameter has no name")
        name = identifier(own.value)
        if name in wanted:
            raise NotCarried(f"two parameters would be named `{name}`")
        if name != own.value:
            own.note("a parameter's name has lower-case letters, digits and underscores", name)
        own.carry()
        wanted[name] = _parameter(item)
        names.append(name)
    return names


def _parameter(item: Node) -> dict[str, Any]:
    for key in ("authServices", "authSources", "valueFromParam", "embeddedBy"):
        if item.get(key) is not None:
            raise NotCarried(f"a parameter's value comes from somewhere else than the caller (`{key}`)")
    type = item.get("type")
    word = str(type.value) if type is not None else ""
    body: dict[str, Any] = {"type": TYPES.get(word, word)}
    if word == "array":
        inner = item.at("items", "type")
        if inner is None or str(inner.value) not in TYPES:
            raise NotCarried("an array has items of one simple type here")
        body["items"] = TYPES[str(inner.carry())]
    elif word not in TYPES:
        raise NotCarried("a parameter is of a type whose values can't be bound")
    if type is not None:
        type.carry()
    if (text := item.text("description")) is not None:
        body["description"] = prose(text, item.get("description"))
    if (values := item.get("allowedValues")) is not None:
        body["enum"] = values.carry()
    for theirs, ours in _BOUNDS.items():
        if (bound := item.get(theirs)) is not None and isinstance(bound.value, int | Decimal):
            body[ours] = bound.carry()
    if (longest := item.get("maxLength")) is not None:
        body["max_length"] = whole(longest, 1, 65536)
    default, required = item.get("default"), item.get("required")
    if default is not None:
        body["default"] = default.carry()
    if required is not None:
        required.carry()
        if required.value is False and default is None:
            body["nullable"] = True
    return {key: value for key, value in body.items() if value is not None}
