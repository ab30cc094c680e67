"""Under the lock: does everything that is written find what it refers to, and does all that stays still fit?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from reconciler.apply.decide import Locked
from reconciler.errors import PlanStale, Problem, Refused
from reconciler.kinds.fit import Step, ruled, unfit
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.live import Row
from reconciler.model.plan import Change, Plan
from reconciler.model.resource import Resource
from reconciler.planner.fits import dependants_of_step, resource_of_row, step_of
from reconciler.planner.needs import Needs
from reconciler.planner.references import WrittenResources, left_behind, needed, targets_of_row, unmet, written_by
from reconciler.store.transaction import Transaction


def judge_references(
    plan: Plan, writes: Sequence[Change], needs: Needs, locked: Locked, transaction: Transaction
) -> None:
    """Somebody may have deleted or changed a target meanwhile, or added a dependant. Raises PlanStale or Refused."""
    written = written_by(writes)
    rows = Rows(locked, transaction)
    rows.fetch({target for _, target in needed(written, needs)})
    missing = {target: address for address, target in unmet(written, needs, rows.known.__contains__)}
    if missing:
        externals = {b.address for b in plan.blockers if b.code == "external-missing"}
        kind_of_error = Refused if all(address in externals for address in missing.values()) else PlanStale
        raise kind_of_error(*(_gone(missing[target], target) for target in sorted(missing)))
    if written.gone:
        _left_behind(written, transaction)
    if rows.known:  # what is all new was judged when its configuration was loaded
        _unfit(written, needs, rows, transaction)


class Rows:
    """The rows that are known of, by address; those that are fetched stay as they are until the transaction ends."""

    def __init__(self, locked: Locked, transaction: Transaction) -> None:
        self.known: dict[Address, Row] = dict(locked.rows)
        self._transaction = transaction
        self._read: dict[Address, Resource | None] = {}

    def fetch(self, addresses: Collection[Address]) -> None:
        for _ in range(
            2
        ):  # what was replaced while we waited for its lock is another row now: only a second look sees it
            if others := {address for address in addresses if address not in self.known}:
                self.known |= self._transaction.rows(others, "SHARE")

    def fetch_all_below(self, addresses: Iterable[Address]) -> None:
        """Fetch these, and whatever they refer to over any number of steps."""
        pending, seen = {*addresses}, set[Address]()
        while pending:
            self.fetch(pending)
            seen |= pending
            found = (self.known[address] for address in pending if address in self.known)
            pending = {target for row in found for target in targets_of_row(row)} - seen

    def fetch_of(self, tenants: Iterable[str], kinds: Iterable[str]) -> Mapping[Address, Row]:
        """All of some kinds in some tenants."""
        found = self._transaction.rows_of(tenants, kinds)
        self.known = found | self.known
        return found

    def __call__(self, address: Address) -> Resource | None:
        if address not in self._read:
            row = self.known.get(address)
            self._read[address] = None if row is None else resource_of_row(row)
        return self._read[address]


def _left_behind(written: WrittenResources, transaction: Transaction) -> None:
    kinds = [kind.name for kind in KINDS.values() if kind.references]
    rows = transaction.rows_of({address.tenant for address in written.gone}, kinds)
    dependants = [*left_behind(written, rows.values())]
    owners = transaction.owners({address for address, _ in dependants})
    ours: list[Problem] = []
    theirs: list[Problem] = []
    for address, target in dependants:
        owner = owners.get(address)
        stays = owner is not None or address in written.let_go
        whose = f", of the project {owner.project!r}," if owner else ", which stays," if stays else ""
        problem = Problem(
            "depended-on" if stays else "plan-stale",
            f"{address}{whose} refers to {target}, which this apply would remove",
            address=str(address),
            hint="nothing was written; change or remove what refers to it first",
        )
        (theirs if stays else ours).append(problem)
    _raise(ours, theirs)


def _unfit(written: WrittenResources, needs: Needs, rows: Rows, transaction: Transaction) -> None:
    step: Step = step_of(written, needs, rows)
    if bound := [address for address in written.made if address.kind in ruled()]:
        rows.fetch_all_below({target for address in bound for target in needs[address]} - written.made.keys())
    dependants: list[Resource] = []
    if altered := step.altered():
        live = rows.fetch_of({address.tenant for address in altered}, ruled())
        dependants = [*dependants_of_step(step, {address: targets_of_row(row) for address, row in live.items()})]
        rows.fetch_all_below([resource.address for resource in dependants])
    found = [*unfit(step, dependants)]
    if not found:
        return
    owners = transaction.owners({address for one in found for address in (one.resource, *one.ends)})
    ours: list[Problem] = []
    theirs: list[Problem] = []
    for one in found:
        problem = Problem(
            "unfit-reference",
            f"{one.resource} would not fit what it refers to: {one.problem.message}",
            address=str(one.resource),
            hint="nothing was written; make a new plan, or change what does not fit first",
        )
        foreign = one.resource in owners or one.resource in written.let_go or any(end in owners for end in one.ends)
        (theirs if foreign else ours).append(problem)
    _raise(ours, theirs)


def _gone(address: Address, target: Address) -> Problem:
    return Problem(
        "reference-gone",
        f"{address} refers to {target}, which is not live",
        address=str(address),
        hint="nothing was written; make a new plan, or apply the project that declares the target first",
    )


def _raise(ours: list[Problem], theirs: list[Problem]) -> None:
    if theirs:
        raise Refused(*theirs, *ours)
    if ours:
        raise PlanStale(*ours)
