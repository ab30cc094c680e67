"""Templates of type `vector`: one reviewed operation on a collection of vectors, with parameters."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from reconciler.codes import Code
from reconciler.errors import Path, Problem
from reconciler.kinds.literals import Scalar, Value
from reconciler.kinds.model_target import INTEGRATION, has_model
from reconciler.kinds.provider.wires import WIRES
from reconciler.kinds.rules import GIVEN, Bytes, Case, Fault, Seconds, by_cases, settle, unique
from reconciler.kinds.template import declared
from reconciler.kinds.template.common import Template, action_faults, caps, connector_of, mismatch, used_as_declared
from reconciler.kinds.template.types import TemplateType
from reconciler.kinds.template.vector_values import (
    DEFAULT_TOP_K,
    MOST_DIMENSIONS,
    NAME,
    literal_faults,
    own_filter,
    parameter_in,
    parameters_at,
    unfit,
    used_parameters,
)
from reconciler.kinds.vector_fields import MOST_FIELDS, FieldName
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.fields import Form, ItemSet, Name, Public, Replacing, ShortText, Text, fail
from reconciler.model.judges import appears, grown, vanishes
from reconciler.model.kind import Lookup
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, NoRisk, Risk
from reconciler.model.spec import Part
from reconciler.model.target import Look

_SCALARS = frozenset({"string", "integer", "number", "boolean", "date", "timestamp", "uuid"})
_IDS = frozenset({"string", "integer", "uuid"})
_NO_NAMESPACE = frozenset({"pgvector", "qdrant", "chroma"})
"""Engines whose collections have no namespaces."""


def _literal_or_name(value: Any) -> Any:
    """Refuse text in which a parameter does not stand alone."""
    for one in value if isinstance(value, tuple) else ():
        if isinstance(one, str) and ("{" in one or "}" in one):
            raise fail(
                "invalid-placeholder", "a list holds literal values; a parameter of type array stands for a list"
            )
    if isinstance(value, str) and ("{" in value or "}" in value) and not NAME.fullmatch(value):
        raise fail("invalid-placeholder", "a value is either one {name} alone, or literal text without braces")
    return value


def _embed_text(text: str) -> str:
    rest = NAME.sub("", text)
    if "{" in rest or "}" in rest:
        raise fail("invalid-placeholder", "a parameter stands as {name}, with small letters, digits and underscores")
    return text


def _placeholder(text: str) -> str:
    if not NAME.fullmatch(text):
        raise fail("invalid-placeholder", "expected a parameter as {name}")
    return text


def _top_k(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise fail("wrong-type", "expected a whole number, or {name}")
    if isinstance(value, str) and not NAME.fullmatch(value):
        raise fail("invalid-placeholder", "expected a whole number, or a parameter as {name}")
    if isinstance(value, int) and not 1 <= value <= 10_000:
        raise fail("out-of-range", "expected a number from 1 to 10000")
    return value


FilterValue: TypeAlias = Annotated[Value, AfterValidator(_literal_or_name)]
IdValue: TypeAlias = Annotated[Scalar, AfterValidator(_literal_or_name)]
EmbedText: TypeAlias = Annotated[Text, Field(min_length=1), AfterValidator(_embed_text)]
PlaceholderText: TypeAlias = Annotated[
    str,
    Field(min_length=3, max_length=65),
    AfterValidator(_placeholder),
    Form("placeholder", r"^\{[a-z_][a-z0-9_]*\}$", "expected a parameter as {name}"),
    Public(),
]


TopK: TypeAlias = Annotated[int, Field(ge=1, le=10_000)] | PlaceholderText


class Embed(Part):
    """A text that a model turns into the vector, by a call of its own."""

    integration: Annotated[Name, BY_ACCESS] = Field(
        description="The name of the integration that is asked. The template's review gives the right to it: no policy has to allow "
        "it to the caller, and one that denies it denies the template."
    )
    model: Annotated[ShortText, Risk("statement-changed")] = Field(
        description="The model, by the provider's own name; one of the integration's `models`, if it lists any."
    )
    text: Annotated[EmbedText, Risk("statement-changed")] = Field(
        description="The text, with `{name}` for the values of parameters, e.g. `query: {question}`."
    )
    dimensions: Annotated[
        Annotated[int, Field(ge=1, le=MOST_DIMENSIONS)] | None, NoRisk("vectors of another length find nothing")
    ] = Field(None, description="How many numbers to ask for, where the model can make fewer than it usually does.")


class Vector(Template):
    """One operation; the caller gives values, never a collection and never a filter."""

    type: Replacing[Literal["vector"]] = Field(description="A search or a change in a collection of vectors.")
    datasource: Annotated[Name, BY_ACCESS] = Field(
        description="The name of the datasource of type `vector`; its connector has to be of type `vector`, too. Its own "
        "`filter` always goes along."
    )
    operation: Annotated[Literal["search", "upsert", "delete"], Risk("statement-changed")] = Field(
        description="What it does: `search` finds the nearest, `upsert` writes one, `delete` removes by `ids`, `filter` or both."
    )
    embed: Annotated[Embed | None, Risk("statement-changed", by=appears), Risk("statement-changed", by=vanishes)] = (
        Field(None, description="search and upsert: a text that is turned into the vector. Either this or `vector`.")
    )
    vector: Annotated[PlaceholderText | None, Risk("statement-changed")] = Field(
        None, description="search and upsert: `{name}`, a parameter that is an array of numbers."
    )
    filter: Annotated[dict[FieldName, FilterValue], Field(max_length=MOST_FIELDS), Risk("statement-changed")] = Field(
        default_factory=dict,
        description="search and delete: what has to hold, field by field. A value is one that the field equals, a list one of "
        "which it equals, and `{name}` the value of that parameter: one, or a list for an array. All have to hold.",
    )
    top_k: Annotated[TopK | None, BeforeValidator(_top_k), Public(), Risk("statement-changed")] = Field(
        None,
        description=f"search: how many to return, a number or `{{name}}`. The default is {DEFAULT_TOP_K}, or the connector's "
        "`max_results` if that is less.",
    )
    returned: Annotated[
        ItemSet[FieldName], Risk("statement-changed"), Risk("access-widened", by=grown(empty_is_all=False))
    ] = Field((), alias="return", description="search: the fields to return of each, besides its `id` and its `score`.")
    id: Annotated[IdValue | None, Risk("statement-changed")] = Field(
        None, description="upsert: the id under which it is written, as `{name}` or literal."
    )
    ids: Annotated[FilterValue | None, Risk("statement-changed")] = Field(
        None, description="delete: what to remove, as `{name}` (one id, or a list for an array) or literal."
    )
    payload: Annotated[dict[FieldName, FilterValue], Field(max_length=MOST_FIELDS), Risk("statement-changed")] = Field(
        default_factory=dict,
        description="upsert: the fields to write beside the vector, each as `{name}` or literal. Those of the datasource's "
        "`filter` are written by themselves.",
    )
    max_response_bytes: Bytes | None = Field(
        None, description="The largest response in bytes. Without it, the connector's bound counts."
    )
    timeout_seconds: Seconds | None = Field(
        None, description="How long it may take, in seconds. Without it, the connector's bound counts."
    )

    cases: ClassVar = (
        Case(
            {"operation": ("search", "upsert")},
            some=("embed", "vector"),
            says="a search and an upsert need `embed` or `vector`",
        ),
        Case({"embed": (GIVEN,)}, barred=("vector",), says="give either `embed` or `vector`, not both"),
        Case({"operation": ("search",)}, "for a search", barred=("id", "ids", "payload")),
        Case({"operation": ("upsert",)}, "for an upsert", needed=("id",), barred=("ids", "filter", "top_k")),
        Case({"operation": ("delete",)}, "for a delete", barred=("embed", "vector", "id", "payload", "top_k")),
        Case({"operation": ("delete",)}, some=("ids", "filter"), says="a delete needs `ids`, `filter` or both"),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from unique(by_cases(self, self.cases))
        if self.returned and self.operation != "search":
            yield Fault(
                ("return",), "conflicting-fields", f"`return` has no meaning for a {self.operation}; leave it out"
            )
        if len(self.returned) > MOST_FIELDS:
            yield Fault(("return",), "too-long", f"expected at most {MOST_FIELDS} fields")
        yield from action_faults(self, self.operation == "search")


def check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    """Rules about the parameters, and those that need the datasource and its connector."""
    body, address = resource.body, resource.address
    yield from used_as_declared(address, body["parameters"], used_parameters(body))
    for path, message in _type_faults(body):
        yield Problem("parameter-mismatch", message, str(address), path)
    path, datasource, connector = connector_of(resource, lookup)
    if connector is None or datasource is None:
        return
    if datasource.body["type"] != "vector":
        message = f"a template of type vector needs a datasource of type vector, and {datasource.address} is another"
        yield Problem("connector-mismatch", message, str(address), ("datasource",), expected="vector")
        return
    if connector.body["type"] != "vector":
        yield mismatch(address, path, connector, "vector")
        return
    yield from _store_problems(resource, datasource, connector)
    yield from _embed_problems(resource, connector, lookup)
    yield from caps(resource, connector, ("max_response_bytes", "timeout_seconds"))
    yield from declared.problems(resource, connector, unfit)


def _store_problems(resource: Resource, datasource: Resource, connector: Resource) -> Iterator[Problem]:
    body, address = resource.body, str(resource.address)
    if not reads(body) and connector.body["read_only"]:
        message = f"this template writes, and {connector.address} is read-only"
        yield Problem("connector-read-only", message, address, ("operation",))
    most = connector.body["max_results"]
    if (top := _most_asked(body)) is not None and top > most:
        message = f"`top_k` may be {top}, more than the `max_results` of {most} that {connector.address} allows"
        yield Problem("cap-exceeds-connector", message, address, ("top_k",), expected=f"at most {most}")
    for name in sorted(own_filter(datasource.body).keys() & body["payload"].keys()):
        message = f"`{name}` is in the filter of {datasource.address}, which writes it"
        yield Problem("conflicting-fields", message, address, ("payload", name), hint="leave it out")
    for path, message in literal_faults(body, connector.body):
        yield Problem("parameter-mismatch", f"{connector.address} can't take this value: {message}", address, path)
    if why := _unkeepable(datasource.body, connector.body):
        yield Problem("connector-mismatch", f"{datasource.address}: {why}", address, ("datasource",))


def _embed_problems(resource: Resource, connector: Resource, lookup: Lookup) -> Iterator[Problem]:
    embed, address = resource.body.get("embed"), resource.address
    if embed is None:
        return
    wanted, length = embed.get("dimensions"), connector.body.get("dimensions")
    if wanted is not None and length is not None and wanted != length:
        message = f"{connector.address} has vectors of {length} numbers"
        yield Problem("parameter-mismatch", message, str(address), ("embed", "dimensions"), expected=str(length))
    integration = lookup(Address(address.tenant, "integration", embed["integration"]))
    if integration is not None and (fault := _embed_fault(integration.body, embed)) is not None:
        field, code, why = fault
        yield Problem(code, f"{integration.address} {why}", str(address), ("embed", field))


def _embed_fault(integration: Body, embed: Body) -> tuple[str, Code, str] | None:
    """Return why an integration can't be asked: the field at fault, a code, and words; None where it can."""
    if "embeddings" not in WIRES[integration["provider"]].places(integration):
        return "integration", "format-not-supported", "has no embeddings in OpenAI's format"
    if not has_model(integration, embed["model"]):
        return "model", "unknown-model", "does not list this model in `models`"
    return None


