"""The command that a plan prints when it was saved."""

from __future__ import annotations

import shlex

LEAD = "To apply exactly this: reconciler "


def printed(out: str) -> list[str]:
    """Return the arguments of the command that a plan ends with."""
    last = out.splitlines()[-1]
    assert last.startswith(LEAD)
    return shlex.split(last.removeprefix(LEAD))
