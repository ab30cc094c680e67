"""What a plan may do where the record of what was applied was forged: nothing, until a person has looked at what is live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.address import Address
from reconciler.model.live import Applied
from reconciler.model.plan import Action, Blocker, Change


def forged_records(changes: Iterable[Change], applied: Mapping[Address, Applied]) -> Iterator[Blocker]:
    """Yield what blocks each change that counts on a forged record: it may claim a row that is not ours, or hide an edit.

    Adopting takes live as it is and writes a new record; forgetting a row that is gone only drops the record.
    """
    for change in changes if applied else ():
        record = applied.get(change.previous or change.address)
        harmless = change.action in {Action.ADOPT, Action.CREATE} or change.is_lost
        if record is not None and record.forged and not harmless:
            yield Blocker(
                "record-forged",
                f"the record of what was applied to {change.address} was changed by hand, or written without the key",
                f"look at what is live (`reconciler show {record.address}`), then `reconciler adopt {record.address}`",
                change.address,
            )
