"""What an agent says about a call besides its values: the run that it belongs to, and a key against doing it twice."""

from __future__ import annotations

from typing import Any

from reconciler.codes import Code
from reconciler.runtime.gate import LONGEST_KEY, LONGEST_RUN, Labels, is_label, label_form

RUN_HEADER, KEY_HEADER = "x-run-id", "idempotency-key"


class BadLabel(Exception):
    """A label that can't be taken."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def labels(run: Any, key: Any, names: tuple[str, str] = ("X-Run-Id", "Idempotency-Key")) -> Labels:
    """Return both, "" for None. ``names`` are what the caller wrote them under. Raises BadLabel."""
    run = "" if run is None else run
    if not is_label(run, LONGEST_RUN):
        raise BadLabel("invalid-run", f"{names[0]} has {label_form(LONGEST_RUN)}.")
    key = "" if key is None else key
    key = key.strip() if isinstance(key, str) else key
    if not is_label(key, LONGEST_KEY):
        raise BadLabel("invalid-key", f"{names[1]} has {label_form(LONGEST_KEY)}.")
    return Labels(run, key)
