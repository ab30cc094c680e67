"""The words of access: what a call does, how sensitive data is, and what a policy may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from reconciler.model.fields import Form, ItemSet, ModelText, Name, ShortText, fail
from reconciler.model.risk import BY_ACCESS, NoRisk

ACTIONS = ("query", "retrieve", "search", "list", "invoke", "write")
"""What a call does. It follows from the target: a caller never says it."""

CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
"""The least sensitive first."""

if TYPE_CHECKING:
    Action = str
    Classification = str
else:
    Action = Literal[ACTIONS]
    Classification = Literal[CLASSIFICATIONS]


APPROVED_CALL = "approved_call"
"""The server's own tool: it runs a call that was approved."""
RESERVED_TOOLS = frozenset({APPROVED_CALL})
"""Names of tools that the server gives to its own."""


def _tool_name(text: str) -> str:
    if text in RESERVED_TOOLS:
        raise fail("invalid-name", "the server has a tool of its own of this name; choose another")
    if "_" not in text and text == text.lower():
        raise fail(
            "invalid-name", "expected a name with an underscore or a capital, so that it is no other template's name"
        )
    if "__" in text:
        raise fail("invalid-name", "two underscores stand between a connector and its tool; write one")
    return text


ToolName: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$"),
    AfterValidator(_tool_name),
    Form(
        "tool_name",
        rf"^(?!(?:{'|'.join(sorted(RESERVED_TOOLS))})$)(?=.*[_A-Z])(?!.*__)[A-Za-z0-9_-]+$",
        "expected letters, digits, _ and -, with one _ or a capital at least, and no two _ beside each other",
    ),
]
"""The form that MCP's clients take, and that no template's name has."""
Role: TypeAlias = ShortText
Description: TypeAlias = Annotated[
    ModelText,
    NoRisk("people and agents read it, nothing is decided by it"),
    Field(
        description="What this is for, in a sentence that a colleague understands, and a model that chooses among tools."
    ),
]
"""Of what agents are told of."""
ForAgents: TypeAlias = Annotated[
    bool | None,
    Field(
        description="`false` keeps agents off: `serve` lists and calls nothing that goes through this, whatever policies allow, "
        "and `validate` doesn't ask whether the runtime could."
    ),
    BY_ACCESS,
]
"""Stands on what calls go through, as `runtime`; None is true."""
SharedWith: TypeAlias = ItemSet[Name]