def asks(body: Body, look: Look) -> tuple[str, ...] | None:
    """Return the integration that a call asks for its vector; None where that one can't be asked."""
    embed = body.get("embed")
    if embed is None:
        return ()
    name = f"{INTEGRATION}/{embed['integration']}"
    integration = look(name)
    return None if integration is None or _embed_fault(integration, embed) is not None else (name,)


def _unkeepable(datasource: Body, connector: Body) -> str:
    """Return what of a datasource its engine would not honour."""
    if datasource.get("namespace") is not None and connector["engine"] in _NO_NAMESPACE:
        return f"{connector['engine']} has no namespaces, so `namespace` would hold nobody back; use `filter`"
    return ""


def _most_asked(body: Body) -> int | None:
    """Return how many results a search asks for at most; None where the connector's bound decides."""
    top = body.get("top_k")
    name = parameter_in(top)
    if name is None:
        return top if isinstance(top, int) else None
    bound = body["parameters"].get(name, {}).get("max")
    return bound if isinstance(bound, int) else None


def _type_faults(body: Body) -> Iterator[tuple[Path, str]]:
    """Yield, with its path, each parameter that can't stand where it does."""
    parameters: Mapping[str, Any] = body["parameters"]
    for field, wanted in _WANTED.items():
        for name, path in parameters_at(body, field).items():
            parameter = parameters.get(name)
            if parameter is None:
                continue
            if not wanted.fits(parameter):
                yield path, f"`{name}` has the type {_type_of(parameter)}; expected {wanted.words}"


