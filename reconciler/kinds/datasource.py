"""The kind `datasource`: a named body of data behind a connector, with its extent and its classification."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field

from reconciler.errors import Problem
from reconciler.kinds.vector_fields import OwnFilter
from reconciler.model.access import ForAgents
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.fields import Form, FreeMap, ItemSet, Name, Replacing, ShortText, fail
from reconciler.model.judges import grown, set_before, sinks
from reconciler.model.kind import Ability, Kind, Lookup, RefField
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, NoRisk, Risk
from reconciler.model.selector import ACCESS_ROLE, ALLOWED_CLASS, DENIED_CLASS, EVERY, Offer, Selector
from reconciler.model.spec import Spec

_PART = r'(?:[^\s."\'`;*\[\]()]+|"[^"]+"|`[^`]+`|\[[^\]]+\])'
_TABLE = re.compile(rf"(?:{_PART}\.){{0,3}}(?:{_PART}|\*)\Z")


def _table(text: str) -> str:
    if not _TABLE.match(text):
        raise fail("invalid-table", "expected table, schema.table, schema.* or *; quote a part that holds a dot")
    return text


def _function(text: str) -> str:
    if not _TABLE.match(text) or text == "*" or text.lower().replace('"', "") == "pg_catalog.*":
        raise fail("invalid-function", "expected function, schema.function or schema.*, without arguments")
    return text


def _api_path(text: str) -> str:
    if not text.startswith("/") or any(part in {"..", "."} for part in text.split("/")) or re.search(r"[?#\s]", text):
        raise fail("invalid-path", "expected a path that begins with / and has no query, e.g. /v1/orders or /v1/*")
    return text


TableName: TypeAlias = Annotated[ShortText, AfterValidator(_table)]
FunctionName: TypeAlias = Annotated[ShortText, AfterValidator(_function)]
ApiPath: TypeAlias = Annotated[
    ShortText,
    AfterValidator(_api_path),
    Form("api_path", r"^/[^\s?#]*$", "expected a path that begins with / and has no query"),
]
Sensitivity: TypeAlias = Literal["public", "internal", "confidential", "restricted"]


Functions: TypeAlias = Annotated[ItemSet[FunctionName] | None, Risk("access-widened", by=grown(empty_is_all=False))]
FUNCTIONS: Any = Field(
    None,
    description="Functions that templates may call besides those that this project reviewed: `function`, `schema.function` "
    "or `schema.*`, with all their signatures. An operator counts as the function behind it.",
)


class Datasource(Spec):
    """What every type has in common."""

    type: str
    connector: Annotated[Name, BY_ACCESS] = Field(
        description="The name of the connector of the same tenant that reaches this data."
    )
    classification: Annotated[
        Sensitivity | None, Risk("classification-lowered", by=sinks(get_args(Sensitivity))), BY_ACCESS
    ] = Field(
        None,
        description="How sensitive the data is. What has none matches every deny by classification, and no allow.",
    )
    access_roles: Annotated[ItemSet[ShortText], BY_ACCESS] = Field(
        (),
        description="Only callers with one of these roles may use the data, besides what policies say. Empty asks for none.",
    )
    tags: Annotated[ItemSet[ShortText], NoRisk("people search by them")] = Field(
        (), description="Words to find the datasource by."
    )
    lifecycle: Annotated[Literal["active", "inactive", "deprecated"], BY_ACCESS] = Field(
        "active", description="`inactive` switches it off; `deprecated` still works, and plans and lists say so."
    )
    runtime: ForAgents = None


class Database(Datasource):
    """Tables of a database."""

    type: Replacing[Literal["database"]] = Field(description="Tables behind a connector of type `sql`.")
    tables: Annotated[ItemSet[TableName], Risk("access-widened", by=grown(empty_is_all=True))] = Field(
        (),
        description="The tables that templates may read: `schema.table`, `schema.*` or `*`. Empty (the default) names no "
        "tables, and the database's own permissions decide.",
    )
    functions: Functions = FUNCTIONS


class Document(Datasource):
    """Documents of a store."""

    type: Replacing[Literal["document"]] = Field(
        description="Documents behind a connector of type `http`, `mcp`, `file` or `custom`."
    )
    collections: Annotated[ItemSet[ShortText], Risk("access-widened", by=grown(empty_is_all=True))] = Field(
        (), description="The collections that belong to it; of a connector of type `file`, folders. Empty means all."
    )


class File(Datasource):
    """Files of a bucket or a folder."""

    type: Replacing[Literal["file"]] = Field(description="Files behind a connector of type `file`.")
    prefix: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The folder inside the bucket, e.g. `reports/2025/`. None means all of it."
    )
    paths: Annotated[ItemSet[ShortText], Risk("access-widened", by=grown(empty_is_all=True))] = Field(
        (),
        description="Patterns of files below the prefix, e.g. `2025/*.csv`: `*` stands for text in one name, `**` for any number "
        "of folders. Empty means all.",
    )


class Vector(Datasource):
    """A collection of vectors."""

    type: Replacing[Literal["vector"]] = Field(
        description="Vectors behind a connector of type `vector`, or `sql` with pgvector."
    )
    collection: Annotated[ShortText, Risk("access-widened")] = Field(
        description="The name of the collection, index, class or table."
    )
    namespace: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The namespace inside the collection, where the engine has them."
    )
    filter: Annotated[OwnFilter | None, Risk("access-widened", by=set_before)] = Field(
        None,
        description="What everything in here has in common, e.g. `{tenant: acme}`. It goes along with every search and "
        "deletion, and is written with every upsert; no template and no value can widen it.",
    )
    vector_name: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None,
        description="pgvector: the column of the vectors (`embedding` without it). qdrant: the named vector of the collection.",
    )
    id_column: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="pgvector: the column of the ids (`id` without it), which has a unique index."
    )
    metadata_column: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None,
        description="pgvector: a column of the type jsonb or json in which fields are keys. Without it, each field is a column.",
    )
    columns: Annotated[ItemSet[ShortText] | None, Risk("access-widened")] = Field(
        None,
        description="pgvector, beside `metadata_column`: the fields that are columns of their own nevertheless.",
    )
    functions: Functions = FUNCTIONS


class Api(Datasource):
    """Paths of an API."""

    type: Replacing[Literal["api"]] = Field(description="Paths of an API behind a connector of type `http`.")
    paths: Annotated[ItemSet[ApiPath], Risk("access-widened", by=grown(empty_is_all=True))] = Field(
        (), description="The paths that belong to it, e.g. `/v1/orders/*`. Empty means all."
    )


class Stream(Datasource):
    """Topics of a message broker."""

    type: Replacing[Literal["stream"]] = Field(description="Topics or queues behind a connector of type `stream`.")
    topics: Annotated[ItemSet[ShortText], Risk("access-widened", by=grown(empty_is_all=True))] = Field(
        (), description="The topics, streams or queues. Empty means all of the connector's."
    )


class Custom(Datasource):
    """Anything else."""

    type: Replacing[Literal["custom"]] = Field(description="Any other data, behind a connector of any type.")
    extent: Annotated[FreeMap, Risk("access-widened")] = Field(
        default_factory=dict,
        description="What belongs to it, in your own words. Keys that look secret need references.",
    )


FITS: dict[str, frozenset[str]] = {
    "database": frozenset({"sql"}),
    "document": frozenset({"http", "mcp", "custom", "file"}),
    "file": frozenset({"file"}),
    "vector": frozenset({"vector", "sql"}),
    "api": frozenset({"http"}),
    "stream": frozenset({"stream"}),
}
"""The types of connectors that can reach each type of datasource; ``custom`` goes with any."""


def _check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    body, address = resource.body, resource.address
    target = Address(address.tenant, "connector", body["connector"])
    connector = lookup(target)
    fits = FITS.get(body["type"])
    if connector is None or fits is None or connector.body["type"] in fits:
        return
    found, wanted = connector.body["type"], " or ".join(sorted(fits))
    yield Problem(
        "connector-mismatch",
        f"a datasource of type {body['type']} needs a connector of type {wanted}, and {target} is of type {found}",
        str(address),
        ("connector",),
        expected=wanted,
    )


def _offers(body: Body) -> Iterator[Offer]:
    """Its classification; data without one fits every deny."""
    found = body.get("classification")
    yield from (Offer(ALLOWED_CLASS, found), Offer(DENIED_CLASS, found)) if found else (Offer(DENIED_CLASS, EVERY),)


def _selects(body: Body) -> Iterator[Selector]:
    for role in body["access_roles"]:
        yield Selector(("access_roles",), ACCESS_ROLE, role)


KIND = Kind(
    name="datasource",
    plural="datasources",
    summary="A named body of data behind a connector, with its extent and its classification.",
    variants={
        "database": Database,
        "document": Document,
        "file": File,
        "vector": Vector,
        "api": Api,
        "stream": Stream,
        "custom": Custom,
    },
    discriminator="type",
    identity=("type",),
    references=(RefField(("connector",), "connector"),),
    check=_check,
    offers=_offers,
    selects=_selects,
    abilities=frozenset(
        {
            Ability.FREEZABLE,
            Ability.SUSPENDABLE,
            Ability.LIMITABLE,
            Ability.NAMEABLE,
            Ability.HOLDS_DATA,
            Ability.LISTED,
        }
    ),
    examples={
        "database": "connector: sql\ntables: [public.orders]\nfunctions: [public.similarity]",
        "document": "connector: custom\ncollections: [contracts]",
        "file": "connector: file\nprefix: reports/",
        "vector": "connector: vector\ncollection: articles",
        "api": "connector: http\npaths: [/orders/*]",
        "stream": "connector: stream\ntopics: [orders]",
        "custom": "connector: custom",
    },
)
