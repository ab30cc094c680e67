"""One source of MCP Toolbox turned into a connector: `sql` where the dialect is known, `http`, or `custom`."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, field

from reconciler.convert import reach
from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.references import has_variable, variable
from reconciler.convert.restrictions import Restriction
from reconciler.convert.secrets import is_secret
from reconciler.convert.values import whole

DIALECTS = {
    "postgres": "postgresql", "cloud-sql-postgres": "postgresql", "alloydb-postgres": "postgresql",
    "cockroachdb": "postgresql", "yugabytedb": "postgresql", "mysql": "mysql", "cloud-sql-mysql": "mysql",
    "tidb": "mysql", "oceanbase": "mysql", "singlestore": "mysql", "mssql": "mssql", "cloud-sql-mssql": "mssql",
    "sqlite": "sqlite", "oracle": "oracle", "snowflake": "snowflake", "bigquery": "bigquery", "clickhouse": "clickhouse",
    "trino": "trino", "db2": "db2", "ibmi": "db2",
}  # fmt: skip
_ENCRYPTION: dict[str, dict[str, dict[str, str]]] = {
    "postgresql": {
        "sslmode": {
            "allow": "prefer",
            **{mode: mode for mode in ("disable", "prefer", "require", "verify-ca", "verify-full")},
        }
    },
    "mysql": {"tls": {"true": "verify-full", "skip-verify": "require", "preferred": "prefer", "false": "disable"}},
    "mssql": {"encrypt": {"strict": "verify-full", "true": "verify-full", "false": "prefer", "disable": "disable"}},
    "clickhouse": {"secure": {"true": "verify-full", "false": "disable"}, "protocol": {"https": "verify-full"}},
    "trino": {"sslEnabled": {"true": "verify-full", "false": "disable"}},
}
"""By dialect and option: what each of its values says of encryption."""
_HARMLESS = frozenset(
    {"application_name", "fallback_application_name", "connect_timeout", "charset", "collation", "parseTime"}
)
_LIMITS = {
    "it says how the connection is encrypted": ("encrypt", "secure", "protocol", "sslEnabled"),
    "it lists what may be read": ("allowedDatasets", "allowedTables", "allowedProjects", "allowedHosts"),
    "it limits what statements may do": ("readOnly", "readOnlyMode", "enableWriteMode", "writeMode"),
    "statements run as the caller, or as somebody else": ("useClientOAuth", "impersonateServiceAccount"),
    "it limits what a statement returns or costs": ("maxQueryResultRows", "maximumBytesBilled"),
}
_READS = {"readOnly": (True,), "readOnlyMode": (True,), "enableWriteMode": (False,), "writeMode": ("blocked",)}
"""Options, and the values of them that a connector's `read_only: true` says too."""
RESTRICTIONS = (
    Restriction(
        "queryParams", "options of the connection may limit it", "`ssl`; of `http` a part of the query", judged=True
    ),
    Restriction("queryTimeout", "it limits how long a statement may take", "`timeout_seconds`"),
    *(
        Restriction(
            name,
            limits,
            {"encrypt": "`ssl`", "secure": "`ssl`", "sslEnabled": "`ssl`"}.get(name, "")
            or ("`read_only`" if name in _READS else "`max_rows`" if name == "maxQueryResultRows" else ""),
        )
        for limits, names in _LIMITS.items()
        for name in names
    ),
)
_PARTS = ("host", "port", "database", "user", "password", "project", "catalog", "account")
_OPTIONS = {"warehouse", "role", "schema", "location", "region", "cluster", "instance"}


class Made(Struct):
    """A source's connector; the datasource on it is named once a tool needs it, with the tables of all tools."""

    connector: str
    dialect: str | None
    database: str | None = None
    datasource: str | None = None
    tables: set[str] = field(default_factory=set)
    users: list[Node] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)
    """Of a source `http`: what the query of every request says."""
    methods: set[str] = field(default_factory=set)
    is_http: bool = False
    body: dict[str, Any] = field(default_factory=dict)


def make(conversion: Conversion, wanted: str, type: str, node: Node, named: Node) -> Made:
    """Convert a source of MCP Toolbox into a connector."""
    name = conversion.name("connector", wanted, named)
    dialect = DIALECTS.get(type)
    if type == "http":
        query: dict[str, str] = {}
        body = _http(conversion, name, node, query)
        made = Made(name, None, is_http=True, query=query)
        conversion.add("connector", name, body, node)
        made.body = conversion.drafts[-1].body
        return made
    body = _custom(conversion, name, type, node) if dialect is None else _sql(conversion, name, dialect, node)
    conversion.add("connector", name, body, node)
    return Made(name, dialect, body.get("database"))


def named(conversion: Conversion, wanted: str, type: str) -> Made:
    """Return the source that `--source NAME=TYPE` names, where no file has it: its connection is one reference."""
    name = conversion.name("connector", wanted)
    dialect = DIALECTS.get(type)
    node = Node([], (0, "--source", wanted), conversion.ledger)
    reference = conversion.references.own(name, "DSN")
    body: dict[str, Any] = {"type": "sql", "dialect": dialect, "dsn": reference}
    node.note("the source is none of the file's: put its whole connection string there", reference)
    conversion.add("connector", name, body, node)
    return Made(name, dialect)


