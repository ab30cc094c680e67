"""``serve.yaml``: what belongs to whoever runs the server, and never to a tenant."""

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from msgspec.structs import replace
from pydantic import AfterValidator, Field, ValidationError, model_validator

from reconciler.errors import ConfigurationInvalid, Place, Problem, Problems
from reconciler.kinds.rules import Fault, settle
from reconciler.kinds.schema import shown
from reconciler.kinds.wording import problem_of
from reconciler.load.notifications import RuntimeNotification
from reconciler.load.price_settings import PriceSettings
from reconciler.load.secret_settings import Variables
from reconciler.load.secret_values import secret_problems, without_doubles
from reconciler.load.source import read_source
from reconciler.model.fields import Cidr, Host, Items, ItemSet, Name, Port, Private, Public, ShortText, Text, Url, fail
from reconciler.model.spec import Part

Algorithm: TypeAlias = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Asymmetric ones only: who can verify a token must not be able to make one."""


TENANT = "${tenant}"
"""Stands for a tenant's name in a permitted folder."""


def _root(text: str) -> str:
    fixed, _, rest = text.partition(TENANT)
    if "${" in fixed + rest.replace(TENANT, ""):
        raise fail("unknown-variable", "a folder knows no variable but ${tenant}")
    if ".." in FilePath(rest).parts:
        raise fail("invalid-path", "below ${tenant} a folder takes no step up (`..`)")
    return text


def _absolute(text: str) -> str:
    if not FilePath(text).is_absolute() or ".." in FilePath(text).parts:
        raise fail("invalid-path", "expected an absolute path without a step up (`..`)")
    return text


Root: TypeAlias = Annotated[ShortText, AfterValidator(_root)]


class Listener(Part):
    """Where requests are taken."""

    host: Host = Field("127.0.0.1", description="The address to listen at.")
    port: Port = Field(8080, description="The port to listen at.")
    allowed_hosts: ItemSet[ShortText] = Field(
        (),
        description="Values of the Host header that are taken, besides the loopback's names, e.g. `agents.example.com`.",
    )
    allowed_origins: ItemSet[ShortText] = Field(
        (),
        description="Values of the Origin header that are taken, for browsers, besides the loopback's on a listener there; "
        "requests without one come from programs.",
    )


def _origin(text: str) -> str:
    if urlsplit(text).path not in ("", "/"):
        raise fail("invalid-url", "expected a URL without a path, such as https://agents.example.com")
    return text


class AgentsListener(Listener):
    """The agents' listener."""

    public_url: Annotated[Url, AfterValidator(_origin)] | None = Field(
        None,
        description="This server's address as agents know it, e.g. `https://agents.example.com`, for clients that find out "
        "where to log in. Tokens may name it, or its `/mcp`, as their audience. Without it, a request's Host says it.",
    )
    discovery: Literal["list", "search"] = Field(
        "list",
        description="How MCP clients learn of tools: `list` tells them all, `search` gives them `find_tools` and `call_tool`, for "
        "callers that have too many.",
    )


class DoorSettings(Part):
    """How much one listener takes at a time. What waits longest makes room: nobody is kept out by silent connections."""

    connections: Annotated[int, Field(ge=1, le=100_000)] = Field(4000, description="Open connections.")
    connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="Open connections from one address; all agents behind a proxy have its address."
    )
    requests: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="Requests under way; more are answered 503."
    )
    requests_per_caller: Annotated[int, Field(ge=1, le=100_000)] = Field(
        100, description="Requests of one caller under way; more are answered 429."
    )
    max_request_mib: Annotated[int, Field(ge=1, le=1024)] = Field(
        32, description="Size of a request of a model, in MiB. Any other request has at most 1 MiB."
    )
    header_seconds: Annotated[float, Field(gt=0, le=300)] = Field(
        10.0,
        description="Seconds until the headers of a request have to be there, also on a connection that is silent.",
    )


