"""Named points at which a test may kill, fail or delay the process: RECONCILER_FAILPOINT=name:action:n."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from reconciler.errors import UsageError

NAMES = (
    "before_lock",
    "after_lock",
    "before_stmt",
    "after_stmt",
    "before_audit",
    "after_audit",
    "before_commit",
    "after_commit",
    "before_plan_rename",
    "after_plan_rename",
)
"""Of the commands that plan and apply."""
SERVE_NAMES = ("after_intent", "after_effect", "before_outcome")
"""Of a call that ``serve`` mediates."""

Hit: TypeAlias = Callable[[str], None]
_hits: Counter[str] = Counter()


class FailpointRaised(Exception):
    """What the action ``raise`` raises: a failure that nobody expects."""


def parse(setting: str) -> tuple[str, str, int]:
    """Split ``name:action[:n]``; the action is ``kill``, ``stop``, ``raise`` or ``sleep:<seconds>``. Raises ValueError."""
    name, _, rest = setting.partition(":")
    action, _, count = rest.partition(":")
    if action == "sleep":
        seconds, _, count = count.partition(":")
        action = f"sleep:{float(seconds)}"
    names = NAMES + SERVE_NAMES
    if name not in names or action.partition(":")[0] not in {"kill", "stop", "raise", "sleep"}:
        raise ValueError(f"expected name:kill|stop|raise|sleep:<s>[:n] with a name of {', '.join(names)}")
    return name, action, int(count or 1)


def armed() -> Hit:
    """Return ``hit`` where a failpoint is set now, else what does nothing: a call asks for three, and the environment is slow."""
    return hit if os.environ.get("RECONCILER_FAILPOINT") else _nothing


def _nothing(_name: str) -> None:
    return None


def hit(name: str) -> None:
    """Do what RECONCILER_FAILPOINT says at the n-th hit of ``name``; without the variable it does nothing."""
    setting = os.environ.get("RECONCILER_FAILPOINT")
    if not setting:
        return
    try:
        wanted, action, nth = parse(setting)
    except ValueError as error:
        raise UsageError(f"RECONCILER_FAILPOINT: {error}") from None
    if name != wanted:
        return
    _hits[name] += 1
    if _hits[name] != nth:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    if action == "raise":
        raise FailpointRaised(name)
    time.sleep(float(action.partition(":")[2]))
