"""A template's body turned into what running it does: callers don't say it, and neither do policies."""

from __future__ import annotations

from reconciler.model.body import Body

SAFE_METHODS = frozenset({"GET", "HEAD"})


def reads_only(body: Body) -> bool:
    """Whether running it changes nothing: a statement that only reads, or a request that is safe by its method."""
    if body.get("type") == "sql":
        return body.get("read_only") is True
    return body.get("type") == "http" and body.get("method") in SAFE_METHODS


def action_of(body: Body) -> str:
    """`query`, `retrieve`, or what the template says of itself where it only reads; `write` for anything else."""
    if not reads_only(body):
        return "write"
    said = body.get("action")
    return said if isinstance(said, str) else "query" if body["type"] == "sql" else "retrieve"
