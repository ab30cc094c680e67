"""JSON bodies held against a template's JSON Schema."""

from __future__ import annotations

from typing import Any

from reconciler.kinds.schema_engine import schema_fault
from reconciler.model.target import Unfit

BODY = "body"


def body_fault(schema: Any, body: Any) -> Unfit | None:
    """Return the first fault of a body: its path, and what was expected there. Raises UnusableSchema."""
    return schema_fault(schema, body, BODY)