class Issuer(Part):
    """Whose tokens are trusted, and for whom they have to be made."""

    jwks_url: Url = Field(description="Where its public keys are, as a JSON Web Key Set.")
    issuer: ShortText = Field(description="The `iss` that its tokens carry.")
    audience: ShortText = Field(description="The `aud` that its tokens have to carry: this server's name there.")
    algorithms: Annotated[ItemSet[Algorithm], Field(min_length=1)] = Field(
        ("RS256",), description="The ways in which it signs."
    )


OperatorScope: TypeAlias = Literal["evidence", "operate", "approve", "metrics"]


class OperatorToken(Part):
    """A token of operators: its digest, and what it is good for."""

    # what stands here in a digest's place is mostly the token itself
    sha256: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$"), Private()] = Field(
        description="SHA-256 of the token, as 64 hexadecimal digits: the token itself stands nowhere."
    )
    scopes: Annotated[ItemSet[OperatorScope], Field(min_length=1)] = Field(
        description="What it may do: read evidence, operate (freeze, explain), approve, or read metrics (of all tenants)."
    )
    tenants: ItemSet[Name] = Field((), description="The tenants that it is for. Empty: all of them.")
    roles: ItemSet[ShortText] = Field(
        (), description="Roles by which its holder decides on approvals, as `approval.roles` of policies names them."
    )


class OperatorRoles(Part):
    """Where the roles of an operator stand in its token."""

    claim: ShortText = Field(description="The claim, a text or a list.")
    map: Annotated[dict[ShortText, ShortText], Field(min_length=1, max_length=1000)] = Field(
        description="Roles by values of the claim; other values give none."
    )


class OperatorIssuer(Issuer):
    """An issuer whose tokens prove operators, each by its own `sub`."""

    claims: Annotated[dict[ShortText, ShortText], Field(min_length=1, max_length=20)] = Field(
        description="What a token has to say to be an operator's, by claim: a text, or one of a list."
    )
    roles_from: OperatorRoles | None = Field(
        None, description="Where the roles stand by which it decides on approvals."
    )
    scopes: Annotated[ItemSet[OperatorScope], Field(min_length=1)] = Field(description="What its operators may do.")
    tenants: ItemSet[Name] = Field((), description="The tenants that they are for. Empty: all of them.")


class Operators(Listener):
    """The operators' listener; without it there is none."""

    port: Port = Field(8081, description="The port to listen at.")
    tokens: Annotated[dict[Name, OperatorToken], Field(min_length=1, max_length=1000)] = Field(
        description="Who may ask, by names of your own."
    )
    issuers: Annotated[dict[Name, OperatorIssuer], Field(max_length=100)] = Field(
        default_factory=dict, description="Issuers whose tokens prove operators, by names of your own."
    )


class StdioSettings(Part):
    """A program that connectors of the transport `stdio` may name, with all that it may be started with."""

    command: Annotated[ShortText, AfterValidator(_absolute)] = Field(
        description="The program's file, as an absolute path, e.g. `/opt/mcp/bin/mcp-server-git`."
    )
    args: Items[Text] = Field(
        (),
        description="Its arguments, one by one. `*` in one stands for any text without a step up (`..`); a connector that gives "
        "none gets these.",
    )
    env: ItemSet[ShortText] = Field((), description="Names of the variables that a connector may set.")
    sha256: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$"), Public()] | None = Field(
        None, description="The SHA-256 of the program's file; another file is not started."
    )
    processes: Annotated[int, Field(ge=1, le=200)] = Field(4, description="How many of it may run at the same time.")
    memory_mib: Annotated[int, Field(ge=16, le=1_048_576)] = Field(
        1024, description="How much memory each of its processes may take up, in MiB."
    )


