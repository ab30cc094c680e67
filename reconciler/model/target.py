"""What a kind says of its resources that can be called: what runs, what stands behind it, and which values it takes."""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from reconciler import strict_json
from reconciler.model.body import Body
from reconciler.strict_json import NotStrict

Look: TypeAlias = Callable[[str], Body | None]
"""Finds the body of `kind/name` in the same tenant; None for what is missing or not valid."""


class Identity(NamedTuple):
    """A caller as its credential proved it: its name, and the claims of its token."""

    name: str
    claims: Mapping[str, Any] = MappingProxyType({})


class Unfit(NamedTuple):
    """A refused value; ``message`` names parameters and never repeats a value."""

    parameter: str
    message: str


class NoClaim(Exception):
    """The caller's token lacks a claim that a parameter comes from: the call is denied."""


CLAIMS = "claims."
"""Begins the origin of a value that is a claim of the caller's token; the other origin is `caller.name`."""


def value_of(origin: str, identity: Identity) -> Any:
    """Return the value that a caller's identity gives. Raises NoClaim.

    Tokens are read by a library that takes more than strict JSON: a claim that is none is missing.
    """
    if origin == "caller.name":
        return identity.name
    claim = origin.removeprefix(CLAIMS)
    if identity.claims.get(claim) is None:
        raise NoClaim(f"the token has no claim {claim}")
    value = identity.claims[claim]
    try:
        strict_json.write(value)
    except NotStrict as error:
        raise NoClaim(f"the claim {claim}: {error}") from None
    return value


class Bound(NamedTuple):
    """The values of a call: every parameter by name (None is NULL), and a JSON body where the target takes one."""

    values: Mapping[str, Any]
    body: Any = None


class Inputs(Protocol):
    """The values that a target takes."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of what the caller gives; values that come from its identity are not part of it."""
        ...

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims of the caller's token that values come from."""
        ...

    @property
    def asks_identity(self) -> bool:
        """Whether any value comes from the caller's identity."""
        ...

    def identify(self, identity: Identity) -> Mapping[str, Any]:
        """Return the values that come from the caller's identity. Raises NoClaim."""
        ...

    def bind(self, given: Mapping[str, Any], identity: Identity) -> Bound | tuple[Unfit, ...]:
        """Return the values of a call, or every fault of what was given. Raises NoClaim before it looks at the values."""
        ...


class Operation(NamedTuple):
    """What a call of a target does.

    ``chain`` is `kind/name` of everything that the call goes through: the named resource first, the one that reaches the
    outside last. ``runs`` is the one of them whose body says what is done. ``writes``: it may change something.
    ``part`` is what of that body runs, where a resource has several parts that can be called, and ``part_name`` its name.
    ``obligations`` are what has to happen before it runs. ``alternatives`` are the targets of which a call takes one that the
    caller may use: it may make the call where there is one. ``asks`` are those of the chain that it makes calls of their own to.
    """

    chain: tuple[str, ...]
    runs: str
    action: str
    writes: bool
    inputs: Inputs
    part: Body | None = None
    part_name: str = ""
    obligations: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()


UNKNOWN, UNUSABLE, NOT_PINNED = "unknown-target", "unusable", "not-pinned"
"""Why a target can't be resolved: nothing has this name; something behind it is missing, or doesn't fit; or what it does was
never pinned."""
PARTS: Mapping[str, str] = {"tool": "connector"}
"""By the word of targets that are parts of a resource, WORD/NAME/PART: the kind of that resource."""
_PART = re.compile("[A-Za-z0-9_./-]{1,128}")


def is_part(text: str) -> bool:
    """Whether a text may be the name of a part of a resource."""
    return _PART.fullmatch(text) is not None


def part_uid(uid: str, part: str) -> str:
    """Return how a part of the resource with this uid is known, whatever the resource's name is now."""
    return f"{uid}/{part}"


PER_USER = frozenset({"token_exchange", "on_behalf_of"})
"""Grants of OAuth whose tokens are a caller's, made from the token that proved it."""
APPROVAL = "approval"
"""The obligation that a person approves a call before it runs."""

Resolve: TypeAlias = Callable[[str, str | None, Look], Operation | str]
"""From the name of a target (what follows its first word and the slash) and the action that a call asks for."""


def no_tools(name: str, body: Body) -> Iterable[tuple[str, str]]:
    """Return no tools: the default of a kind."""
    return ()


class Calls(Struct, frozen=True):
    """How the resources of a kind are called.

    ``word`` begins the names of their targets: WORD/NAME, or WORD/NAME/PART where a resource has ``parts`` that can be called.
    ``tools`` yields, from a resource's name and body, the targets that agents see as tools: the tool's name and the target's.
    """

    word: str
    resolve: Resolve
    tools: Callable[[str, Body], Iterable[tuple[str, str]]] = no_tools
    parts: Callable[[Body], Mapping[str, Body]] | None = None
    """The parts of a body by their names; what is called is one of them, and never the resource itself."""


def is_per_user(connector: Body) -> bool:
    """Whether a connector is reached with tokens that are made of its callers' own."""
    auth = connector.get("auth")
    return isinstance(auth, dict) and auth.get("grant") in PER_USER
