"""Convert a plan into the types of its JSON, and such a document back into a plan."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import orjson
from msgspec import UNSET, Raw, ValidationError, convert

from reconciler.codes import Code
from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.binding import Reviewed
from reconciler.model.body import canonical, digest_of_text, dotted
from reconciler.model.plan import (
    Action,
    Blocker,
    Cause,
    Change,
    Dependant,
    FieldChange,
    LeftOut,
    OutsideChange,
    Plan,
    Revision,
    Touch,
)
from reconciler.plan.document import (
    FORMAT_VERSION,
    AccessSummaryDocument,
    BlockerDocument,
    ChangeBody,
    DependantDocument,
    DriftDocument,
    EffectDocument,
    FieldDocument,
    LeftOutDocument,
    PlanDocument,
    ResourceChangeDocument,
    ReviewedDocument,
    RevisionDocument,
    SourceDocument,
    SummaryDocument,
    TouchDocument,
    WrittenDocument,
)
from reconciler.plan.effects import effects_document, read_effects
from reconciler.plan.selected import selection_document

_ACTIONS: dict[Action, tuple[Any, ...]] = {
    Action.CREATE: ("create",),
    Action.UPDATE: ("update",),
    Action.REPLACE: ("delete", "create"),
    Action.DELETE: ("delete",),
    Action.MOVE: ("no-op",),
    Action.ADOPT: ("no-op",),
    Action.FORGET: ("forget",),
}
NO_DIGITS = "0" * 64
_NULL = Raw(b"null")


def typed_plan(plan: Plan) -> PlanDocument[Any]:
    """Return the document without changes (its summary counts them), and with zeros for digests."""
    revision, effects = plan.revision, effects_document(plan.effects)
    return PlanDocument(
        format_version=FORMAT_VERSION,
        tool_version=plan.tool_version,
        project=plan.project,
        environment=plan.environment,
        lineage=plan.lineage,
        generation=plan.generation,
        apply_id=plan.apply_id,
        database=plan.database,
        database_state=cast(Any, plan.database_state),
        configuration=plan.configuration,
        operation=cast(Any, plan.operation),
        partial=plan.partial,
        desired_empty=plan.desired_empty,
        owned=plan.owned,
        tenants_gone=plan.tenants_gone,
        revision=RevisionDocument(revision.commit, revision.dirty) if revision else None,
        summary=_summary(plan),
        resource_changes=(),
        resource_drift=tuple(map(_drift_document, plan.outside)),
        dependants=tuple(DependantDocument(str(one), _texts(others)) for one, others in plan.dependants),
        notes=plan.notes,
        blockers=tuple(map(typed_blocker, plan.blockers)),
        selected=plan.selected,
        left_out=convert(selection_document(plan)["left_out"], tuple[LeftOutDocument, ...]),
        secrets=tuple(ReviewedDocument(*one) for one in plan.secrets) or UNSET,
        access_effects=convert(effects["access_effects"], tuple[EffectDocument, ...]),
        access_summary=convert(effects["access_summary"], AccessSummaryDocument),
        digest=NO_DIGITS,
        sources_digest=NO_DIGITS,
    )


def plan_of(document: PlanDocument[Any], changes: Sequence[Change | None]) -> Plan:
    """Return the plan of a document whose changes were converted. Raises ValueError for a malformed address, which None is."""
    if None in changes:
        raise ValueError("address")
    revision = document.revision
    return Plan(
        project=document.project,
        environment=document.environment,
        lineage=document.lineage,
        generation=document.generation,
        apply_id=document.apply_id,
        database=document.database,
        database_state=document.database_state,
        configuration=document.configuration,
        tool_version=document.tool_version,
        changes=tuple(cast(Sequence[Change], changes)),
        outside=tuple(map(_drift_from, document.resource_drift)),
        unchanged=document.summary.unchanged,
        owned=document.owned,
        tenants_gone=document.tenants_gone,
        desired_empty=document.desired_empty,
        operation=document.operation,
        partial=document.partial,
        revision=Revision(revision.commit, revision.dirty) if revision else None,
        dependants=tuple(
            Dependant(Address.parse(one.address), _addresses(one.refers_to)) for one in document.dependants
        ),
        notes=document.notes,
        selected=document.selected,
        left_out=tuple(LeftOut(one.why, one.count, _addresses(one.addresses)) for one in document.left_out),
        blockers=tuple(
            Blocker(cast(Code, one.code), one.message, one.hint, _address(one.address), _addresses(one.others))
            for one in document.blockers
        ),
        secrets=tuple(Reviewed(one.tenant, one.name, one.uid) for one in document.secrets or ()),
        effects=read_effects(document.access_effects, document.access_summary),
    )


def _summary(plan: Plan) -> SummaryDocument:
    return SummaryDocument(
        add=plan.added,
        change=plan.changed,
        destroy=plan.destroyed,
        move=sum(change.previous is not None for change in plan.changes),
        adopt=sum(change.adopted_from is not None or change.action is Action.ADOPT for change in plan.changes),
        forget=plan.count(Action.FORGET),
        unchanged=plan.unchanged,
    )


def typed_change(change: Change) -> ResourceChangeDocument:
    """Return the document of a change."""
    address = change.address
    tenant, kind, name = address
    old, new, outside = change.old_text, change.new_text, change.outside
    # most changes have none: a large plan doesn't repeat that of each
    sources = tuple([WrittenDocument(path, _place_document(place)) for path, place in change.sources])
    return ResourceChangeDocument(
        sources=sources or UNSET,
        address=str(address),
        previous_address=str(change.previous) if change.previous else None,
        tenant=tenant,
        type=kind,
        name=name,
        action=change.action.value,
        action_reason=change.reason,
        change=ChangeBody(_ACTIONS[change.action], _raw(old), _raw(new)),
        fields=tuple(map(_field_document, change.fields)),
        cause=change.cause.value,
        outside=TouchDocument(outside.by, outside.at) if outside else None,
        adopted_from=change.adopted_from,
        unchanged_fields=change.unchanged,
        risks=change.risks,
        status=change.status,
        uid=change.uid,
        restored_uid=change.restored_uid,
        row_version=change.row_version,
        before_digest=None if old is None else digest_of_text(old),
        after_digest=None if new is None else digest_of_text(new),
        explicit=change.explicit,
        source=_place_document(change.source) if change.source else None,
    )


def change_of(document: ResourceChangeDocument) -> Change:
    """Return the change of a document. Raises ValueError for a malformed address, ValidationError for a body that is none."""
    address = Address.parse(document.address)
    if address != (document.tenant, document.type, document.name):
        raise ValueError("address")
    outside, sources = document.outside, document.sources or ()
    return Change(
        address,
        _ACTION[document.action],
        _body(document.change.before, "before"),
        _body(document.change.after, "after"),
        fields=tuple(map(_field_from, document.fields)),
        previous=_address(document.previous_address),
        adopted_from=document.adopted_from,
        reason=document.action_reason,
        outside=Touch(outside.by, outside.at) if outside else None,
        uid=document.uid,
        restored_uid=document.restored_uid,
        row_version=document.row_version,
        explicit=_shared(document.explicit),
        source=_place_from(document.source),
        unchanged=document.unchanged_fields,
        risks=document.risks,
        status=document.status,
        sources=tuple([(one.path, _place(one.source)) for one in sources]),
    )


_ACTION = {action.value: action for action in Action}


def _raw(text: str | None) -> Raw:
    return _NULL if text is None else Raw(text.encode())


def _value(value: Any) -> Raw:
    return Raw(canonical(value).encode())


def _loaded(raw: Raw) -> Any:
    return orjson.loads(bytes(raw))


def _body(raw: Raw, side: str) -> str | None:
    """Raise ValidationError for a body that is neither a map nor null: its type takes any JSON."""
    text = str(raw, "utf-8")
    if text.startswith("{"):
        return text
    if text != "null":
        raise ValidationError(f"Expected `object | null` - at `$.change.{side}`")
    return None


@lru_cache(maxsize=4096)
def _shared(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return an equal value. Changes of one type mostly have the same paths: they share one value."""
    return paths


