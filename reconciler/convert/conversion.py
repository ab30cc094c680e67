"""What the formats write to: drafts of resources, names, references, and the account of one input."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct, field

from reconciler.convert.ledger import Ledger, Node
from reconciler.convert.names import Names
from reconciler.convert.references import References, variable
from reconciler.convert.resources import Draft, settle
from reconciler.convert.restrictions import Restriction, withhold
from reconciler.errors import Path, Place
from reconciler.load.source import Source
from reconciler.model.address import Address
from reconciler.model.spec import Spec


class NotOfThisFormat(Exception):
    """The input is no such file: what was expected, and at which path."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class Example(NamedTuple):
    """Values of one call of a template as the input gives them; those that it doesn't give are missing."""

    address: Address
    values: dict[str, Any]


class Conversion(Struct):
    """One input on its way; a format reads ``documents`` and calls ``add`` and ``left``."""

    source: Source
    tenant: str
    names: Names
    references: References
    ledger: Ledger
    drafts: list[Draft] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    files: dict[int, str] = field(default_factory=dict)
    """By a document's number: the file of the input's folder that it is, where that is not the input itself."""
    more: dict[int, Source] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """Sources that the file only names, with their types."""
    own_variables: bool = False
    """Whether a variable means another value for each service, as where a form is filled in for each."""

    @property
    def documents(self) -> list[Node]:
        return self.ledger.documents()

    def name(self, kind: str, wanted: str, node: Node | None = None) -> str:
        return self.names.take(kind, wanted, node)

    def reference(self, node: Node, service: str, name: str) -> str:
        """Return a reference in place of a value: to its variable, or to the service's own secret of this name."""
        found = variable(node.value)
        if found is not None and self.own_variables:
            reference = self.references.own(service, found)
            node.refer("it is filled in for each server there: put its value here", reference)
            return reference
        return self.references.of(node, service, name)

    def add(
        self, kind: str, name: str, body: dict[str, Any], *made_of: Node, governed_by: tuple[Node, ...] = ()
    ) -> None:
        """Add a resource without its empty fields. ``made_of`` is what is left out where it can't be written."""
        filled = {key: value for key, value in body.items() if not is_empty(key, value)}
        self.drafts.append(Draft(Address(self.tenant, kind, name), filled, made_of, governed_by))


def is_empty(key: str, value: Any) -> bool:
    """Whether a field says nothing. An empty schema of a body says that any JSON is sent."""
    return value is None or (value in ("", [], {}, ()) and not (key == "body" and value == {}))


class Converted(Struct, frozen=True):
    """The resources of one input, where each stands in it, and the account of its fields."""

    source: Source
    specs: dict[Address, Spec]
    origins: dict[Address, Path]
    ledger: Ledger
    more: dict[int, Source] = {}
    examples: list[Example] = []

    def place(self, path: Path) -> Place:
        """Return where a field stands, in the input or in a file of its folder."""
        index = int(path[0])
        if index in self.more:
            return self.more[index].place(0, path[1:], on_key=True)
        return self.source.place(index, path[1:], on_key=True)

    @property
    def is_restricted(self) -> bool:
        """Whether a field that limits what may be done could not be carried over."""
        return any(finding.what == "restriction" for finding in self.ledger.findings)


def finished(conversion: Conversion, restrictions: tuple[Restriction, ...]) -> Converted:
    """Validate what was drafted, switch off what lost a limit, and close the account."""
    specs = settle(conversion.drafts, conversion.references.hidden)
    while withhold(conversion.drafts, restrictions, conversion.ledger):
        specs = settle(conversion.drafts, conversion.references.hidden)
    origins = {draft.address: draft.made_of[0].path for draft in conversion.drafts if draft.address in specs}
    conversion.ledger.close()
    return Converted(conversion.source, specs, origins, conversion.ledger, conversion.more, conversion.examples)
