"""One tool of MCP Toolbox turned into a template of SQL, if it has a reviewed statement that only reads."""

from __future__ import annotations

import re
from typing import Any

from reconciler.convert import toolbox_http
from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.restrictions import Restriction
from reconciler.convert.toolbox_parameter import NotCarried, parameters
from reconciler.convert.toolbox_source import Made
from reconciler.convert.toolbox_sql import tables_of, with_names
from reconciler.convert.values import is_false, whole
from reconciler.kinds.template.statement import inspect

_LANGUAGES = {"cypher": "Cypher", "cql": "CQL", "dql": "DQL", "esql": "ES|QL", "gql": "GQL", "flux": "Flux"}
RESTRICTIONS = (
    Restriction("authRequired", "it lists the logins without which the tool may not be called", judged=True),
    Restriction(
        "parameters.*.allowedValues", "it lists the values of a parameter", "`pattern`, or `enum`", judged=True
    ),
    Restriction("parameters.*.excludedValues", "it lists values that a parameter may not have", judged=True),
    Restriction("parameters.*.minValue", "it limits a parameter", "`min`", judged=True),
    Restriction("parameters.*.maxValue", "it limits a parameter", "`max`", judged=True),
    Restriction("parameters.*.minLength", "it limits a parameter", "`min_length`", judged=True),
    Restriction("parameters.*.maxLength", "it limits a parameter", "`max_length`", judged=True),
    Restriction("parameters.*.pattern", "it limits a parameter", "`pattern`", judged=True),
    Restriction("parameters.*.enum", "it lists the values of a parameter", "`enum`", judged=True),
    Restriction("parameters.*.authServices", "a parameter's value comes from a login", "`from: claims.…`", judged=True),
    Restriction("security", "it limits what a statement may do", judged=True),
    Restriction("rowsToFetch", "it limits how many rows a call returns", "`max_rows`"),
)


def make(conversion: Conversion, name: str, type: str, node: Node, named: Node, sources: dict[str, Made]) -> None:
    """Convert a tool of MCP Toolbox into a template."""
    source = node.get("source")
    made = sources.get(str(source.value)) if source is not None else None
    if made is not None and source is not None and made.is_http and type == "http":
        _request(conversion, name, node, named, made)
        return
    why = _refused(type, node, made)
    if why is not None or made is None or made.dialect is None or source is None:
        node.left(why or "it names no source of this file: name it with `--source NAME=TYPE`")
        return
    source.carry()
    wanted: dict[str, Any] = {}
    try:
        values = parameters(node, "parameters", wanted)
        pasted = parameters(node, "templateParameters", wanted)
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
        if error.node is not None:
            error.node.restricts(str(error))
        node.left(str(error))
        return
    statement.carry()
    unused = [one for one in wanted if not re.search(rf":{one}\b", sql)]
    if unused:
        node.left(f"the parameter `{unused[0]}` is declared and not used")
        return
    made.datasource = made.datasource or conversion.name("datasource", made.connector)
    body: dict[str, Any] = {"type": "sql", "datasource": made.datasource, "sql": sql, "parameters": wanted}
    body["max_rows"] = whole(node.get("rowsToFetch"), 1, 100_000)
    if (text := node.text("description")) is not None:
        body["description"] = prose(text, node.get("description"))
    made.tables.update(tables_of(sql, made.dialect))
    made.users.append(node)
    conversion.add("template", conversion.name("template", name, named), body, node)


def _request(conversion: Conversion, name: str, node: Node, named: Node, made: Made) -> None:
    """Convert a tool `http`: one request of its source."""
    try:
        why = _logins(node)
        if why is not None:
            raise NotCarried(why)
        body = toolbox_http.template(conversion, node, made)
    except NotCarried as error:
        if error.node is not None:
            error.node.restricts(str(error))
        node.left(str(error))
        return
    node.text("source")
    made.body["allowed_methods"] = sorted(made.methods)
    conversion.add("template", conversion.name("template", name, named), body, node)


def _logins(node: Node) -> str | None:
    for key in ("authRequired", "authServices"):
        if (auth := node.get(key)) is not None and auth.value:
            auth.restricts("only callers who have logged in may run it: use a datasource's `access_roles`")
            return "only callers who have logged in may run it, and a template can't say so"
    return None


def _refused(type: str, node: Node, made: Made | None) -> str | None:
    if made is None:
        return "it names no source of this file: name it with `--source NAME=TYPE`"
    if "execute" in type:
        return "it runs whatever statement the caller gives, and a template has one that was reviewed"
    statement = node.get("statement")
    language = _LANGUAGES.get(type.rpartition("-")[2])
    if language is not None or (statement is not None and not type.endswith("-sql")):
        return (
            f"its statement is {language or 'no SQL that is known here'}, and templates have SQL or a request over HTTP"
        )
    if statement is None or not isinstance(statement.value, str):
        return "what it runs is built into Toolbox, and stands in no file: write it as a template"
    if made.dialect is None:
        return "its source is no database whose SQL is known here"
    why = _logins(node)
    return why or _security(node.get("security"))


def _security(node: Node | None) -> str | None:
    """Return why a tool's own rules about its statement can't be kept; that it only reads is judged anyway."""
    for key, rule in node.fields() if node is not None else ():
        if key == "readOnly" and not is_false(rule.value):
            rule.carry()
        elif key in {"maxQueryLength", "audit", "audit_statements"} or rule.value in (None, False, [], ""):
            rule.left("it limits statements of callers, and a template has one that was reviewed")
        else:
            rule.restricts("a rule about statements that a template doesn't have")
            return "it has rules about its statement that a template doesn't have"
    return None
