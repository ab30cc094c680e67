"""Connectors of type `mcp`: a server of the Model Context Protocol, with the tools that may be called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_validator

from reconciler.kinds.connector.common import (
    Auth,
    Connector,
    Headers,
    NetworkExceptions,
    NoAuth,
    SecretOrPlain,
    header_faults,
    is_reference,
)
from reconciler.kinds.rules import Bytes, Fault, PerMinute, Seconds, forbidden, required, settle
from reconciler.model.fields import Form, Items, ModelText, Private, Replacing, ShortText, Text, Url, fail
from reconciler.model.judges import becomes, grown, leaves_value, other_references, sinks
from reconciler.model.risk import Health, NoRisk, Risk
from reconciler.model.secret_text import secret_arguments
from reconciler.model.spec import Part


def _command(text: str) -> str:
    if re.search(r"[\s;|&<>$`'\"]", text):
        raise fail(
            "invalid-command", "expected one program, without arguments and shell syntax; arguments go into `args`"
        )
    return text


ToolName: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_./-]+$")]
Variable: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Command: TypeAlias = Annotated[
    ShortText,
    AfterValidator(_command),
    Form("command", r"""^[^\s;|&<>$`'"]+$""", "expected one program; arguments go into `args`"),
]
Argument: TypeAlias = Annotated[Text, Private()]
Pin: TypeAlias = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]


Danger: TypeAlias = Literal["low", "medium", "high", "critical"]


class Tool(Part):
    """A tool that may be called, and how dangerous that is."""

    requires_approval: Annotated[bool, Risk("approval-removed", by=leaves_value(True))] = Field(
        False, description="Whether a person has to approve each call. False by default."
    )
    risk: Annotated[Danger, Risk("access-widened", by=sinks(get_args(Danger)))] = Field(
        "medium", description="How much harm a call can do. Nobody has judged it yet: `medium`, the default."
    )
    pin: Annotated[Pin | None, Risk("pin-changed")] = Field(
        None,
        description="The SHA-256 of the tool's whole definition. A tool that changes is no longer called until it is pinned.",
    )
    description: Annotated[ModelText, NoRisk("people read it, nothing is decided by it")] = Field(
        "", description="What the tool is used for here."
    )


class Mcp(Connector):
    """A server of tools, over HTTP or as a child process."""

    type: Annotated[Replacing[Literal["mcp"]], Health()] = Field(description="A server of the Model Context Protocol.")
    transport: Annotated[
        Literal["streamable_http", "stdio", "sse"], Risk("command-changed", by=becomes("stdio")), Health()
    ] = Field(
        description="How the server is reached: `streamable_http`, `sse` (the older form), or `stdio` for a child process."
    )
    # hosts with many tenants tell them apart by the path
    url: Annotated[Url | None, Risk("access-widened")] = Field(
        None, description="The server's address. Required for `streamable_http` and `sse`."
    )
    command: Annotated[Command | None, Risk("command-changed"), Health()] = Field(
        None, description="The program to start. Required for `stdio`; the operator of the server permits programs."
    )
    args: Annotated[Items[Argument], Risk("command-changed"), Health()] = Field(
        (), description="The program's arguments. Never secrets: other processes can read them."
    )
    env: Annotated[
        dict[Variable, SecretOrPlain],
        Field(max_length=128),
        Risk("command-changed"),
        Risk("credential-changed", by=other_references),
        Health(),
    ] = Field(
        default_factory=dict,
        description="The program's environment; it inherits none. Each value is a reference, or `{plain: …}`.",
    )
    auth: Auth = Field(
        NoAuth(type="none"), description="How requests authenticate. `none` (the default) sends no credential."
    )
    headers: Headers = Field(
        default_factory=dict,
        description="Headers of every request. One that looks secret, such as `Authorization`, needs a reference or `{plain: …}`.",
    )
    tools: Annotated[
        dict[ToolName, Tool], Field(max_length=1000), Risk("access-widened", by=grown(empty_is_all=False))
    ] = Field(
        default_factory=dict, description="The tools that may be called, by name. Empty (the default) allows none."
    )
    timeout_seconds: Seconds = Field(60, description="How long one call may take, in seconds (1 to 3600).")
    max_response_bytes: Bytes = Field(
        5242880, description="The largest result of a call in bytes. The default is 5 MiB."
    )
    rate_limit: PerMinute = Field(30, description="How many calls are made per minute at most.")
    network_exceptions: NetworkExceptions = Field(
        (), description="Private networks and ports that may be reached. All other private addresses are refused."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from header_faults(self.headers)
        if self.transport == "stdio":
            yield from required(self, ("command",), "for the transport `stdio`")
            yield from forbidden(self, ("url", "headers", "network_exceptions"), "for the transport `stdio`")
            if self.auth.type != "none":
                message = "`auth` has no meaning for the transport `stdio`; hand credentials over in `env`"
                yield Fault(("auth",), "conflicting-fields", message)
            yield from self._argument_faults()
        else:
            yield from required(self, ("url",), f"for the transport `{self.transport}`")
            yield from forbidden(self, ("command", "args", "env"), f"for the transport `{self.transport}`")

    def _argument_faults(self) -> Iterator[Fault]:
        message = "arguments are visible to every process; hand secrets over in `env`"
        references = (index for index, argument in enumerate(self.args) if is_reference(argument))
        for index in sorted({*secret_arguments(self.args), *references}):
            yield Fault(("args", index), "plaintext-secret", message)
