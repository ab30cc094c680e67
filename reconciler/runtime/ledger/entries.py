"""The nouns of evidence and limits: what is written before a call, after it, and instead of it."""

from __future__ import annotations

import calendar
import os
import time
from collections.abc import Iterable
from typing import Literal, NamedTuple

from reconciler.model.price import PICO

PERIODS = {
    "second": "%Y-%m-%dT%H:%M:%S",
    "minute": "%Y-%m-%dT%H:%M",
    "hour": "%Y-%m-%dT%H",
    "day": "%Y-%m-%d",
    "month": "%Y-%m",
}
"""Fixed windows in UTC: how each is called, of the database's clock. Up to twice the limit may pass at an edge."""


METERED = frozenset({"tokens", "cost"})
"""Units of which a call reserves what it may use at most, and is charged what it used. Cost is in pico-dollars."""
HELD = " held"
"""Ends the unit of the counter of what is reserved: ``used`` and ``held`` are counters of their own, in the same window."""


class Level(NamedTuple):
    """One limit that a call counts against. ``per`` is "" for ``concurrent``; ``warns``: above it, the call passes all the same.

    ``counter`` is what is counted by, in the tenant: the uid of the target, so that another name of the target, or of the
    limit, resets nothing, and a name that is used again begins at zero. ``target`` is the name that evidence shows.
    """

    tenant: str
    target: str
    unit: str
    per: str
    cap: int
    warns: bool = False
    counter: str = ""
    amount: int = 1
    """What the call takes of it: 1 of requests and slots, tokens, or pico-dollars of cost."""
    expected: bool = False
    """Tokens and cost are reserved as they are expected, not as they are bounded (`reserve: expected`)."""

    @property
    def counts(self) -> str:
        """The key of counters and slots; the target's name where there is no uid (the tenant itself)."""
        return self.counter or self.target

    @property
    def held(self) -> Level:
        """The counter of what calls in flight have reserved."""
        return self._replace(unit=self.unit + HELD)


def is_metered(levels: Iterable[Level]) -> bool:
    """Whether a limit counts tokens or cost."""
    return any(level.unit in METERED for level in levels)


def amount_of(unit: str, n: int) -> int | float:
    """Return an amount as people read it: cost in US dollars."""
    return n / PICO if unit == "cost" else n


Chain = tuple[tuple[str, str], ...]
"""Addresses and uids of what a call goes through, the named target first."""


class Subject(NamedTuple):
    """Who called, as decisions see it. ``key`` is the id of an API key or `jwt:ISSUER`; ``roles`` are those of the token alone."""

    tenant: str
    caller: str
    uid: str = ""
    key: str = ""
    roles: tuple[str, ...] = ()


class Path(NamedTuple):
    """What was called, and what is behind it. ``project`` owns the named target: a generation in evidence is that of this project."""

    tenant: str
    target: str
    action: str
    connector: str
    project: str = ""
    chain: Chain = ()


class Policy(NamedTuple):
    """What decided: a policy, or the target of a freeze."""

    tenant: str
    name: str


class Use(NamedTuple):
    """The approval that a call uses; ``bound`` is the keyed hash of all that the approval holds for."""

    id: str
    bound: str


class Unapproved(NamedTuple):
    """The approval of a call does not count: it is used, expired, or another call's."""

    use: Use


class Hold(NamedTuple):
    """What one try of a model call may use at most: a row in the ledger from before the provider sees a byte until it is settled.

    ``call`` is the id of the intent, ``number`` that of the try, from 1. ``levels`` have the amounts that are held. ``tokens``
    and ``cost`` (pico-dollars) are the bounds that the provider has to keep, None where they are not known. ``integration`` is
    `integration/NAME`, ``uid`` its uid, ``route`` `route/NAME` or "". ``seconds`` is when the try is over at the latest.
    """

    call: str
    number: int
    tenant: str
    caller: str
    route: str
    model: str
    integration: str
    uid: str
    levels: tuple[Level, ...]
    seconds: float
    tokens: int | None = None
    cost: int | None = None

    @property
    def id(self) -> str:
        """The id of its answer, and of its slots."""
        return f"{self.call}#{self.number}"

    @property
    def is_metered(self) -> bool:
        """Whether a limit counts its tokens or its cost."""
        return is_metered(self.levels)


class Settlement(NamedTuple):
    """What a try was billed; None for both is not known, so that what was held is used."""

    hold: Hold
    tokens: int | None = None
    cost: int | None = None


