"""Equal changes in many tenants as one group: shown once, with the names of all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter
from typing import Any

from reconciler.model.body import canonical
from reconciler.model.plan import Change
from reconciler.patterns import regex
from reconciler.render.plan_json import PlanJson

MOST = 20_000
"""Changes of a plan in which groups are looked for everywhere; in a larger one text looks at neighbours only."""
TENANTS = 8
_APART = {
    "address", "tenant", "previous_address", "uid", "row_version", "restored_uid", "before_digest", "after_digest",
    "source", "sources",
}  # fmt: skip
"""What belongs to one resource, and says nothing about what changes."""
_REFERENCE = regex(r'"(?:vault|encrypted|env|aws-sm)://[^"]*"')


def digest_of(change: PlanJson) -> bytes:
    """Equal for changes that differ in nothing that is shown, but for their tenants' own names in secret references."""
    kept = {key: value for key, value in change.items() if key not in _APART}
    kept["fields"] = [{**field, "source": None} for field in change["fields"]]
    previous = change["previous_address"]
    kept["previous"] = previous and previous.partition("/")[2]
    text = _of_any_tenant(_written(kept), change["tenant"])
    return blake2b(text.encode(), digest_size=16).digest()


def _of_any_tenant(text: str, tenant: str) -> str:
    """Return JSON with the tenant's own name taken out of its secret references."""
    own = f"/{tenant}/"
    # no JSON holds a NUL, so nobody can write what stands for a tenant
    return _REFERENCE.sub(lambda match: match[0].replace(own, "/\0/"), text) if own in text else text


def likeness(change: Change) -> Hashable:
    """Return what is equal for two changes of one name and action exactly if ``digest_of`` their documents is."""
    text = change.new_text
    plain = text is not None and change.old is None and not change.fields
    if plain and change.outside is None and change.adopted_from is None and change.previous is None:
        # most of a large plan: its document would say no more
        body = _of_any_tenant(text or "", change.address.tenant)
        return body, change.explicit, change.reason, change.risks, change.status, change.unchanged
    from reconciler.plan.convert import change_document

    return digest_of(change_document(change))


def _written(value: Any) -> str:
    try:
        return canonical(value)
    except TypeError:  # a document that nobody made from a plan may hold halves of surrogate pairs
        return json.dumps(value, sort_keys=True)


def groups_of(names: Sequence[Hashable], digest: Callable[[int], Hashable]) -> list[list[int]]:
    """Return the numbers of each group in the order of its first; only where a name stands twice ``digest`` is asked."""
    counts = Counter(names)
    found: dict[Hashable, list[int]] = {}
    for number, name in enumerate(names):
        found.setdefault((name, digest(number)) if counts[name] > 1 else number, []).append(number)
    return [*found.values()]


def groups(changes: Sequence[Change]) -> list[list[Change]]:
    """Return the groups of a plan of at most ``MOST`` changes."""
    found = groups_of([*map(_name, changes)], lambda number: likeness(changes[number]))
    return [[changes[number] for number in numbers] for numbers in found]


def neighbours(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Return the groups whose changes stand beside each other."""
    for _, run in groupby(changes, _name):
        alike = [*run]
        if len(alike) == 1:
            yield alike
        else:
            yield from groups(alike)


def tenants_words(addresses: Sequence[str]) -> str:
    """Return ``the same change in 3 tenants: acme, beta, gamma``."""
    tenants = [address.partition("/")[0] for address in addresses]
    more = f", and {len(tenants) - TENANTS} more" if len(tenants) > TENANTS else ""
    return f"the same change in {len(tenants)} tenants: {', '.join(tenants[:TENANTS])}{more}"


_name = attrgetter("address.kind", "address.name", "action")
"""What equal changes have in common besides their bodies."""
