"""A target turned into the tool that agents see: its name, what it is for, and the JSON Schema of its values."""

from __future__ import annotations

from typing import Any

from reconciler.access.target import Target


def tool_of(name: str, target: Target) -> dict[str, Any]:
    """As ``GET /v1/tools`` tells it."""
    return {
        "name": name,
        "description": target.description,
        "action": target.action,
        "read_only": not target.writes,
        "input_schema": target.input_schema,
    }
