"""Convert a plan into the Python values of its JSON, and back; reading checks the form, not the truth."""

from __future__ import annotations

from typing import Any

import orjson
from msgspec import ValidationError

from reconciler.errors import IntegrityFailed
from reconciler.model.plan import Blocker, Change, Plan
from reconciler.plan.codec import AGAIN, Believed, changed, place_of, read
from reconciler.plan.digests import Digests, Hashing, counted
from reconciler.plan.text import CHANGES, in_order
from reconciler.plan.typed import typed_blocker, typed_change, typed_plan
from reconciler.plan.version import of_another_format


def to_document(plan: Plan) -> dict[str, Any]:
    """Return the document of a plan with its digests. It has secret references, never secrets."""
    return {**envelope_of(plan, digests_of(plan)), CHANGES: [*map(change_document, plan.changes)]}


def digests_of(plan: Plan) -> Digests:
    """Return both digests of a plan's document."""
    hashing = Hashing(typed_plan(plan))
    for change in plan.changes:
        hashing.add(counted(typed_change(change)))
    return hashing.result()


def envelope_of(plan: Plan, digests: Digests) -> dict[str, Any]:
    """Return the document without its changes."""
    stated = {"digest": digests.content, "sources_digest": digests.sources}
    return {**_values(typed_plan(plan)), **stated}


def change_document(change: Change) -> dict[str, Any]:
    """Return one of the document's ``resource_changes``."""
    return _values(typed_change(change))


def blocker_document(blocker: Blocker) -> dict[str, Any]:
    """Return one of the document's ``blockers``."""
    return _values(typed_blocker(blocker))


def _values(typed: Any) -> dict[str, Any]:
    values: dict[str, Any] = orjson.loads(in_order(typed))
    return values


def believed(document: Any) -> Believed:
    """Return the plan of a document, with its digests and its signature.

    Values that the document has twice (Terraform's actions, counts, digests of bodies) must agree: a policy reads one
    of the two, an apply the other. Raises IntegrityFailed where it is none, or was changed; PlanStale for another format.
    """
    if (other := of_another_format(document)) is not None:
        raise other
    try:
        return read(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).believed()
    except ValidationError as error:
        message = f"this is not a plan that reconciler wrote: {place_of(error)} is not as expected"
        raise IntegrityFailed(message, code="plan-malformed", hint=AGAIN) from None
    except (TypeError, RecursionError):  # nested more deeply than canonical JSON may be
        raise changed() from None