class _Wanted:
    """The types of parameters that can stand in a field: single values, and arrays of them."""

    def __init__(self, words: str, single: frozenset[str], items: frozenset[str] = frozenset()) -> None:
        self.words, self._single, self._items = words, single, items

    def fits(self, parameter: Mapping[str, Any]) -> bool:
        if parameter["type"] == "array":
            return (parameter.get("items") or "string") in self._items
        return parameter["type"] in self._single


_WANTED: Mapping[str, _Wanted] = {
    "embed": _Wanted("a single value", _SCALARS),
    "vector": _Wanted("an array of numbers", frozenset(), frozenset({"number"})),
    "top_k": _Wanted("an integer", frozenset({"integer"})),
    "id": _Wanted("a string, an integer or a uuid", _IDS),
    "ids": _Wanted("a string, an integer, a uuid, or an array of these", _IDS, _IDS),
    "filter": _Wanted("a single value or an array", _SCALARS, _SCALARS),
    "payload": _Wanted("a single value or an array", _SCALARS, _SCALARS),
}


def _type_of(parameter: Mapping[str, Any]) -> str:
    kind: str = parameter["type"]
    return f"array of {parameter.get('items')}" if kind == "array" else kind


def reads(body: Body) -> bool:
    """Whether it only searches."""
    return body.get("operation") == "search"


def fits(body: Body, datasource: Body | None, connector: Body) -> bool:
    """Whether the store may do what the template says, within the datasource, with parameters that are all declared."""
    if datasource is None or datasource["type"] != "vector" or connector["type"] != "vector":
        return False
    if _unkeepable(datasource, connector) or not own_filter(datasource).keys().isdisjoint(body["payload"]):
        return False
    if not used_parameters(body).keys() <= body["parameters"].keys() or any(_type_faults(body)):
        return False
    return reads(body) or connector["read_only"] is not True


TYPE = TemplateType(Vector, check, fits, reads, "search", unfit, asks)