def _field_document(field: FieldChange) -> FieldDocument:
    return FieldDocument(
        path=field.path,
        field=dotted(field.path),
        op=cast(Any, field.op),
        before=_value(field.before),
        after=_value(field.after),
        cause=field.cause.value,
        source=_place_document(field.source) if field.source else None,
    )


def _field_from(document: FieldDocument) -> FieldChange:
    before, after = _loaded(document.before), _loaded(document.after)
    cause, source = Cause(document.cause), _place_from(document.source)
    return FieldChange(document.path, document.op, before, after, cause, source)


def _drift_document(change: OutsideChange) -> DriftDocument:
    return DriftDocument(
        address=str(change.address),
        type=change.address.kind,
        name=change.address.name,
        change=ChangeBody(
            ("delete",) if change.op == "deleted" else ("update",),
            _value(change.before),
            _value(change.after),
        ),
        fields=tuple(map(_field_document, change.fields)),
        by=change.touch.by,
        at=change.touch.at,
    )


def _drift_from(document: DriftDocument) -> OutsideChange:
    return OutsideChange(
        Address.parse(document.address),
        "deleted" if document.change.actions == ("delete",) else "changed",
        _loaded(document.change.before),
        _loaded(document.change.after),
        tuple(map(_field_from, document.fields)),
        Touch(document.by, document.at),
    )


def typed_blocker(blocker: Blocker) -> BlockerDocument:
    """Return the document of a blocker."""
    address = str(blocker.address) if blocker.address else None
    return BlockerDocument(blocker.code, blocker.message, blocker.hint, address, _texts(blocker.others))


def _place_document(place: Place) -> SourceDocument:
    return SourceDocument(place.file, place.line, place.column)


def _place(document: SourceDocument) -> Place:
    return Place(document.file, document.line, document.column)


def _place_from(document: SourceDocument | None) -> Place | None:
    return _place(document) if document else None


def _texts(addresses: Sequence[Address]) -> tuple[str, ...]:
    return tuple(map(str, addresses))


def _addresses(texts: Sequence[str]) -> tuple[Address, ...]:
    return tuple(map(Address.parse, texts))


def _address(text: str | None) -> Address | None:
    return Address.parse(text) if text else None
