"""Compare a plan with the one that was reviewed: whether everything that it would do was seen."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.binding import names_meant
from reconciler.model.plan import SECRET_OPS, Change, Plan


class Difference(NamedTuple):
    """One address of which the two plans differ; a side is None where that plan leaves the address alone."""

    address: Address
    reviewed: Change | None
    current: Change | None


def differences(reviewed: Plan, current: Plan) -> Iterator[Difference]:
    """Yield each address at which ``current`` would do something else than ``reviewed`` showed, in order of addresses.

    A change that is only reviewed is no difference where both plans are of the same configuration: what it would
    write is live already.
    """
    before, now = ({change.address: change for change in plan.changes} for plan in (reviewed, current))
    seen = {(one.tenant, one.name): one.uid for one in reviewed.secrets}
    replaced = {one[:2] for one in current.secrets if seen.get((one.tenant, one.name), one.uid) != one.uid}
    is_same_configuration = reviewed.configuration == current.configuration
    for address in sorted({*before, *now}):
        old, new = before.get(address), now.get(address)
        if new is None and is_same_configuration:
            continue
        if old is None or new is None or _content(old) != _content(new) or _means(new, replaced):
            yield Difference(address, old, new)


def _means(change: Change, secrets: Set[tuple[str, str]]) -> bool:
    """Whether the body that is written refers to one of these secrets, given by tenant and name."""
    return bool(secrets) and any((change.address.tenant, name) in secrets for name in names_meant(change.after))


def _content(change: Change) -> tuple[Any, ...]:
    """Return what a change does, without where it was written, its risks and its status."""
    secrets = tuple(sorted((field.path, field.op) for field in change.fields if field.op in SECRET_OPS))
    outside = change.outside is not None
    return (
        *(change.action, change.previous, change.adopted_from, change.old_text, change.new_text),
        *(change.uid, change.restored_uid, change.reason, secrets, outside),
    )
