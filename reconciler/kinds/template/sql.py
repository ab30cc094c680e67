"""Templates of type `sql`: one reviewed statement with parameters."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from reconciler.codes import Code
from reconciler.errors import Path, Problem
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Bytes, ReadOnly, Rows, Seconds, settle
from reconciler.kinds.template import declared
from reconciler.kinds.template.common import Template, action_faults, caps, connector_of, mismatch, used_as_declared
from reconciler.kinds.template.legible import legible
from reconciler.kinds.template.names import Part, covers, entry, resolve
from reconciler.kinds.template.placeholders import Lexed, placeholders
from reconciler.kinds.template.sql_values import unfit
from reconciler.kinds.template.statement import inspect, position
from reconciler.kinds.template.types import TemplateType
from reconciler.model.body import Body
from reconciler.model.fields import Name, Public, Replacing, fail
from reconciler.model.kind import Lookup
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, Risk


def _one_form(text: str) -> str:
    # what stands behind the last statement means nothing, and would break the query that the runtime wraps around it
    stripped = text.rstrip("; \t\r\n")
    if not stripped:
        raise fail("invalid-sql", "there is no statement in this text")
    return stripped


Statement: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=65536), AfterValidator(legible), AfterValidator(_one_form), Public()
]


class Sql(Template):
    """One statement; the caller gives values, never SQL."""

    type: Replacing[Literal["sql"]] = Field(description="A statement of SQL.")
    datasource: Annotated[Name, BY_ACCESS] = Field(
        description="The name of the datasource that it reads; its connector has to be of type `sql`."
    )
    sql: Annotated[Statement, Risk("statement-changed")] = Field(
        description="One statement in the connector's dialect. Values stand as `:name`; they are bound, never pasted."
    )
    read_only: ReadOnly = Field(
        True,
        description="Whether it only reads. False allows INSERT, UPDATE, DELETE and MERGE, if the connector does too.",
    )
    max_rows: Rows | None = Field(
        None, description="The most rows of a result. Without it, the connector's bound counts."
    )
    max_result_bytes: Bytes | None = Field(
        None, description="The largest result in bytes. Without it, the connector's bound counts."
    )
    timeout_seconds: Seconds | None = Field(
        None, description="How long it may take, in seconds. Without it, the connector's bound counts."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, action_faults(self, self.read_only))


def check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    """Rules that need the datasource and its connector; without them nothing can be said about the dialect."""
    path, datasource, connector = connector_of(resource, lookup)
    if connector is None or datasource is None:
        return
    if connector.body["type"] != "sql":
        yield mismatch(resource.address, path, connector, "sql")
        return
    lexed = placeholders(resource.body["sql"], connector.body["dialect"])
    yield from _placeholder_problems(resource, lexed)
    if not lexed.flaws:
        yield from _statement_problems(resource, datasource, connector)
    yield from caps(resource, connector, ("max_rows", "max_result_bytes", "timeout_seconds"))
    yield from declared.problems(resource, connector, unfit)


def reads(body: Body) -> bool:
    """Whether the statement only reads."""
    return body.get("read_only") is True


def fits(body: Body, datasource: Body | None, connector: Body) -> bool:
    """Whether the connector speaks SQL, may write where the template does, and its dialect finds only declared parameters.

    Its gateway reads the rest of the statement, outside of the event loop.
    """
    if datasource is None or connector["type"] != "sql":
        return False
    lexed = placeholders(body["sql"], connector["dialect"])
    if lexed.flaws or not {name for name, _ in lexed.placeholders} <= body["parameters"].keys():
        return False
    return reads(body) or connector["read_only"] is not True


def _placeholder_problems(resource: Resource, lexed: Lexed) -> Iterator[Problem]:
    address, sql, declared = resource.address, resource.body["sql"], resource.body["parameters"]
    if not lexed.flaws and {name for name, _ in lexed.placeholders} == declared.keys():
        return  # all are used as declared: nobody asks where
    used: dict[str, tuple[Path, str]] = {}
    for name, offset in lexed.placeholders:
        used.setdefault(name, (("sql",), f" in {position(sql, offset)} of the statement"))
    for flaw in lexed.flaws:
        message = f"{flaw.message} ({position(sql, flaw.offset)} of the statement)"
        yield Problem(flaw.code, message, str(address), ("sql",))
    if not lexed.flaws:
        # a quote that does not end hides the rest of the text: what is used is not known then
        yield from used_as_declared(address, declared, used)


def _statement_problems(resource: Resource, datasource: Resource, connector: Resource) -> Iterator[Problem]:
    body, dialect, address = resource.body, connector.body["dialect"], str(resource.address)
    statement = inspect(body["sql"], dialect)
    for finding in statement.refused:
        code: Code = "not-read-only" if finding.code == "not-a-query" and body["read_only"] else finding.code
        yield Problem(code, finding.message, address, ("sql",))
    if body["read_only"]:
        for why in statement.writes:
            yield Problem("not-read-only", f"{why}, and this template is read-only", address, ("sql",))
    elif connector.body["read_only"]:
        message = f"this template may write, and {connector.address} is read-only"
        yield Problem("connector-read-only", message, address, ("read_only",))
    listed = extent(datasource.body)
    if listed and not statement.refused:
        yield from _table_problems(statement.tables, listed, datasource, connector, address)


def extent(datasource: Mapping[str, Any]) -> Sequence[str]:
    """Return the tables that a datasource names; a collection of vectors behind SQL is a table too."""
    return datasource.get("tables") or ([datasource["collection"]] if datasource["type"] == "vector" else [])


def unlisted(
    tables: tuple[tuple[Part, ...], ...], listed: Sequence[str], connector: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the tables of a statement that a datasource does not list, as they are written."""
    return _unlisted(tables, tuple(listed), connector["dialect"], connector.get("database"))


@lru_cache(maxsize=1024)
def _unlisted(
    tables: tuple[tuple[Part, ...], ...], listed: tuple[str, ...], dialect: str, database: str | None
) -> tuple[str, ...]:
    allowed = [entry(text, dialect, database) for text in listed]
    others = [parts for parts in tables if not any(covers(one, resolve(parts, dialect, database)) for one in allowed)]
    return tuple(".".join(part.text for part in parts) for parts in others)


def _table_problems(
    tables: Any, listed: Sequence[str], datasource: Resource, connector: Resource, address: str
) -> Iterator[Problem]:
    for written in unlisted(tables, listed, connector.body):
        message = f"the statement uses the table {written}, which {datasource.address} does not list"
        expected, hint = ", ".join(listed), near(written, listed)
        yield Problem("table-not-in-datasource", message, address, ("sql",), expected=expected, hint=hint)


TYPE = TemplateType(Sql, check, fits, reads, "query", unfit)