class Intent(NamedTuple):
    """What is about to be done; durable before the outside sees a byte. ``seconds`` is when it is over at the latest."""

    id: str
    tenant: str
    caller: str
    run: str
    target: str
    connector: str
    action: str
    values: str
    policy: str
    generation: int
    drifted: bool
    seconds: float
    levels: tuple[Level, ...] = ()
    caller_uid: str = ""
    """Whose repeats they are: a key counts for this life of the caller, under any name."""
    repeat: str = ""
    """What the caller's Idempotency-Key was turned into; "" where there is none."""
    key: str = ""
    roles: tuple[str, ...] = ()
    project: str = ""
    chain: Chain = ()
    shadow: str = ""
    """What would have refused the call if it were enforced."""
    trace: str = ""
    """The trace id of the request (W3C), as 32 hexadecimal digits; "" without one."""
    use: Use | None = None
    """The approval that the call uses, where it needs one."""
    hold: Hold | None = None
    """What the first try of a model call reserves."""

    @property
    def subject(self) -> Subject:
        return Subject(self.tenant, self.caller, self.caller_uid, self.key, self.roles)

    @property
    def path(self) -> Path:
        return Path(self.tenant, self.target, self.action, self.connector, self.project, self.chain)


class Outcome(NamedTuple):
    """What came of a call.

    ``outcome`` is success, failure, timeout, blocked or unknown; ``code`` says more of what was no success. ``status`` is
    what an HTTP upstream answered, ``output_hash`` the keyed hash of the result (hexadecimal), ``kept`` the sealed result for
    the caller that repeats the call.
    """

    id: str
    outcome: str
    rows: int | None
    size: int
    duration_ms: int
    code: str = ""
    kept: bytes | None = None
    status: int | None = None
    output_hash: str = ""
    charged: Intent | None = None
    """The intent of a call that reached nothing: what it was charged is given back."""


class Denial(NamedTuple):
    """A refused call. ``reason`` is a code (``DENIALS``), ``detail`` what belongs to it: the limit, the repeated call.

    ``chain`` is empty for an unknown target; then ``target`` is as it was asked for, and may be made up.
    """

    id: str
    tenant: str
    caller: str
    target: str
    reason: str
    policy: str
    generation: int
    detail: str = ""
    run: str = ""
    action: str = ""
    uid: str = ""
    key: str = ""
    roles: tuple[str, ...] = ()
    project: str = ""
    connector: str = ""
    chain: Chain = ()

    @property
    def subject(self) -> Subject:
        return Subject(self.tenant, self.caller, self.uid, self.key, self.roles)

    @property
    def path(self) -> Path | None:
        """The known path, None for an unknown target."""
        if not self.chain:
            return None
        return Path(self.tenant, self.target, self.action, self.connector, self.project, self.chain)


DENIALS = (
    *("invalid-values", "limit-exceeded", "repeated", "many", "content-blocked"),
    *(
        "approval-required",
        "approval-denied",
        "approval-expired",
        "approval-used",
        "approval-stale",
        "too-many-approvals",
    ),
)
"""Reasons of refusals besides those of a decision; ``many`` counts targets that a caller tried one after the other."""


class DenialCount(NamedTuple):
    """How many refusals more the denial ``id`` stands for."""

    id: str
    n: int


class Refused(NamedTuple):
    """The limit that a call would have passed, and when it may be tried again.

    ``why`` is exceeded (it does not fit into what is left), busy (it fits once calls in flight are settled), unreachable (it
    can never fit) or blocked (the integration was billed more than a call had reserved, and nobody has acknowledged that).
    """

    level: Level
    retry_after: int
    why: Literal["exceeded", "busy", "unreachable", "blocked"] = "exceeded"


class Repeated(NamedTuple):
    """What a call with the same key has come to: done, running, unknown, or it was another call (reused)."""

    state: str
    id: str
    kept: bytes | None = None


def new_id() -> str:
    """Sorts by time: 56 bits of microseconds, then 72 random bits, as 32 hexadecimal digits."""
    try:
        drawn = _DRAWN.pop()
    except IndexError:
        drawn = _draw()
    return f"{time.time_ns() // 1_000:014x}{drawn}"


_DIGITS, _AT_ONCE = 18, 64
_DRAWN: list[str] = []
"""Random digits that no id has yet: asking the system for each id lets other threads take the interpreter, and waits for them."""
os.register_at_fork(after_in_child=_DRAWN.clear)


def _draw() -> str:
    """Return the digits of one id, and keep those of the next."""
    digits = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
    first, *others = (digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS))
    _DRAWN.extend(others)
    return first


def window(level: Level, now: float) -> str:
    """Return the name of the window that a time in seconds falls into; empty for slots."""
    return time.strftime(PERIODS[level.per], time.gmtime(now)) if level.per else ""


_LENGTHS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def wait(level: Level, now: float) -> int:
    """Seconds until the window ends, rounded up; 1 for what runs at the same time."""
    if not level.per:
        return 1
    if level.per == "month":
        at = time.gmtime(now)
        year, month = (at.tm_year + 1, 1) if at.tm_mon == 12 else (at.tm_year, at.tm_mon + 1)
        return max(1, int(calendar.timegm((year, month, 1, 0, 0, 0)) - now) + 1)
    length = _LENGTHS[level.per]
    return max(1, int(length - now % length + 0.999))
