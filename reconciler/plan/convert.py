"""A plan into its JSON document and back; what comes back has been checked in form, not in truth."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import orjson
from pydantic import ValidationError

from reconciler.codes import Code
from reconciler.errors import IntegrityFailed, Path, Place
from reconciler.model.address import Address
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
from reconciler.plan.digests import digests_of
from reconciler.plan.document import (
    FORMAT_VERSION,
    NAMES,
    DriftDocument,
    PlanDocument,
)
from reconciler.plan.effects import effects_document, read_effects
from reconciler.plan.selected import selection_document
from reconciler.plan.version import of_another_format

_ACTIONS = {
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.DELETE: ["delete"],
    Action.MOVE: ["no-op"],
    Action.ADOPT: ["no-op"],
    Action.FORGET: ["forget"],
}


def to_document(plan: Plan) -> dict[str, Any]:
    """JSON as Python values, with its digests; secret references are in it, secrets never."""
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "tool_version": plan.tool_version,
        "project": plan.project,
        "environment": plan.environment,
        "lineage": plan.lineage,
        "generation": plan.generation,
        "apply_id": plan.apply_id,
        "database": plan.database,
        "database_state": plan.database_state,
        "configuration": plan.configuration,
        "operation": plan.operation,
        "partial": plan.partial,
        "desired_empty": plan.desired_empty,
        "owned": plan.owned,
        "tenants_gone": list(plan.tenants_gone),
        "revision": {"commit": plan.revision.commit, "dirty": plan.revision.dirty} if plan.revision else None,
        "summary": summary(plan),
        "resource_changes": [change_document(change) for change in plan.changes],
        "resource_drift": [_drift(change) for change in plan.outside],
        "dependants": [
            {"address": str(d.address), "refers_to": [str(a) for a in d.refers_to]} for d in plan.dependants
        ],
        "notes": list(plan.notes),
        "blockers": [blocker_document(blocker) for blocker in plan.blockers],
        **selection_document(plan),
        **effects_document(plan.effects),
    }
    content, sources = digests_of(document)
    return {**document, "digest": content, "sources_digest": sources}


def summary(plan: Plan) -> dict[str, int]:
    return {
        "add": plan.added,
        "change": plan.changed,
        "destroy": plan.destroyed,
        "move": sum(change.previous is not None for change in plan.changes),
        "adopt": sum(change.adopted_from is not None or change.action is Action.ADOPT for change in plan.changes),
        "forget": plan.count(Action.FORGET),
        "unchanged": plan.unchanged,
    }


def change_document(change: Change) -> dict[str, Any]:
    address = change.address
    # most changes have none, and a large plan says of none that it has none
    written = {"sources": [{"path": [*path], "source": place_document(place)} for path, place in change.sources]}
    return {
        **(written if change.sources else {}),
        "address": str(address),
        "previous_address": str(change.previous) if change.previous else None,
        "mode": "managed",
        "tenant": address.tenant,
        "type": address.kind,
        "name": address.name,
        "action": change.action.value,
        "action_reason": change.reason,
        "change": {"actions": _ACTIONS[change.action], "before": change.before, "after": change.after},
        "fields": [_field(field) for field in change.fields],
        "cause": change.cause.value,
        "outside": change.outside._asdict() if change.outside else None,
        "adopted_from": change.adopted_from,
        "unchanged_fields": change.unchanged,
        "risks": list(change.risks),
        "status": list(change.status),
        "uid": change.uid,
        "restored_uid": change.restored_uid,
        "row_version": change.row_version,
        "before_digest": None if change.old_text is None else digest_of_text(change.old_text),
        "after_digest": None if change.new_text is None else digest_of_text(change.new_text),
        "explicit": [list(path) for path in change.explicit],
        "source": place_document(change.source),
    }


def blocker_document(blocker: Blocker) -> dict[str, Any]:
    address = str(blocker.address) if blocker.address else None
    return {
        "code": blocker.code,
        "message": blocker.message,
        "hint": blocker.hint,
        "address": address,
        "others": [str(other) for other in blocker.others],
    }


def _field(field: FieldChange) -> dict[str, Any]:
    return {
        "path": list(field.path),
        "field": dotted(field.path),
        "op": field.op,
        "before": field.before,
        "after": field.after,
        "cause": field.cause.value,
        "source": place_document(field.source),
    }


def _drift(change: OutsideChange) -> dict[str, Any]:
    return {
        "address": str(change.address),
        "type": change.address.kind,
        "name": change.address.name,
        "change": {
            "actions": ["delete"] if change.op == "deleted" else ["update"],
            "before": change.before,
            "after": change.after,
        },
        "fields": [_field(field) for field in change.fields],
        "by": change.touch.by,
        "at": change.touch.at,
    }


def place_document(place: Place | None) -> dict[str, Any] | None:
    return {"file": place.file, "line": place.line, "column": place.column} if place else None


def from_document(document: Any) -> Plan:
    """Raises IntegrityFailed where the form is not that of a plan, or the digest is not that of the content; PlanStale
    for a plan of another format.

    What the document says twice (Terraform's actions, counts, digests of bodies) has to agree, since policies read one
    of the two and an apply does the other.
    """
    if (other := of_another_format(document)) is not None:
        raise other
    try:
        parsed = PlanDocument.model_validate(document)
    except ValidationError as error:
        raise _malformed(error) from None
    try:
        fits = digests_of(document) == (parsed.digest, parsed.sources_digest)
    except TypeError:  # nested more deeply than canonical JSON goes
        fits = False
    if not fits:
        raise IntegrityFailed(
            "the plan was changed after it was written: its digest does not match its content",
            code="plan-tampered",
            hint="make the plan again with `reconciler plan --out FILE`",
        )
    try:
        plan = _plan(parsed)
    except ValueError:
        raise IntegrityFailed("the plan holds a malformed address", code="plan-malformed") from None
    again = to_document(plan)
    if (again["digest"], again["sources_digest"]) != (parsed.digest, parsed.sources_digest):
        raise IntegrityFailed(
            "the plan contradicts itself: what it shows is not what it would do",
            code="plan-tampered",
            hint="make the plan again with `reconciler plan --out FILE`",
        )
    return plan


def _malformed(error: ValidationError) -> IntegrityFailed:
    """Names the first place that is wrong, by the names of the format only: others may have written the rest."""
    first = error.errors(include_input=False, include_url=False)[0]
    known = [part for part in first["loc"] if isinstance(part, int) or part in NAMES]
    where = ".".join(str(part) for part in known) or "the file"
    return IntegrityFailed(
        f"this is not a plan that reconciler wrote: {where} is not as expected",
        code="plan-malformed",
        hint="make the plan again with `reconciler plan --out FILE`",
    )


def _plan(parsed: PlanDocument) -> Plan:
    return Plan(
        project=parsed.project,
        environment=parsed.environment,
        lineage=parsed.lineage,
        generation=parsed.generation,
        apply_id=parsed.apply_id,
        database=parsed.database,
        database_state=parsed.database_state,
        configuration=parsed.configuration,
        tool_version=parsed.tool_version,
        changes=tuple(read_change(one.model_dump()) for one in parsed.resource_changes),
        outside=tuple(_read_drift(change) for change in parsed.resource_drift),
        unchanged=parsed.summary.unchanged,
        owned=parsed.owned,
        tenants_gone=tuple(parsed.tenants_gone),
        desired_empty=parsed.desired_empty,
        operation=parsed.operation,
        partial=parsed.partial,
        revision=Revision(parsed.revision.commit, parsed.revision.dirty) if parsed.revision else None,
        dependants=tuple(
            Dependant(Address.parse(d.address), tuple(Address.parse(a) for a in d.refers_to)) for d in parsed.dependants
        ),
        notes=tuple(parsed.notes),
        selected=tuple(parsed.selected),
        left_out=tuple(
            LeftOut(one.why, one.count, tuple(map(Address.parse, one.addresses))) for one in parsed.left_out
        ),
        blockers=tuple(
            Blocker(
                cast(Code, b.code),
                b.message,
                b.hint,
                Address.parse(b.address) if b.address else None,
                tuple(map(Address.parse, b.others)),
            )
            for b in parsed.blockers
        ),
        effects=read_effects(parsed.access_effects, parsed.access_summary),
    )


def from_envelope(envelope: dict[str, Any]) -> Plan | None:
    """The plan of a document without its changes; None where it is none."""
    try:
        return _plan(PlanDocument.model_validate(envelope))
    except (ValidationError, ValueError):
        return None


def read_change(read: dict[str, Any]) -> Change:
    """Of a valid ``ResourceChangeDocument``, as plain values. Raises ValueError for what is no address."""
    address = Address.parse(read["address"])
    if [*address] != [read["tenant"], read["type"], read["name"]]:
        raise ValueError("address")
    body, outside = read["change"], read["outside"]
    return Change(
        address=address,
        action=Action(read["action"]),
        old=body["before"],
        new=body["after"],
        fields=_read_fields(read["fields"]),
        previous=Address.parse(read["previous_address"]) if read["previous_address"] else None,
        adopted_from=read["adopted_from"],
        reason=read["action_reason"],
        outside=Touch(outside["by"], outside["at"]) if outside else None,
        uid=read["uid"],
        restored_uid=read["restored_uid"],
        row_version=read["row_version"],
        explicit=paths_of(canonical(read["explicit"])),
        source=_read_place(read["source"]),
        unchanged=read["unchanged_fields"],
        risks=tuple(read["risks"]),
        status=tuple(read["status"]),
        sources=tuple((tuple(one["path"]), Place(**one["source"])) for one in read.get("sources") or ()),
    )


@lru_cache(maxsize=4096)
def paths_of(text: str) -> tuple[Path, ...]:
    """Of JSON; raises ValueError for what holds no paths. Changes of one type mostly have the same: they share one value."""
    paths = orjson.loads(text)
    if type(paths) is not list or not all(type(path) is list and {*map(type, path)} <= {str, int} for path in paths):
        raise ValueError("paths")
    return tuple(tuple(path) for path in paths)


def _read_fields(fields: list[dict[str, Any]]) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(tuple(f["path"]), f["op"], f["before"], f["after"], Cause(f["cause"]), _read_place(f["source"]))
        for f in fields
    )


def _read_place(read: dict[str, Any] | None) -> Place | None:
    return Place(read["file"], read["line"], read["column"]) if read else None


def _read_drift(read: DriftDocument) -> OutsideChange:
    op = "deleted" if read.change.actions == ["delete"] else "changed"
    touch = Touch(read.by, read.at)
    return OutsideChange(
        Address.parse(read.address),
        op,
        read.change.before,
        read.change.after,
        _read_fields([f.model_dump() for f in read.fields]),
        touch,
    )