def _sql(conversion: Conversion, name: str, dialect: str, node: Node) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "sql", "dialect": dialect}
    parts = {key: part for key in _PARTS if (part := node.get(key)) is not None}
    body["options"] = {
        key: part.carry()
        for key in sorted(_OPTIONS)
        if (part := node.get(key)) is not None and isinstance(part.value, str) and not has_variable(part.value)
    }
    body |= _encryption(dialect, node)
    for key, values in _READS.items():
        if (rule := node.get(key)) is not None and (rule.value in values or not _limits(key, rule.value)):
            rule.carry()  # a connector only reads unless it says otherwise
    body["max_rows"] = whole(node.get("maxQueryResultRows"), 1, 100_000)
    timeout = node.get("queryTimeout")
    seconds = re.fullmatch(r"([0-9]{1,4})(s|m)", str(timeout.value)) if timeout is not None else None
    if timeout is not None and seconds is not None:
        body["timeout_seconds"] = int(seconds[1]) * (60 if seconds[2] == "m" else 1)
        timeout.carry()
    if _by_dsn(dialect, parts, node):
        reference = conversion.references.own(name, "DSN")
        for key, part in node.fields():
            if key in parts or (isinstance(part.value, str) and has_variable(part.value)):
                part.refer("put the whole connection string there", reference)
        return {**body, "dsn": reference}
    for theirs, ours in {"host": "host", "database": "database", "user": "username"}.items():
        if theirs in parts:
            body[ours] = parts[theirs].carry()
    for key in ("project", "catalog"):
        if key in parts and "database" not in body:
            body["database"] = parts[key].carry()
    body["port"] = whole(parts.get("port"), 1, 65535)
    if "password" in parts:
        body["password"] = conversion.reference(parts["password"], name, "PASSWORD")
    return body


def _limits(key: str, value: Any) -> bool:
    """Whether an option of reading says anything else than that writing is allowed, which a connector here never does."""
    return key == "writeMode" and value not in ("blocked", "allowed")


def _encryption(dialect: str, node: Node) -> dict[str, Any]:
    """Return `ssl`, from an option of the source or of its query; other options of the query may limit the connection."""
    known = _ENCRYPTION.get(dialect, {})
    found: dict[str, Any] = {}
    query = node.get("queryParams")
    options = [*(query.fields() if query is not None else ()), *((key, one) for key in known if (one := node.get(key)))]
    for key, option in options:
        ssl = known.get(key, {}).get(str(option.value).lower())
        if ssl is not None:
            option.carry()
            found["ssl"] = ssl
        elif key in _HARMLESS:
            option.left("an option that limits nothing")
        elif not (isinstance(option.value, str) and has_variable(option.value)):
            option.restricts("an option of the connection that no connector has may limit it")
    if query is not None and not isinstance(query.value, dict) and query.value and not has_variable(str(query.value)):
        query.restricts("options of the connection that are no map may limit it")
    return found


def _by_dsn(dialect: str, parts: dict[str, Node], node: Node) -> bool:
    """Whether the connection has to be one reference: parts are variables, or missing, or of a form of their own."""
    plain = [part for key, part in parts.items() if key != "password"]
    if any(isinstance(part.value, str) and (has_variable(part.value) or variable(part.value)) for part in plain):
        return True
    if dialect == "bigquery":
        return "project" not in parts
    needed = {"database"} if dialect == "sqlite" else {"host", "database"}
    return not needed <= parts.keys() and not (dialect == "trino" and {"host", "catalog"} <= parts.keys())


def _http(conversion: Conversion, name: str, node: Node, query: dict[str, str]) -> dict[str, Any]:
    url = node.get("baseUrl")
    body: dict[str, Any] = {"type": "http"}
    if url is not None:
        found = reach.address(conversion, name, url)
        query |= found.query
        body["base_url"] = found.url
    body |= reach.headers(conversion, name, node.get("headers"))
    if url is not None and found.auth is not None and body.get("auth") is None:
        body["auth"] = found.auth
    elif url is not None and found.auth is not None:
        url.restricts("the address holds a key besides another credential")
    parameters = node.get("queryParams")
    for key, one in parameters.fields() if parameters is not None else ():
        text = reach.text_of(one.value)
        if text is None or has_variable(text) or is_secret(key, text):
            one.restricts("a part of every query that is a secret or filled in elsewhere")
        else:
            query[key] = text
            one.carry()
    timeout = node.get("timeout")
    seconds = re.fullmatch(r"([0-9]{1,4})s", str(timeout.value)) if timeout is not None else None
    if timeout is not None and seconds is not None:
        body["timeout_seconds"] = int(seconds[1])
        timeout.carry()
    return body


def _custom(conversion: Conversion, name: str, type: str, node: Node) -> dict[str, Any]:
    """Return the connector of a source without a type of its own: its options, as references where they are secret."""
    config: dict[str, Any] = {"system": type}
    node.note("no type of connector reaches this; it became `custom`, for an implementation of your own")
    for key, part in node.fields():
        if key in {"kind", "name", "type"}:
            continue
        config[key] = _option(conversion, name, key, part)
    return {"type": "custom", "config": {key: value for key, value in config.items() if value is not None}}


def _option(conversion: Conversion, service: str, wanted: str, part: Node) -> Any:
    children = list(part.fields()) or [(wanted, item) for item in part.items()]
    if children:
        kept = [(name, _option(conversion, service, f"{wanted}_{name}", child)) for name, child in children]
        kept = [(name, value) for name, value in kept if value is not None]
        return dict(kept) if isinstance(part.value, dict) else [value for _name, value in kept]
    value = part.value
    if value is None or isinstance(value, bool):
        return part.carry()
    text = str(value)
    if variable(text) or is_secret(wanted, text):
        return conversion.reference(part, service, wanted)
    if has_variable(text):
        reference = conversion.references.own(service, wanted)
        part.refer("text and variables are mixed here: put the whole there", reference)
        return reference
    return part.carry()
