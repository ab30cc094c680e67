"""Templates of type `http`: one reviewed request with parameters."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from reconciler.errors import Path, Problem
from reconciler.kinds.connector.common import HeaderText, is_reference
from reconciler.kinds.connector.http import Method
from reconciler.kinds.headers import HeaderName
from reconciler.kinds.rules import GIVEN, Bytes, Case, Fault, Seconds, by_cases, settle
from reconciler.kinds.template import declared
from reconciler.kinds.template.common import Template, action_faults, caps, connector_of, mismatch, used_as_declared
from reconciler.kinds.template.http_values import NAME, unfit, written
from reconciler.kinds.template.json_schema import body_faults
from reconciler.kinds.template.types import TemplateType
from reconciler.model.body import Body
from reconciler.model.fields import (
    BareText,
    Form,
    FreeJson,
    Name,
    Object,
    Private,
    Replacing,
    ShortText,
    Text,
    fail,
    identifier,
)
from reconciler.model.kind import Lookup
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, NoRisk, Risk
from reconciler.model.secret_ref import looks_secret
from reconciler.model.spec import Part

SAFE_METHODS = frozenset({"GET", "HEAD"})
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]*\Z")


def _path(text: str) -> str:
    if "://" in text or text.startswith("//") or not text.startswith("/"):
        raise fail("invalid-path", "expected a path that begins with one /, without scheme and host")
    if "?" in text or "#" in text:
        raise fail("invalid-path", "a path has no query and no fragment; parameters of the query go into `query`")
    for number, segment in enumerate(text.split("/")[1:]):
        literal = NAME.sub("", segment)
        if segment in {".", ".."} or (not segment and number < text.count("/") - 1):
            raise fail("invalid-path", "a path has no empty parts, and no parts `.` and `..`")
        if "{" in literal or "}" in literal:
            raise fail("invalid-placeholder", "a parameter stands as {name}, with letters, digits and underscores")
        if not _LITERAL.match(literal):
            raise fail(
                "invalid-path", "a path has letters, digits and the signs of URLs only; no %, spaces or backslashes"
            )
        if not literal.strip(".") and literal and literal != segment:
            # {name} may be empty or a dot as well, and the whole would climb up
            raise fail("invalid-path", "dots next to a parameter could make `..`; add other text")
    return text


def _query_value(text: str) -> str:
    if NAME.search(text) and not NAME.fullmatch(text):
        raise fail("invalid-placeholder", "a value is either one {name} alone, or literal text; the two do not mix")
    if is_reference(text):
        raise fail("plaintext-secret", "a template holds no secrets; references belong into the connector's `auth`")
    return text


UrlPath: TypeAlias = Annotated[
    BareText,
    AfterValidator(_path),
    AfterValidator(identifier),
    Form("url_path", r"^/[^\s?#%\\]*$", "expected a path that begins with / and has no query"),
]
QueryText: TypeAlias = Annotated[Text, AfterValidator(_query_value), Private()]
TemplateHeaderText: TypeAlias = Annotated[HeaderText, AfterValidator(_query_value)]


class PlainQuery(Part):
    """A value of the query that is no secret although its name sounds like one."""

    plain: Annotated[QueryText, NoRisk("judged as a part of the map that it stands in")] = Field(
        description="`{name}`, or literal text. By writing this you say that it is no credential: `pageToken`, for example."
    )


class PlainHeader(Part):
    """A header that is no secret although its name sounds like one."""

    plain: Annotated[TemplateHeaderText, NoRisk("judged as a part of the map that it stands in")] = Field(
        description="`{name}`, or literal text. By writing this you say that it is no credential."
    )


def _form(value: Any) -> str:
    return "plain" if isinstance(value, dict | PlainQuery | PlainHeader) else "value"


QueryValue: TypeAlias = Annotated[
    Annotated[QueryText, Tag("value")] | Annotated[PlainQuery, Tag("plain")], Discriminator(_form)
]
TemplateHeader: TypeAlias = Annotated[
    Annotated[TemplateHeaderText, Tag("value")] | Annotated[PlainHeader, Tag("plain")], Discriminator(_form)
]


class Http(Template):
    """One request; the caller gives values, never a URL."""

    type: Replacing[Literal["http"]] = Field(description="A request over HTTP.")
    datasource: Annotated[Name | None, BY_ACCESS] = Field(
        None, description="The name of the datasource that it uses. Either this or `connector`."
    )
    connector: Annotated[Name | None, BY_ACCESS] = Field(
        None, description="The name of the connector of type `http`. Either this or `datasource`."
    )
    method: Annotated[Method, Risk("statement-changed")] = Field(
        description="The method, one of the connector's `allowed_methods`."
    )
    path: Annotated[UrlPath, Risk("statement-changed")] = Field(
        description="What is added to the connector's base URL, e.g. `/v1/orders/{id}`. Each `{name}` is a parameter, and its "
        "value is encoded so that it stays inside its part of the path."
    )
    query: Annotated[dict[ShortText, QueryValue], Field(max_length=100), Risk("statement-changed")] = Field(
        default_factory=dict,
        description="Parameters of the query: each value is `{name}`, the value of that parameter, or literal text; "
        "`{plain: …}` if the name sounds secret, and the value is not.",
    )
    headers: Annotated[dict[HeaderName, TemplateHeader], Field(max_length=64), Risk("statement-changed")] = Field(
        default_factory=dict,
        description="Headers besides the connector's: each value is `{name}`, the value of that parameter, or literal text; "
        "`{plain: …}` if the name sounds secret, and the value is not.",
    )
    body: Annotated[FreeJson, Object(), Risk("statement-changed"), Risk("access-widened")] = Field(
        None,
        description="A JSON Schema (Draft 2020-12) of the JSON body that the caller gives as `body`. Without it, none is sent.",
    )
    body_encoding: Annotated[Literal["form", "brackets"] | None, Risk("statement-changed")] = Field(
        None,
        description="How the body is sent, where that is not JSON: as `application/x-www-form-urlencoded`, with a list's name "
        "repeated (`form`), or with `a[0]=x` for lists and `a[b]=x` for maps (`brackets`).",
    )
    max_response_bytes: Bytes | None = Field(
        None, description="The largest response in bytes. Without it, the connector's bound counts."
    )
    timeout_seconds: Seconds | None = Field(
        None, description="How long it may take, in seconds. Without it, the connector's bound counts."
    )

    cases: ClassVar = (
        Case(some=("datasource", "connector"), says="either `datasource` or `connector` is required"),
        Case({"datasource": (GIVEN,)}, barred=("connector",), says="give either `datasource` or `connector`, not both"),
        Case({"body": (None,)}, barred=("body_encoding",), says="`body_encoding` has no meaning without `body`"),
        *(
            Case({"method": (one,)}, barred=("body",), says=f"a {one} request has no body")
            for one in ("GET", "HEAD", "OPTIONS")
        ),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from by_cases(self, self.cases)
        for field in ("query", "headers"):
            for name, said in getattr(self, field).items():
                if isinstance(said, str) and _sounds_secret(field, name):
                    message = "credentials come from the connector's `auth` or `headers`, never from a template"
                    hint = "if it is no credential, write `{plain: …}`"
                    yield Fault((field, name), "plaintext-secret", message, hint)
        yield from body_faults(self.body, self.parameters)
        yield from self._array_faults()
        yield from action_faults(self, self.method in SAFE_METHODS)

    def _array_faults(self) -> Iterator[Fault]:
        places = [("path",), *(("headers", name) for name in self.headers)]
        for place in places:
            text = self.path if place == ("path",) else _text(self.headers[place[-1]])
            for name in NAME.findall(text):
                parameter = self.parameters.get(name)
                if parameter is not None and parameter.type == "array" and parameter.separator is None:
                    message = f"`{name}` is an array; arrays go into `query`, or have a `separator`"
                    yield Fault(place, "parameter-mismatch", message)


def _text(said: str | PlainQuery | PlainHeader) -> str:
    return said if isinstance(said, str) else said.plain


def _sounds_secret(field: str, name: str) -> bool:
    is_key = field == "headers" and name.lower().endswith("-key") and name.lower() != "idempotency-key"
    return looks_secret(name) or is_key


def used_parameters(body: Body) -> dict[str, tuple[Path, str]]:
    """Return the parameters that a request uses, with the path and the words for the place."""
    used: dict[str, tuple[Path, str]] = dict.fromkeys(NAME.findall(body["path"]), (("path",), " in the path"))
    for field in ("query", "headers"):
        for key, said in body[field].items():
            match = NAME.fullmatch(written(said))
            if match:
                used.setdefault(match[1], ((field, key), ""))
    return used


def check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    """Rules about the parameters, and those that need the connector."""
    body, address = resource.body, resource.address
    yield from used_as_declared(address, body["parameters"], used_parameters(body))
    path, datasource, connector = connector_of(resource, lookup)
    if connector is None:
        return
    if connector.body["type"] != "http":
        yield mismatch(address, path, connector, "http")
        return
    allowed = connector.body["allowed_methods"]
    if body["method"] not in allowed:
        expected = ", ".join(allowed)
        message = f"the method {body['method']} is not among the `allowed_methods` of {connector.address}: {expected}"
        yield Problem("method-not-allowed", message, str(address), ("method",), expected=expected)
    if datasource is not None and not _is_listed(body, datasource.body):
        listed = datasource.body["paths"]
        message = f"the path is none of those that {datasource.address} lists"
        yield Problem("path-not-in-datasource", message, str(address), ("path",), expected=", ".join(listed))
    yield from caps(resource, connector, ("max_response_bytes", "timeout_seconds"))
    yield from declared.problems(resource, connector, unfit)


def reads(body: Body) -> bool:
    """Whether the request is safe by its method."""
    return body.get("method") in SAFE_METHODS


def fits(body: Body, datasource: Body | None, connector: Body) -> bool:
    """Whether the connector speaks HTTP and allows the method, the datasource lists the path, and each parameter is declared."""
    allowed = connector["type"] == "http" and body["method"] in connector["allowed_methods"]
    allowed = allowed and used_parameters(body).keys() <= body["parameters"].keys()
    return allowed and (datasource is None or _is_listed(body, datasource))


def _is_listed(body: Body, datasource: Body) -> bool:
    listed: list[str] = datasource.get("paths") or []
    return not listed or any(_covers(one, body["path"]) for one in listed)


def _covers(listed: str, path: str) -> bool:
    """Whether an entry such as `/v1/orders/*` covers a path; a last `*` covers everything below."""
    own, wanted = listed.split("/"), path.split("/")
    if own[-1] == "*" and len(wanted) >= len(own):
        own, wanted = own[:-1], wanted[: len(own) - 1]
    if len(own) != len(wanted):
        return False
    return all(_fits(one, other) for one, other in zip(own, wanted, strict=True))


def _fits(listed: str, segment: str) -> bool:
    if listed == "*" or (listed.startswith("{") and listed.endswith("}")):
        return True
    # a parameter may take any value, so only an entry that covers every value covers it
    return listed == segment or ("{" not in segment and fnmatchcase(segment, listed))


TYPE = TemplateType(Http, check, fits, reads, "retrieve", unfit)
