"""What several types of connectors share: authentication, headers, network exceptions, values that may be secret."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from reconciler.kinds.checking import HealthChecks
from reconciler.kinds.headers import HeaderName
from reconciler.kinds.rules import GIVEN, Case, Fault, PerMinute, Seconds, by_cases, settle
from reconciler.model.access import ForAgents
from reconciler.model.fields import (
    Cidr,
    ItemSet,
    Port,
    Private,
    Secret,
    SecretKeys,
    Shaped,
    ShortText,
    Text,
    Url,
    fail,
)
from reconciler.model.judges import grown, other_scopes
from reconciler.model.risk import Health, NoRisk, Risk
from reconciler.model.secret_ref import SCHEMES, SecretRef, looks_secret
from reconciler.model.spec import Part, Spec

Capability: TypeAlias = Literal["read", "write", "query", "stream", "batch", "transaction", "search", "vector_search"]
Encryption: TypeAlias = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
"""How a connection to a database is encrypted, the weakest first."""


class Connector(Spec):
    """What every type has in common."""

    type: str
    capabilities: Annotated[ItemSet[Capability], Risk("access-widened", by=grown(empty_is_all=True))] = Field(
        (),
        description="What the other side can do. Empty (the default) stands for whatever this type of connector does.",
    )
    runtime: ForAgents = None
    health: HealthChecks = None


class Plain(Part):
    """A value that is said to be no secret although its name looks like one."""

    plain: Annotated[Text, Private(), NoRisk("judged as a part of the map that it stands in")] = Field(
        description="The value as it is. By writing this you say that it is no secret."
    )


def _header_value(text: str) -> str:
    if any(ord(c) < 32 or ord(c) > 255 for c in text):
        raise fail("invalid-header", "a header's value has no line breaks and no characters outside Latin-1")
    if re.match(r"(?i)\s*(bearer|basic)\s+\S", text):
        raise fail("plaintext-secret", "this reads like a credential; use `auth`, or a reference to a secret")
    return _reference_if_any(text)


def _reference_if_any(text: str) -> str:
    """Text that begins like a reference has to be a good one: a misspelt one must not go out as a value."""
    if text.partition("://")[0] in SCHEMES and "://" in text:
        try:
            SecretRef.parse(text)
        except ValueError as error:
            raise fail("plaintext-secret", str(error)) from None
    return text


def _form(value: Any) -> str:
    return "plain" if isinstance(value, dict | Plain) else "value"


HeaderText: TypeAlias = Annotated[Text, AfterValidator(_header_value), Private()]
HeaderValue: TypeAlias = Annotated[
    Annotated[HeaderText, Tag("value")] | Annotated[Plain, Tag("plain")], Discriminator(_form)
]
SecretOrPlain: TypeAlias = Annotated[
    Annotated[Secret, Tag("value")] | Annotated[Plain, Tag("plain")], Discriminator(_form)
]
Headers: TypeAlias = Annotated[
    dict[HeaderName, HeaderValue], Field(max_length=64), SecretKeys("-key"), Risk("credential-changed"), Health()
]
"""Headers may carry a credential, and tell the other side who asks."""


class NetworkException(Part):
    """A private network that this connector may reach."""

    cidr: Annotated[Cidr, Risk("access-widened")] = Field(
        description="The network, e.g. `10.20.0.0/16`, with no host bits set."
    )
    port: Annotated[Port, Risk("access-widened")] = Field(description="The one port that may be reached there.")


NetworkExceptions: TypeAlias = Annotated[
    ItemSet[NetworkException],
    Field(description="Private networks and ports that may be reached. All other private addresses are refused."),
    Risk("access-widened", by=grown(empty_is_all=False)),
    Health(),
]
CallsPerMinute: TypeAlias = Annotated[PerMinute, Field(description="How many calls are made per minute at most.")]
RequestsPerMinute: TypeAlias = Annotated[PerMinute, Field(description="How many requests are sent per minute at most.")]
CallSeconds: TypeAlias = Annotated[Seconds, Field(description="How long one call may take, in seconds (1 to 3600).")]
RequestSeconds: TypeAlias = Annotated[
    Seconds, Field(description="How long one request may take, in seconds (1 to 3600).")
]


T = TypeVar("T")
AuthType: TypeAlias = Annotated[T, Risk("credential-changed")]


class NoAuth(Part):
    """No authentication."""

    type: AuthType[Literal["none"]] = Field(description="Requests carry no credential.")


class Bearer(Part):
    """A token in the Authorization header."""

    type: AuthType[Literal["bearer"]] = Field(description="A token, sent as `Authorization: Bearer …`.")
    token: Secret = Field(description="A reference to the token, e.g. `vault://kv/acme/crm#token`.")


class ApiKey(Part):
    """A key in a header or in the query."""

    type: AuthType[Literal["api_key"]] = Field(description="A key, sent in a header or in the query.")
    key: Secret = Field(description="A reference to the key, e.g. `vault://kv/acme/crm#key`.")
    header: Annotated[HeaderName, Risk("credential-changed")] = Field(
        "X-API-Key", description="The name of the header, or of the query's parameter, that carries the key."
    )
    in_: Annotated[Literal["header", "query"], Risk("credential-changed")] = Field(
        "header",
        alias="in",
        description="Where the key goes. Prefer `header` (the default): queries end up in other people's logs.",
    )


class Basic(Part):
    """A user and a password."""

    type: AuthType[Literal["basic"]] = Field(description="HTTP basic authentication.")
    username: Annotated[ShortText, Risk("credential-changed")] = Field(
        description="The name of the user, as plain text."
    )
    password: Secret = Field(description="A reference to the password.")


Grant: TypeAlias = Literal["client_credentials", "token_exchange", "on_behalf_of"]
_USUAL = "client_secret_basic"
_PROOFS = {
    _USUAL: "client_secret",
    "client_secret_post": "client_secret",
    "private_key_jwt": "private_key",
    "client_assertion": "client_assertion",
}
"""By the way in which a client proves itself: the field that it needs."""


def _proof(way: str, needed: str) -> Case:
    others = sorted({*_PROOFS.values()} - {needed})
    ways = (None, way) if way == _USUAL else (way,)
    where = f"where the client proves itself by `{way}`"
    return Case({"client_auth": ways}, where, needed=(needed,), barred=tuple(others))


def _resource(text: str) -> str:
    if text not in {"auto", "none"} and not re.match(r"[a-z][a-z0-9+.-]*:[^\s#]+\Z", text):
        raise fail("invalid-url", "expected `auto`, `none`, or an absolute URI without a fragment")
    return text


Resource: TypeAlias = Annotated[
    ShortText,
    AfterValidator(_resource),
    Shaped(r"^(?:auto|none|[a-z][a-z0-9+.-]*:[^\s#]+)$"),
]


class OAuth2(Part):
    """Tokens from an OAuth 2 server: for this connector, or for each caller."""

    type: AuthType[Literal["oauth2"]] = Field(description="OAuth 2; tokens are fetched and renewed as needed.")
    grant: Annotated[Grant | None, Risk("credential-changed")] = Field(
        None,
        description="For whom: `client_credentials` (the default) for this client; `token_exchange` (RFC 8693) and "
        "`on_behalf_of` (RFC 7523, Entra) for the caller, whose own token is exchanged. A caller without one is denied then.",
    )
    # the path names whose tokens they are, on identity providers with many tenants
    token_url: Annotated[Url | None, Risk("credential-changed")] = Field(
        None, description="Where tokens are fetched, e.g. `https://login.example.com/oauth2/token`. This or `issuer`."
    )
    issuer: Annotated[Url | None, Risk("credential-changed")] = Field(
        None, description="The server of tokens, whose metadata on its own origin say where tokens are fetched."
    )
    client_id: Annotated[ShortText, Risk("credential-changed")] = Field(description="The client's id, as plain text.")
    client_auth: Annotated[
        Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "client_assertion"] | None,
        Risk("credential-changed"),
    ] = Field(
        None,
        description="How the client proves itself: by its secret in a header (`client_secret_basic`, the default) or in the "
        "form, by what its `private_key` signs, or by an assertion that somebody else makes (`client_assertion`).",
    )
    client_secret: Secret | None = Field(None, description="A reference to the client's secret.")
    private_key: Secret | None = Field(None, description="A reference to the client's private key, as PEM.")
    key_id: Annotated[ShortText | None, Risk("credential-changed")] = Field(
        None, description="The id of the private key, as the server of tokens knows it."
    )
    client_assertion: Secret | None = Field(
        None, description="A reference to a JWT that a platform makes for this client, e.g. `file:///var/run/token`."
    )
    resource: Annotated[Resource | None, Risk("credential-changed")] = Field(
        None,
        description="What the token is for (RFC 8707): `auto` (the default) names the server of an MCP connector and nothing "
        "for others, `none` leaves it out, as Entra wants it; or a URI.",
    )
    audience: Annotated[ShortText | None, Risk("credential-changed")] = Field(
        None, description="The audience to ask for, where the server of tokens wants one."
    )
    scopes: Annotated[ItemSet[ShortText], Risk("access-widened", by=other_scopes)] = Field(
        (), description="The scopes to ask for. Empty leaves them to the server."
    )

    cases: ClassVar = (
        Case(some=("token_url", "issuer"), says="`token_url` or `issuer` is required"),
        Case({"token_url": (GIVEN,)}, barred=("issuer",), says="`token_url` and `issuer` exclude each other"),
        *(_proof(way, needed) for way, needed in _PROOFS.items()),
        Case(
            {"client_auth": (None, *(way for way in _PROOFS if way != "private_key_jwt"))},
            barred=("key_id",),
            says="`key_id` has no meaning without `private_key`",
        ),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, by_cases(self, self.cases))


Auth: TypeAlias = Annotated[NoAuth | Bearer | ApiKey | Basic | OAuth2, Field(discriminator="type"), Health()]


def is_reference(value: Any) -> bool:
    """Whether a value is text that names a secret."""
    return isinstance(value, str) and value.partition("://")[0] in SCHEMES


def header_faults(headers: Mapping[str, Any]) -> Iterator[Fault]:
    """Headers that look secret need a reference or ``{plain: …}``; one name may not stand in two spellings."""
    seen: set[str] = set()
    for name, value in headers.items():
        if name.lower() in seen:
            yield Fault(
                ("headers", name), "duplicate-item", "this header stands here twice; case does not tell them apart"
            )
        seen.add(name.lower())
        secret = looks_secret(name) or name.lower().endswith("-key")
        if secret and isinstance(value, str) and not is_reference(value):
            message = (
                "a header of this name usually carries a secret: write a reference, or `{plain: …}` if it does not"
            )
            yield Fault(("headers", name), "plaintext-secret", message)
