"""What would change, as immutable values: the only thing that renderers and the executor see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import orjson
from msgspec import Struct
from msgspec.structs import force_setattr

from reconciler.codes import Code
from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.binding import Reviewed
from reconciler.model.body import Body, canonical
from reconciler.model.effects import Effects


class Action(Enum):
    """What happens to one address. ``before`` and ``after`` are the bodies that a change of this action carries.

    action   symbol   before   after
    create   +        None     desired
    update   ~        live     desired
    replace  -/+      live     desired     (a new uid)
    delete   -        live     None
    move     =>       live     live        (another name, same uid)
    adopt    <=       live     live        (another owner; live becomes the last applied)
    forget   .        live     live        (no owner; the row stays)
    """

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    MOVE = "move"
    ADOPT = "adopt"
    FORGET = "forget"

    __hash__ = object.__hash__
    """There is one object of each: Enum's own hash is slower, and asked for several times a change."""

    @property
    def symbol(self) -> str:
        return _SYMBOLS[self]

    @property
    def destroys(self) -> bool:
        """Whether the resource's present uid ends: what guards and protection are about."""
        return self is Action.DELETE or self is Action.REPLACE


_SYMBOLS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.MOVE: "=>",
    Action.ADOPT: "<=",
    Action.FORGET: ".",
}
BEGINNINGS = frozenset({Action.CREATE, Action.REPLACE})
"""The actions that begin a life."""
BODY_STAYS = frozenset({Action.MOVE, Action.ADOPT})
"""The actions that change another fact than the body."""


DELETED_OUTSIDE = "deleted-outside"
"""The reason of a change whose row somebody else deleted."""


class Cause(Enum):
    """Whose doing a difference is, judged by three values: last applied, live, desired."""

    CONFIGURATION = "configuration"
    OUTSIDE = "outside"
    BOTH = "both"
    TOOL = "tool"

    __hash__ = object.__hash__

    @property
    def is_outside(self) -> bool:
        return self in {Cause.OUTSIDE, Cause.BOTH}


class Touch(NamedTuple):
    """Who changed a row and when (ISO 8601, UTC); "unknown" where that was bypassed."""

    by: str = "unknown"
    at: str = "unknown"


REBOUND = "another-secret"
SECRET_OPS: Mapping[str, str] = MappingProxyType({"secret": "secret changed", REBOUND: "points to another secret"})
"""Operations on a field whose reference stays as it is, and what a report says of them."""


class FieldChange(Struct, frozen=True):
    """A change of one field; an absent side is None.

    ``op`` is add, remove, change, secret (the same reference, and a new value behind it) or another-secret (the same reference,
    and it points to another secret than the one that was applied).
    """

    path: Path
    op: str
    before: Any
    after: Any
    cause: Cause
    source: Place | None = None
    """Where the wanted value is written."""


class Blocker(Struct, frozen=True):
    """Why an apply of this plan would be refused, and what lifts it; ``others`` are further resources that it is about."""

    code: Code
    message: str
    hint: str = ""
    address: Address | None = None
    others: tuple[Address, ...] = ()


class Change(Struct, frozen=True):
    """One address: what happens, from what to what, why, and what has to hold in the database until then.

    ``old`` and ``new`` are canonical JSON (a body that is given becomes it): a plan of a hundred thousand changes holds
    no hundred thousand trees. ``risks`` are names of ``model.risk``, for whoever reads the plan: an apply judges anew.
    ``sources`` are the places of the fields that an author wrote, of a creation or a replacement (of an update, its
    ``fields`` have them); empty where a plan begins so many resources that finding them would cost too much.
    ``status`` is what operators decided about the resource, and what becomes of that: information, which no apply judges.
    ``uid`` is the live row's; ``restored_uid`` is the one that a creation or replacement brings back (a rollback does).
    """

    address: Address
    action: Action
    old: str | Body | None
    new: str | Body | None
    fields: tuple[FieldChange, ...] = ()
    previous: Address | None = None
    adopted_from: str | None = None
    reason: str = ""
    outside: Touch | None = None
    uid: str | None = None
    row_version: int | None = None
    explicit: tuple[Path, ...] = ()
    source: Place | None = None
    unchanged: int = 0
    restored_uid: str | None = None
    risks: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    sources: tuple[tuple[Path, Place], ...] = ()

    def __post_init__(self) -> None:
        if type(self.old) is dict:
            force_setattr(self, "old", canonical(self.old))
        if type(self.new) is dict:
            force_setattr(self, "new", canonical(self.new))

    @property
    def old_text(self) -> str | None:
        return cast("str | None", self.old)

    @property
    def new_text(self) -> str | None:
        return cast("str | None", self.new)

    @property
    def before(self) -> Body | None:
        """The body, read anew each time."""
        return None if self.old is None else orjson.loads(cast(str, self.old))

    @property
    def after(self) -> Body | None:
        """The body, read anew each time."""
        return None if self.new is None else orjson.loads(cast(str, self.new))

    @property
    def begins(self) -> bool:
        """Whether a resource comes into force that nobody applied before."""
        return self.action is Action.CREATE or self.adopted_from == ""

    @property
    def is_lost(self) -> bool:
        """Whether somebody else deleted the row, and only our record of it is left to go."""
        return self.action is Action.FORGET and self.reason == DELETED_OUTSIDE

    @property
    def lets_go(self) -> bool:
        """Whether a row stays and becomes nobody's."""
        return self.action is Action.FORGET and not self.is_lost

    @property
    def cause(self) -> Cause:
        """The causes of all fields as one; a change without fields is outside's or the configuration's."""
        if not self.fields:
            return Cause.OUTSIDE if self.outside else Cause.CONFIGURATION
        causes = {field.cause for field in self.fields}
        if len(causes) == 1:
            return causes.pop()
        outside = any(cause.is_outside for cause in causes)
        return Cause.BOTH if outside else Cause.CONFIGURATION


