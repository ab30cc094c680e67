"""What a change may do that somebody should look at twice: named, so that people, guards and policies can go by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

RISKS: Mapping[str, str] = {
    "deletes": "a resource is deleted",
    "replaces": "a resource is deleted and another one takes its name",
    "overwrites-outside": "what somebody changed outside is overwritten",
    "protection-removed": "the protection against deletion is taken off",
    "takes-over": "another project loses a resource",
    "lets-go": "a resource stays, and nobody manages it any more",
    "credential-changed": "another credential is used, or another way to authenticate",
    "endpoint-host-changed": "requests, and credentials with them, go to another host",
    "command-changed": "another program is started",
    "read-only-removed": "writing becomes possible",
    "access-widened": "more can be reached, by more callers, or with fewer conditions",
    "approval-removed": "a tool no longer waits for a person",
    "pin-changed": "another definition of a tool is trusted, or any",
    "classification-lowered": "data counts as less sensitive",
    "encryption-weakened": "the connection is encrypted or verified less",
    "statement-changed": "a template runs something else",
    "limit-raised": "more may be used, or a limit is gone",
    "limit-lowered": "less may be used: callers may be refused",
}
"""Every risk, the gravest first: what it means, in a sentence."""

ABSENT: Any = None
"""What a side without a value is judged as: bodies hold no nulls."""

Judge = Callable[[Any, Any], Iterable[str]]
"""From the value before and the value after, either of them absent, to the names of risks."""


class RiskRule(Struct, frozen=True):
    """Judges what stands at ``path`` of a body, on both sides; a ``*`` stands for every key of a map.

    ``whole`` rules also judge creations and deletions, where one side is absent.
    """

    path: tuple[str, ...]
    judge: Judge
    whole: bool = False
