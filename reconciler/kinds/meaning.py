"""What a stored body means: read by the current model, so that defaults, order and age can't cause a change.

The one judge of "is this what was applied?", for plan, drift, apply, `serve` and `access explain`. It is also the one way
from stored text to a body that may be shown: what is not valid comes out masked.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from reconciler.errors import Problem, ReconcilerError, Refused
from reconciler.kinds.accept import Accepted, accept, written
from reconciler.kinds.faults import masking_of
from reconciler.kinds.mask import Masking
from reconciler.kinds.parse import upgrade
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, digest
from reconciler.model.kind import Kind
from reconciler.model.live import Applied, Row


class Normal(Struct, frozen=True):
    """``valid`` is false for a body that no longer parses; it is then masked, under ``""`` if it is no map."""

    body: Body
    digest: str
    valid: bool


def as_applied(row: Row, applied: Applied) -> bool:
    """Whether a row is the one that was applied, and means what was applied.

    The witness answers for most rows; where it doesn't fit (an edit that changed no meaning, an adoption), the bodies do.
    A record that was forged proves nothing. Raises Refused, as ``normal``.
    """
    if row.uid != applied.uid or applied.forged:
        return False
    if row.spec_version == applied.spec_version and row.witness is not None and row.witness == applied.witness:
        return True
    return normal(row).digest == normal(applied).digest


def normal(stored: Row | Applied) -> Normal:
    """Return the normal form of a stored body. Raises Refused for one that a newer tool wrote: an old one would strip it."""
    address, kind = stored.address, KINDS.get(stored.address.kind)
    if kind is not None and stored.spec_version > kind.spec_version:
        raise Refused(
            f"{address} was written by a newer reconciler (spec_version {stored.spec_version}, known up to {kind.spec_version})",
            code="newer-spec-version",
            hint="upgrade this reconciler",
        )
    raw = raw_body(stored)
    if kind is None or not isinstance(raw, dict):
        return _unread(stored)
    try:
        body = upgrade(kind, raw, stored.spec_version)
    except ReconcilerError:
        raise
    except Exception:
        # a step of an upgrade may count on what somebody has taken out of the body by hand
        return _unread(stored)
    found = accept(kind, body, address, written(body))
    if isinstance(found, Accepted):
        return Normal(found.body, found.digest, True)
    return _invalid(kind, body, found, stored)


def shown_body(stored: Row | Applied) -> Body:
    """Return the body as it may be shown, also where a newer tool wrote it: nothing of that is known, and all of it is masked."""
    try:
        return normal(stored).body
    except Refused:
        return _unread(stored).body


def shown_past(address: Address, body: Body, spec_version: int, mask_key: bytes) -> Body:
    """Return a body of history as it may be shown: as it was kept if it is valid, for older reconcilers kept what somebody typed."""
    stored = Applied(address, "", canonical(body), spec_version, "", 0, mask_key=mask_key)
    try:
        found = normal(stored)
    except Refused:
        found = _unread(stored)
    return body if found.valid else found.body


def parsed(address: Address, raw: Body) -> Normal | None:
    """Return a body of the current ``spec_version`` as its spec writes it; None where it does not parse."""
    found = accept(KINDS[address.kind], raw, address, written(raw))
    return Normal(found.body, found.digest, True) if isinstance(found, Accepted) else None


def raw_body(stored: Row | Applied) -> Any:
    """Return the body as JSON, never to be shown; None for what a database takes for JSON and we don't (a lone surrogate, 1e400)."""
    try:
        return stored.raw
    except ValueError:
        return None


def _invalid(kind: Kind, body: Body, problems: tuple[Problem, ...], stored: Row | Applied) -> Normal:
    masking = masking_of(kind, body, problems, stored.address, stored.mask_key)
    return _broken(masking.body(body), masking, stored)


def _unread(stored: Row | Applied) -> Normal:
    """Return a body that no spec has looked at."""
    masking = Masking(stored.address.tenant, stored.mask_key, ())
    raw = raw_body(stored)
    if isinstance(raw, dict):
        return _broken(masking.body(raw), masking, stored)
    return _broken({"": masking.whole(stored.text if raw is None else raw)}, masking, stored)


def _broken(masked: Body, masking: Masking, stored: Row | Applied) -> Normal:
    try:
        return Normal(masked, digest(masked), False)
    except TypeError:
        # nested more deeply than canonical JSON goes
        whole: Body = {"": masking.whole(stored.text)}
        return Normal(whole, digest(whole), False)
