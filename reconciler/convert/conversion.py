"""What the formats write to: drafts of resources, names, references, and the account of one input."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from reconciler.convert.ledger import Ledger, Node
from reconciler.convert.names import Names
from reconciler.convert.references import References
from reconciler.convert.resources import Draft, settle
from reconciler.errors import Path
from reconciler.load.source import Source
from reconciler.model.address import Address
from reconciler.model.spec import Spec


class NotOfThisFormat(Exception):
    """The input is no such file: what was expected, and at which path."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class Conversion(Struct):
    """One input on its way; a format reads ``documents`` and calls ``add`` and ``left``."""

    source: Source
    tenant: str
    names: Names
    references: References
    ledger: Ledger
    drafts: list[Draft] = field(default_factory=list)

    @property
    def documents(self) -> list[Node]:
        return self.ledger.documents()

    def name(self, kind: str, wanted: str, node: Node | None = None) -> str:
        return self.names.take(kind, wanted, node)

    def add(self, kind: str, name: str, body: dict[str, Any], *made_of: Node) -> None:
        """Add a resource without its empty fields. ``made_of`` is what is left out where it can't be written."""
        filled = {key: value for key, value in body.items() if value not in (None, "", [], {}, ())}
        self.drafts.append(Draft(Address(self.tenant, kind, name), filled, made_of))


class Converted(Struct, frozen=True):
    """The resources of one input, where each stands in it, and the account of its fields."""

    source: Source
    specs: dict[Address, Spec]
    origins: dict[Address, Path]
    ledger: Ledger


def finished(conversion: Conversion) -> Converted:
    """Validate what was drafted, and close the account."""
    specs = settle(conversion.drafts, conversion.references.hidden)
    origins = {draft.address: draft.made_of[0].path for draft in conversion.drafts if draft.address in specs}
    conversion.ledger.close()
    return Converted(conversion.source, specs, origins, conversion.ledger)
