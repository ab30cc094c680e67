"""Connectors of type `mcp`: a server of the Model Context Protocol, with the tools that may be called."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from reconciler.kinds.connector.common import (
    Auth,
    CallSeconds,
    CallsPerMinute,
    Connector,
    Headers,
    NetworkExceptions,
    NoAuth,
    SecretOrPlain,
    header_faults,
    is_reference,
)
from reconciler.kinds.connector.mcp_tool import Tool, ToolName, edited, shown_name
from reconciler.kinds.rules import Bytes, Case, Fault, by_cases, settle
from reconciler.model.access import CLASSIFICATIONS, Classification
from reconciler.model.fields import Form, Items, Private, Replacing, ShortText, Text, Url, fail
from reconciler.model.judges import becomes, grown, other_references, sinks
from reconciler.model.risk import BY_ACCESS, Health, Risk
from reconciler.model.secret_text import secret_arguments


def _command(text: str) -> str:
    if re.search(r"[\s;|&<>$`'\"]", text):
        raise fail(
            "invalid-command", "expected one program, without arguments and shell syntax; arguments go into `args`"
        )
    return text


Variable: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Command: TypeAlias = Annotated[
    ShortText,
    AfterValidator(_command),
    Form("command", r"""^[^\s;|&<>$`'"]+$""", "expected one program; arguments go into `args`"),
]
Argument: TypeAlias = Annotated[Text, Private()]


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
    classification: Annotated[
        Classification | None, BY_ACCESS, Risk("classification-lowered", by=sinks(CLASSIFICATIONS))
    ] = Field(None, description="How sensitive what its tools read is. A tool may be more sensitive, and never less.")
    tools: Annotated[
        dict[ToolName, Tool], Field(max_length=1000), Risk("access-widened", by=grown(empty_is_all=False))
    ] = Field(
        default_factory=dict, description="The tools that may be called, by name. Empty (the default) allows none."
    )
    timeout_seconds: CallSeconds = 60
    max_response_bytes: Bytes = Field(
        5242880, description="The largest result of a call in bytes. The default is 5 MiB."
    )
    rate_limit: CallsPerMinute = 30
    network_exceptions: NetworkExceptions = ()

    cases: ClassVar = (
        Case(
            {"transport": ("stdio",)},
            "for the transport `stdio`",
            needed=("command",),
            barred=("url", "headers", "network_exceptions"),
        ),
        *(
            Case(
                {"transport": (one,)}, f"for the transport `{one}`", needed=("url",), barred=("command", "args", "env")
            )
            for one in ("streamable_http", "sse")
        ),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from header_faults(self.headers)
        yield from by_cases(self, self.cases)
        if self.transport == "stdio":
            if self.auth.type != "none":
                message = "`auth` has no meaning for the transport `stdio`; hand credentials over in `env`"
                yield Fault(("auth",), "conflicting-fields", message)
            yield from self._argument_faults()
        yield from self._tool_faults()

    def _tool_faults(self) -> Iterator[Fault]:
        shown: dict[str, str] = {}
        for name, tool in self.tools.items():
            if edited(name, tool):
                message = "the definition is not the one that its pin is the digest of"
                hint = "take it as `reconciler mcp pin` wrote it"
                yield Fault(("tools", name, "definition"), "lock-edited", message, hint)
            first = shown.setdefault(shown_name("", name, tool.tool_name), name)
            if first != name:
                message = f"agents would see `{first}` and this tool under one name"
                yield Fault(("tools", name), "duplicate-value", message, "give one of them a `tool_name`")
            own = tool.classification
            if own and self.classification and CLASSIFICATIONS.index(own) < CLASSIFICATIONS.index(self.classification):
                message = f"a tool is at least as sensitive as its connector, which is {self.classification}"
                yield Fault(("tools", name, "classification"), "conflicting-fields", message)

    def _argument_faults(self) -> Iterator[Fault]:
        message = "arguments are visible to every process; hand secrets over in `env`"
        references = (index for index, argument in enumerate(self.args) if is_reference(argument))
        for index in sorted({*secret_arguments(self.args), *references}):
            yield Fault(("args", index), "plaintext-secret", message)
