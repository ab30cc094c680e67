"""What callers may do after a plan and may not do before it, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, field

from reconciler.model.address import Address

WIDENED, NARROWED = "access-widened", "access-narrowed"
"""The risks of the changes that effects come from."""


class Reach(NamedTuple):
    """One action on one target, by the target's name after the plan, or before it where that is what is lost.

    ``policy`` is the one that decides after the plan, if one does. ``through`` names what the call runs or reaches, a template or a
    connector, where that is another one than before. ``approval`` says who has to approve the call after the plan ("" for
    nobody): what is gained is gained after that, and what is lost is the call without it.
    """

    action: str
    target: str
    policy: str | None
    through: str | None = None
    approval: str = ""


class Effect(Struct, frozen=True):
    """What one caller may do that it may not do now (``widened``), or may no longer do.

    ``roles``: the caller's token has to bring them (``roles_from``). ``way``: it holds only for callers that prove who they are
    this way, ``api_key`` or ``jwt``. ``reaches`` are the first of ``count``; ``causes`` are changes of the plan, the first of them.
    """

    tenant: str
    caller: str
    widened: bool
    reaches: tuple[Reach, ...]
    count: int
    causes: tuple[Address, ...]
    roles: tuple[str, ...] = ()
    way: str | None = None


class Effects(Struct, frozen=True):
    """``listed`` are the first of ``subjects`` effects. ``widened`` and ``narrowed`` count every pair of caller and target."""

    listed: tuple[Effect, ...] = ()
    subjects: int = 0
    widened: int = 0
    narrowed: int = 0


class Judged(Struct, frozen=True):
    """The effects of some changes, the risks that the causing ones get from them, and what was left uncompared, in words."""

    effects: Effects = field(default_factory=Effects)
    risks: Mapping[Address, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
