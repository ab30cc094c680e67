"""One tool of an MCP server, as a reviewer lets agents call it, and the definition that was pinned."""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import BeforeValidator, Field, model_validator

from reconciler.kinds.connector.mcp_arguments import Argument
from reconciler.kinds.connector.mcp_definition import MEMBERS, Malformed, checked, digest_of
from reconciler.kinds.connector.mcp_widening import fewer, hides_text, sends_in_headers, widens
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Fault, settle
from reconciler.kinds.schema_engine import schema_fault
from reconciler.model.access import CLASSIFICATIONS, Classification
from reconciler.model.access import ToolName as ShownName
from reconciler.model.fields import ModelText, Private, ShortText, Whole, fail
from reconciler.model.judges import leaves_value, sinks
from reconciler.model.risk import BY_ACCESS, NoRisk, Risk
from reconciler.model.spec import Part

ToolName: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_./-]+$")]
Pin: TypeAlias = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
Danger: TypeAlias = Literal["low", "medium", "high", "critical"]
ArgumentName: TypeAlias = Annotated[ShortText, Field(min_length=1)]
LONGEST_SHOWN = 64
_ODD = re.compile(r"[^A-Za-z0-9_-]")


def _definition(value: Any) -> Any:
    if not isinstance(value, Mapping) or not {*MEMBERS.values()} >= value.keys():
        raise fail("invalid-definition", f"expected a map of {', '.join(MEMBERS.values())}, as `mcp pin` writes it")
    try:
        return dict(checked("tool", value).members)
    except Malformed as error:
        raise fail("invalid-definition", "{text}", text=f"no tool has this definition: {error}") from None


class Tool(Part):
    """A tool that may be called, and how dangerous that is."""

    requires_approval: Annotated[bool, Risk("approval-removed", by=leaves_value(True))] = Field(
        False, description="Whether a person has to approve each call. False by default."
    )
    risk: Annotated[Danger, Risk("access-widened", by=sinks(get_args(Danger)))] = Field(
        "medium", description="How much harm a call can do. Nobody has judged it yet: `medium`, the default."
    )
    read_only: Annotated[bool | None, BY_ACCESS] = Field(
        None,
        description="Whether a call changes nothing, as a reviewer judges it. Without it, the pinned `readOnlyHint: true` "
        "says so, and anything else may write.",
    )
    classification: Annotated[
        Classification | None, BY_ACCESS, Risk("classification-lowered", by=sinks(CLASSIFICATIONS))
    ] = Field(None, description="How sensitive what it reads is, where that is more than the connector says.")
    tool_name: Annotated[ShownName | None, Risk("statement-changed")] = Field(
        None, description="The name that agents see, where it is not to be CONNECTOR__TOOL."
    )
    arguments: Annotated[
        Annotated[dict[ArgumentName, Argument], Field(max_length=100), Whole()] | None,
        Risk("access-widened", by=fewer),
    ] = Field(
        None,
        description="Arguments that are fixed, come from who calls, or are narrowed, by the server's names of them.",
    )
    pin: Annotated[Pin | None, Risk("pin-changed")] = Field(
        None,
        description="The SHA-256 of the tool's whole definition. A tool that changes is no longer called until it is pinned.",
    )
    definition: Annotated[
        Annotated[dict[str, Any], BeforeValidator(_definition), Private(), Whole()] | None,
        Risk("tool-changed"),
        Risk("access-widened", by=widens),
        Risk("hidden-text", by=hides_text),
        Risk("value-in-header", by=sends_in_headers),
    ] = Field(None, description="What was pinned, as `reconciler mcp pin` found it; it comes from the lock.")
    description: Annotated[ModelText, NoRisk("people read it, nothing is decided by it")] = Field(
        "", description="What the tool is used for here."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if self.definition is not None and self.pin is None:
            yield Fault(
                ("definition",), "missing-field", "a definition stands beside its `pin`", "run `reconciler mcp pin`"
            )
        if self.definition is not None:
            yield from self._argument_faults(self.definition["input"])

    def _argument_faults(self, schema: Any) -> Iterator[Fault]:
        """Yield what the pinned schema says against what a reviewer says of an argument."""
        known = [*(schema.get("properties") or {})]
        is_open = schema.get("additionalProperties", not known) is not False or "patternProperties" in schema
        for name, one in (self.arguments or {}).items():
            if name not in known and not (is_open and not known):
                hint = near(name, known)
                yield Fault(("arguments", name), "undeclared-parameter", "the tool has no argument of this name", hint)
            elif one.const is not None and (unfit := _unfit(schema, name, one.const)):
                message = f"the tool does not take this value: {unfit}"
                yield Fault(("arguments", name, "const"), "parameter-mismatch", message)


def _unfit(schema: Any, name: str, value: Any) -> str | None:
    """Return why the schema of one argument does not take a value."""
    shared = {key: schema[key] for key in ("$schema", "$defs", "definitions") if key in schema}
    own = (schema.get("properties") or {}).get(name, True)
    fault = schema_fault({**shared, "properties": {name: own}}, {name: value}, "", foreign=True)
    return fault.message if fault else None


def edited(name: str, tool: Tool) -> bool:
    """Whether the definition is another one than the pin says."""
    return tool.definition is not None and tool.pin is not None and digest_of(name, tool.definition) != tool.pin


def shown_name(connector: str, name: str, own: str | None) -> str:
    """Return the name under which agents see a tool: letters, digits, _ and -, 64 at most, since clients take no other.

    A longer one ends in digits of its SHA-256.
    """
    found = own or _ODD.sub("_", f"{connector}__{name}")
    if len(found) <= LONGEST_SHOWN:
        return found
    return f"{found[: LONGEST_SHOWN - 9]}_{sha256(found.encode()).hexdigest()[:8]}"
