"""What an agent says about a call besides its values: the run that it belongs to, and a key against doing it twice."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.codes import Code

MAX_RUN, MAX_KEY = 128, 255
RUN_HEADER, KEY_HEADER = "x-run-id", "idempotency-key"


class Labels(NamedTuple):
    """``run`` is in evidence and decides nothing. A write that is sent again with the same ``key`` is not done again."""

    run: str = ""
    key: str = ""


class BadLabel(Exception):
    """A label that can't be taken."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def labels(run: Any, key: Any, names: tuple[str, str] = ("X-Run-Id", "Idempotency-Key")) -> Labels:
    """Return both, "" for None. ``names`` are what the caller wrote them under. Raises BadLabel."""
    run = "" if run is None else run
    if not isinstance(run, str) or len(run) > MAX_RUN or not run.isprintable():
        raise BadLabel("invalid-run", f"{names[0]} has at most {MAX_RUN} plain characters.")
    key = "" if key is None else key
    key = key.strip() if isinstance(key, str) else key
    if not isinstance(key, str) or len(key) > MAX_KEY or not (key.isascii() and key.isprintable()):
        raise BadLabel("invalid-key", f"{names[1]} has at most {MAX_KEY} plain characters.")
    return Labels(run, key)
