"""The errors of a document turned into names that stay the same while lines move, so that services can follow a problem."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

_WHAT = ("code", "file", "address", "path", "message")


def fingerprints(errors: Iterable[Mapping[str, Any]]) -> list[str]:
    """One hexadecimal text of 64 characters for each error (of ``problems.errors_json``), in their order.

    Line and column are not in it. What would be the same twice is counted, so that all of them differ.
    """
    seen: Counter[str] = Counter()
    named = []
    for error in errors:
        what = json.dumps([error[key] for key in _WHAT])
        seen[what] += 1
        named.append(sha256(f"{what}{seen[what]}".encode()).hexdigest())
    return named
