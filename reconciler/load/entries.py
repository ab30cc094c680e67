"""``moved``, ``removed``, ``adopt`` and ``external`` entries, turned into values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.errors import Path, Place, Problem
from reconciler.kinds.nearest import near
from reconciler.kinds.table import KINDS
from reconciler.kinds.wording import shown_key, type_of
from reconciler.load.draft import LISTS, Entry
from reconciler.model.address import Address, is_name
from reconciler.model.configuration import Adoption, Move, Removal


class Entries:
    """Collects the values of all entries; a malformed one becomes a problem."""

    def __init__(
        self,
        entries: list[Entry],
        declared: set[Address],
        problems: list[Problem],
        placed: Callable[[Place, str], Place],
    ) -> None:
        """``placed`` names the file of a place as the places of resources do."""
        self._placed = placed
        self.moves: list[Move] = []
        self.removals: list[Removal] = []
        self.adoptions: list[Adoption] = []
        self.external: list[tuple[Address, Entry]] = []
        self._declared = declared
        self._problems = problems
        self._of_move: list[Entry] = []  # the entry of each move
        self._targets = {self._quiet(e, "to") for e in entries if e.list == "moved"}
        for entry in entries:
            getattr(self, "_" + entry.list)(entry)
        self._check_moves({removal.address for removal in self.removals})

    def _place_of(self, entry: Entry) -> Place:
        return self._placed(entry.place, entry.source.path)

    def _quiet(self, entry: Entry, key: str) -> Address | None:
        text = entry.value.get(key) if isinstance(entry.value, dict) else None
        return _parse(entry.tenant, text)

    def _map(self, entry: Entry, required: tuple[str, ...]) -> bool:
        fields = LISTS[entry.list]
        if not isinstance(entry.value, dict):
            self._problems.append(
                entry.problem("wrong-type", f"expected a map with {' and '.join(fields)}, found {type_of(entry.value)}")
            )
            return False
        fine = True
        for key in entry.value:
            if key not in fields:
                fine = False
                self._problems.append(
                    entry.problem(
                        "unknown-field",
                        f"unknown field `{shown_key(key)}`",
                        (key,),
                        expected=", ".join(fields),
                        hint=near(key, fields),
                        on_key=True,
                    )
                )
        for key in required:
            if key not in entry.value:
                fine = False
                self._problems.append(entry.problem("missing-field", f"`{key}` is required"))
        return fine

    def _address(self, entry: Entry, text: Any, below: Path = ()) -> Address | None:
        address = _parse(entry.tenant, text)
        if address is None:
            self._problems.append(
                entry.problem(
                    "invalid-reference",
                    "expected kind/name, e.g. integration/openai-prod",
                    below,
                    hint="what it names belongs to the document's own tenant" if str(text).count("/") == 2 else None,
                )
            )
        elif address.kind not in KINDS:
            self._problems.append(
                entry.problem(
                    "unknown-kind",
                    f"there is no kind {address.kind!r}",
                    below,
                    expected=", ".join(KINDS),
                    hint=near(address.kind, KINDS),
                )
            )
            return None
        return address

    def _moved(self, entry: Entry) -> None:
        if not self._map(entry, ("from", "to")):
            return
        old, new = (self._address(entry, entry.value[key], (key,)) for key in ("from", "to"))
        if old is None or new is None:
            return
        if old.kind != new.kind or old == new:
            what = "a move stays in its kind" if old.kind != new.kind else "`from` and `to` are the same"
            self._problems.append(entry.problem("invalid-move", what, ("to",)))
            return
        if old in self._declared and old not in self._targets:
            self._problems.append(
                entry.problem(
                    "move-still-declared",
                    f"{old} is moved to {new.kind}/{new.name} and still declared",
                    ("from",),
                    address=str(old),
                    hint="remove its old declaration, or this entry if the move was applied everywhere",
                )
            )
        self.moves.append(Move(old, new, self._place_of(entry)))
        self._of_move.append(entry)

    def _check_moves(self, removed: set[Address]) -> None:
        steps: dict[Address, Address] = {}
        taken: dict[Address, Address] = {}
        for move, entry in zip(self.moves, self._of_move, strict=True):
            if steps.get(move.old, move.new) != move.new or taken.get(move.new, move.old) != move.old:
                self._problems.append(
                    entry.problem(
                        "invalid-move",
                        f"{move.old} -> {move.new}: another entry moves the same resource, or to the same name",
                        address=str(move.old),
                    )
                )
            steps[move.old], taken[move.new] = move.new, move.old
        for move, entry in zip(self.moves, self._of_move, strict=True):
            if move.new not in self._declared and move.new not in steps and move.new not in removed:
                self._problems.append(
                    entry.problem(
                        "move-target-missing",
                        f"{move.new} is the target of a move and not declared",
                        ("to",),
                        address=str(move.new),
                        hint="declare it under its new name, or say in `removed` what became of it there",
                    )
                )

    def _removed(self, entry: Entry) -> None:
        if not self._map(entry, ("from",)):
            return
        address = self._address(entry, entry.value["from"], ("from",))
        destroy = entry.value.get("destroy", False)
        if not isinstance(destroy, bool):
            self._problems.append(
                entry.problem("wrong-type", f"expected true or false, found {type_of(destroy)}", ("destroy",))
            )
        elif address is not None and address in self._declared:
            self._problems.append(
                entry.problem(
                    "removed-still-declared",
                    f"{address} is both removed and declared",
                    ("from",),
                    address=str(address),
                    hint="remove its declaration, or this entry",
                )
            )
        elif address is not None:
            self.removals.append(Removal(address, destroy, self._place_of(entry)))

    def _adopt(self, entry: Entry) -> None:
        if isinstance(entry.value, str):
            address, from_project = self._address(entry, entry.value), None
        elif self._map(entry, ("address",)):
            address, from_project = (
                self._address(entry, entry.value["address"], ("address",)),
                entry.value.get("from_project"),
            )
            if from_project is not None and not is_name(from_project):
                self._problems.append(entry.problem("invalid-name", "expected a project's name", ("from_project",)))
                return
        else:
            return
        if address is not None and address not in self._declared:
            self._problems.append(
                entry.problem(
                    "adopt-not-declared",
                    f"{address} is to be adopted and not declared",
                    address=str(address),
                    hint="declare it in the manifests as it is to be",
                )
            )
        elif address is not None:
            self.adoptions.append(Adoption(address, from_project, self._place_of(entry)))

    def _external(self, entry: Entry) -> None:
        below: Path = ()
        value = entry.value
        if isinstance(value, dict):
            if not self._map(entry, ("address",)):
                return
            if not isinstance(optional := value.get("optional", False), bool):
                told = f"expected true or false, found {type_of(optional)}"
                self._problems.append(entry.problem("wrong-type", told, ("optional",)))
            value, below = value["address"], ("address",)
        address = self._address(entry, value, below)
        if address is not None:
            self.external.append((address, entry))


def _parse(tenant: str, text: Any) -> Address | None:
    """``kind/name``, or a whole address of the same tenant."""
    if not isinstance(text, str):
        return None
    if text.count("/") == 2:
        text = text.removeprefix(f"{tenant}/")
    kind, _, name = text.partition("/")
    return Address(tenant, kind, name) if is_name(kind) and is_name(name) else None
