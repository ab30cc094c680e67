"""Bodies as stored, of any age, read by the current model: so that defaults and order can't cause a change."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from reconciler.errors import ReconcilerError, Refused
from reconciler.kinds.accept import Accepted, accept
from reconciler.kinds.parse import upgrade
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, digest
from reconciler.model.live import Applied, Row


class Normal(Struct, frozen=True):
    """``valid`` is false for a body that no longer parses; it is then kept as it stands, under ``""`` if it is no map."""

    body: Body
    digest: str
    valid: bool


def normal(stored: Row | Applied) -> Normal:
    """Raises Refused for a body that a newer tool wrote: an old one would strip what it doesn't know."""
    address, kind = stored.address, KINDS.get(stored.address.kind)
    if kind is not None and stored.spec_version > kind.spec_version:
        raise Refused(
            f"{address} was written by a newer reconciler (spec_version {stored.spec_version}, known up to {kind.spec_version})",
            code="newer-spec-version",
            hint="upgrade this reconciler",
        )
    raw = raw_body(stored)
    if not isinstance(raw, dict):
        return _broken({"": stored.text if raw is None else raw}, stored.text)
    if kind is None:
        return _broken(raw, stored.text)
    try:
        body = upgrade(kind, raw, stored.spec_version)
    except ReconcilerError:
        raise
    except Exception:
        # a step of an upgrade may count on what somebody has taken out of the body by hand
        return _broken(raw, stored.text)
    return parsed(address, body) or _broken(raw, stored.text)


def parsed(address: Address, raw: Body) -> Normal | None:
    """A body of the current ``spec_version`` as its spec writes it; None where it does not parse."""
    found = accept(KINDS[address.kind], raw, address)
    return Normal(found.body, found.digest, True) if isinstance(found, Accepted) else None


def raw_body(stored: Row | Applied) -> Any:
    """The body as JSON; None for what a database takes for JSON and we don't (a lone surrogate, 1e400)."""
    try:
        return stored.raw
    except ValueError:
        return None


def _broken(raw: Body, text: str) -> Normal:
    try:
        return Normal(raw, digest(raw), False)
    except TypeError:
        # nested more deeply than canonical JSON goes
        return Normal({"": text}, digest({"": text}), False)