class TenantPermits(Part):
    """What a tenant may use beyond what is public: its YAML chooses among it."""

    networks: ItemSet[Cidr] = Field((), description="Private networks that connectors' `network_exceptions` may name.")
    stdio: Annotated[dict[Name, StdioSettings], Field(max_length=1000)] = Field(
        default_factory=dict,
        description="Programs that MCP connectors may start, by names of your own, which connectors write as `command`.",
    )
    env: ItemSet[Variables] = Field(
        (),
        description="Variables of the server's environment that `env://` may name, or prefixes of them, e.g. `AGENTS_*` or "
        "`${TENANT}__*`.",
    )
    sqlite_roots: ItemSet[Root] = Field(
        (),
        description="Folders whose SQLite and DuckDB files connectors may open, e.g. `/srv/data/${tenant}`: `${tenant}` stands for "
        "the name of the connector's tenant.",
    )
    file_roots: ItemSet[Root] = Field(
        (),
        description="Folders that connectors of files may use as their `root`, or a folder in it, e.g. `/srv/files/${tenant}`.",
    )


class PermitSettings(TenantPermits):
    """What every tenant may use, and what single ones may use besides."""

    tenants: Annotated[dict[Name, TenantPermits], Field(max_length=10_000)] = Field(
        default_factory=dict, description="What single tenants may use besides, by their names."
    )


class Alarm(Part):
    """When the server says that its store needs room: in its log once an hour, and as a metric."""

    store_gib: Annotated[float, Field(gt=0)] = Field(20.0, description="More than this in the store, in GiB.")
    free_gib: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Less than this left where a SQLite file lies, in GiB."
    )


class ServeFile(Part):
    """The settings of one server."""

    version: Literal[1] = Field(description="Version of this format: 1.")
    store: ShortText | None = Field(
        None,
        description="URL of the runtime's own store, e.g. `sqlite:///runtime.db`; RECONCILER_RUNTIME_URL wins. Never the "
        "database of the configuration.",
    )
    agents: AgentsListener = Field(default_factory=AgentsListener, description="The listener for agents.")
    operators: Operators | None = Field(
        None, description="The listener for operators, metrics among it; off without this."
    )
    door: DoorSettings = Field(
        default_factory=DoorSettings, description="How many connections and requests each listener takes at a time."
    )
    issuers: dict[Name, Issuer] = Field(
        default_factory=dict, description="Issuers of tokens, as callers' `auth.jwt` names them."
    )
    permits: PermitSettings = Field(
        default_factory=PermitSettings, description="What tenants may use beyond what is public."
    )
    keep_days: Annotated[int, Field(ge=1, le=3650)] = Field(400, description="How many days evidence is kept.")
    keep_aggregates_days: Annotated[int, Field(ge=1, le=36500)] = Field(
        1100, description="How many days the counts of evidence by day are kept, which outlive it."
    )
    notifications: dict[Name, RuntimeNotification] = Field(
        default_factory=dict, description="Who is told of what the server notices, by names of your own."
    )
    alarm: Alarm = Field(default_factory=Alarm, description="When the server says that its store needs room.")
    prices: PriceSettings = Field(
        default_factory=PriceSettings,
        description="What models cost, where that differs from what comes with the program.",
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if self.operators and (self.operators.host, self.operators.port) == (self.agents.host, self.agents.port):
            yield Fault(("operators", "port"), "conflicting-fields", "operators and agents have listeners of their own")


def read_serve(path: FilePath) -> ServeFile:
    """Read serve.yaml. Raises ConfigurationInvalid with every problem and its place."""
    problems = Problems()
    source = read_source(path, problems)
    problems.raise_if_any()
    if source is None or len(source.documents) != 1:
        place = Place(str(path), 1, 1)
        hint = "write one document that says `version: 1`"
        raise ConfigurationInvalid(
            Problem("serve-file", f"{path} holds no settings, or several", place=place, hint=hint)
        )
    raw = source.documents[0].value
    secrets = [*secret_problems(source, source.documents[0])]
    try:
        file = ServeFile.model_validate(raw)
    except ValidationError as error:
        found = secrets
        for detail in error.errors(include_input=False, include_url=False):
            problem = replace(problem_of(ServeFile, raw, detail, ""), address=None)
            found.append(source.locate(problem, 0, problem.path, lambda place: shown((ServeFile,), raw, place)))
        raise ConfigurationInvalid(*map(source.masking, without_doubles(found))) from None
    if secrets:
        raise ConfigurationInvalid(*secrets)
    return file