def count(changes: Iterable[Change], *actions: Action) -> int:
    """How many of the changes are of one of these actions."""
    return sum(map([change.action for change in changes].count, actions))


class OutsideChange(Struct, frozen=True):
    """A resource of ours that somebody changed, created anew or deleted by another way since it was last applied."""

    address: Address
    op: str
    before: Body | None
    after: Body | None
    fields: tuple[FieldChange, ...]
    touch: Touch


class Dependant(NamedTuple):
    """A resource that stays as it is and depends on one that changes; what it refers to of those that the plan tells."""

    address: Address
    refers_to: tuple[Address, ...]


class Selection(Struct, frozen=True):
    """What part of the project a plan is about; an empty set of one sort selects all of it, sorts narrow each other.

    ``excluded`` are patterns of addresses, as ignore rules have them.
    """

    paths: frozenset[Address] | None = None
    targets: frozenset[Address] = frozenset()
    tenants: frozenset[str] = frozenset()
    deletes: bool = True
    replaces: bool = True
    excluded: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        return self.paths is not None or bool(self.targets or self.tenants or self.excluded)

    def selects(self, address: Address) -> bool:
        return (
            (self.paths is None or address in self.paths)
            and (not self.targets or address in self.targets)
            and (not self.tenants or address.tenant in self.tenants)
            and not (self.excluded and self.excludes(address))
        )

    def selects_whole(self, group: Collection[Address]) -> bool:
        """Whether the group of a move is selected: by any of its addresses, and none is excluded."""
        return any(map(self.selects, group)) and not any(map(self.excludes, group))

    def excludes(self, address: Address) -> bool:
        return any(fnmatchcase(str(address), pattern) for pattern in self.excluded)


class LeftOut(Struct, frozen=True):
    """What a plan, or a look for drift, knows of and leaves out; ``addresses`` are the first of them.

    why            what is counted
    not-selected   changes of resources outside of the selection
    deletion       deletions that --no-delete or a PATH leaves out
    replacement    replacements that --no-delete leaves out
    not-compared   resources outside of the selection: too many may differ
    not-planned    problems for which the rest can't be planned
    drift          findings outside of the selection
    ignored        differing fields that ignore rules cover
    """

    why: str
    count: int
    addresses: tuple[Address, ...] = ()


class Revision(Struct, frozen=True):
    """The git commit that the configuration came from; None outside git."""

    commit: str
    dirty: bool = False


class Plan(Struct, frozen=True):
    """The difference between desired and live for one project, in the order in which it would be applied."""

    project: str
    environment: str | None
    lineage: str | None
    generation: int
    database: str
    database_state: str
    configuration: str
    tool_version: str
    changes: tuple[Change, ...]
    outside: tuple[OutsideChange, ...] = ()
    unchanged: int = 0
    owned: int = 0
    tenants_gone: tuple[str, ...] = ()
    desired_empty: bool = False
    partial: bool = False
    operation: str = "apply"
    revision: Revision | None = None
    dependants: tuple[Dependant, ...] = ()
    notes: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    """What was selected, in words; empty where it was everything."""
    left_out: tuple[LeftOut, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    effects: Effects = Effects()
    """Who may do what after it that may not do it now, and the other way round: information for people, an apply judges anew."""
    apply_id: str | None = None
    """The apply that made ``generation``: a restored database counts generations anew, and not in the same applies."""
    secrets: tuple[Reviewed, ...] = ()
    """Of a saved plan: the secrets of the database that its changes refer to."""

    def count(self, *actions: Action) -> int:
        return count(self.changes, *actions)

    @property
    def added(self) -> int:
        return self.count(Action.CREATE, Action.REPLACE)

    @property
    def changed(self) -> int:
        return self.count(Action.UPDATE)

    @property
    def destroyed(self) -> int:
        return self.count(Action.DELETE, Action.REPLACE)
