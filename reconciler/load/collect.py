"""Turn documents into drafts: for every address the layers of its body, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias

from msgspec.structs import replace

from reconciler.errors import Path, Place, Problem
from reconciler.kinds.accept import BodyText, written
from reconciler.kinds.foreign import foreign_document, is_hcl
from reconciler.kinds.nearest import near
from reconciler.kinds.table import BY_PLURAL
from reconciler.kinds.wording import shown_key, type_of
from reconciler.load.documents import Document
from reconciler.load.draft import LISTS, Draft, Entry, Layer
from reconciler.load.faults import MAX_FOUND, is_full
from reconciler.load.secret_values import secret_problems
from reconciler.load.source import Source
from reconciler.load.substitute import Substitution
from reconciler.model.address import NAME_RULE, Address, is_name

ELSEWHERE = ("access_tests",)
"""May stand in a manifest, and is read by another command."""
OWN_KEYS = "x-"
"""How keys begin that hold what anchors name, and nothing for us."""
KEYS = ("version", "tenant", "tenants", *BY_PLURAL, *LISTS, *ELSEWHERE)
NOWHERE = Place("")
Alike: TypeAlias = Mapping[tuple[str, str], BodyText | None]
MAX_COPIES = 10_000_000
_PUBLIC = {("tenant",), ("tenants",), ("version",)}


class Collector:
    """Gather drafts and entries from documents; locate and keep every problem."""

    def __init__(self, variables: Mapping[str, Any], default_tenant: str | None, problems: list[Problem]) -> None:
        self.drafts: dict[Address, Draft] = {}
        self.entries: list[Entry] = []
        self.tenants: set[str] = set()
        self.files: set[str] = set()
        self._variables = variables
        self._default_tenant = default_tenant
        self._problems = problems
        self.nodes = 0
        self.copies = 0
        """Values beyond those that are written: a document counts once more for each further tenant."""
        self._layer_of: dict[Address, tuple[int, Layer]] = {}

    def add(self, source: Source, layer_number: int = 0) -> None:
        """Take every document of a file; ``layer_number`` is 0 for the base, then one for each overlay folder."""
        for document in source.documents:
            if document.value is not None and not is_full(self._problems):
                tenants = self._document(source, document, layer_number)
                self._problems += islice(secret_problems(source, document, tenants[0] if tenants else ""), MAX_FOUND)

    def _report(self, source: Source, document: Document, problem: Problem, path: Path) -> None:
        self._problems.append(source.locate(problem, document.index, path, lambda p: p[:1] in _PUBLIC and len(p) <= 2))

    def _document(self, source: Source, document: Document, number: int) -> list[str]:
        """Take one document, and return its tenants."""
        value = document.value
        if not isinstance(value, dict):
            hint = "a manifest begins with `version: 1`"
            if isinstance(value, str) and is_hcl(value):
                hint = "this is written in Terraform's language; a manifest is YAML, and begins with `version: 1`"
            self._report(
                source, document, Problem("wrong-type", f"expected a map, found {type_of(value)}", hint=hint), ()
            )
            return []
        foreign = foreign_document(value) if "version" not in value or "tenant" not in value else None
        if foreign is not None:
            key, what, hint = foreign
            message = f"unknown field `{key}`: this is {what}, and no manifest"
            self._report(source, document, Problem("unknown-field", message, hint=hint, on_key=True), (key,))
            return []
        if "version" not in value:
            self._report(
                source, document, Problem("missing-field", "`version` is required", hint="add `version: 1`"), ()
            )
        elif value["version"] != 1 or isinstance(value["version"], bool):
            self._report(source, document, Problem("unknown-version", "expected `version: 1`"), ("version",))
        for key in value:
            if key[:1].isspace() and not key.startswith(" "):
                message = f"this line begins with U+{ord(key[0]):04X}, which is no space and indents nothing"
                problem = Problem("invalid-character", message, hint="indent with spaces", on_key=True)
                self._report(source, document, problem, (key,))
            elif key not in KEYS and not key.startswith(OWN_KEYS):
                self._report(
                    source,
                    document,
                    Problem(
                        "unknown-field",
                        f"unknown field `{shown_key(key)}`",
                        expected=", ".join(KEYS),
                        hint=near(key, KEYS),
                        on_key=True,
                    ),
                    (key,),
                )
        if "access_tests" in value:
            from reconciler.load.access_tests import tests_of  # few documents have tests

            tests_of(source, document.index, value, self._problems)
        tenants = self._tenants(source, document)
        self.nodes += document.size * len(tenants)
        self.copies += document.size * max(0, len(tenants) - 1)
        if self.copies > MAX_COPIES:
            message = f"written for {len(tenants)} tenants, this makes more than {MAX_COPIES:,} values besides what is written"
            self._report(source, document, Problem("too-many-nodes", message, on_key=True), ("tenants",))
            return tenants
        alike = _alike(value) if len(tenants) > 1 else document.plain
        for tenant in tenants:
            self.tenants.add(tenant)
            self._for_tenant(source, document, (tenant, alike), number)
        return tenants

    def _tenants(self, source: Source, document: Document) -> list[str]:
        value, found = document.value, []
        if "tenant" in value and "tenants" in value:
            self._report(
                source,
                document,
                Problem("conflicting-fields", "give `tenant` or `tenants`, not both", on_key=True),
                ("tenants",),
            )
            return []
        if "tenants" in value:
            listed = self._listed(source, document)
            if listed is None:
                return []
            if not isinstance(listed, list) or not listed:
                self._report(
                    source,
                    document,
                    Problem(
                        "wrong-type", "expected a list with at least one tenant", hint="write `tenants: [acme, globex]`"
                    ),
                    ("tenants",),
                )
                return []
            named: list[tuple[Path, Any]] = [(("tenants", i), item) for i, item in enumerate(listed)]
        elif "tenant" in value:
            named = [(("tenant",), value["tenant"])]
        elif self._default_tenant:
            return [self._default_tenant]
        else:
            self._report(
                source,
                document,
                Problem(
                    "missing-tenant",
                    "this document names no tenant",
                    hint="add `tenant: NAME`, or `default_tenant` to reconciler.yaml",
                ),
                (),
            )
            return []
        for path, item in named:
            inner: list[Problem] = []
            name = Substitution(self._variables, None).apply(item, inner, path)
            for problem in inner:
                self._report(source, document, problem, problem.path)
            if not inner and not is_name(name):
                self._report(
                    source,
                    document,
                    Problem("invalid-name", f"expected a tenant's name: {NAME_RULE}", hint=_name_hint(name)),
                    path,
                )
            elif name in found:
                self._report(
                    source, document, Problem("duplicate-item", f"the tenant {name!r} stands twice in this list"), path
                )
            elif not inner:
                found.append(name)
        return found

    def _listed(self, source: Source, document: Document) -> Any:
        """Return what `tenants` says, which may be a variable that holds the whole list; None if there is no such variable."""
        inner: list[Problem] = []
        listed = document.value["tenants"]
        if isinstance(listed, str):
            listed = Substitution(self._variables, None).apply(listed, inner, ("tenants",))
        for problem in inner:
            self._report(source, document, problem, problem.path)
        return None if inner else listed

    def _for_tenant(self, source: Source, document: Document, copy: tuple[str, Alike], number: int) -> None:
        """Take one tenant's copy of a document; what is alike in several copies has its text."""
        tenant, alike = copy
        substitution = Substitution(self._variables, tenant)
        for plural in BY_PLURAL:
            named = document.value.get(plural)
            if named is None:
                continue
            kind = BY_PLURAL[plural]
            if not isinstance(named, dict):
                self._report(
                    source,
                    document,
                    Problem(
                        "wrong-type",
                        f"expected a map of {plural} by name, found {type_of(named)}",
                        hint="write `NAME:` and its fields below it",
                    ),
                    (plural,),
                )
                continue
            for name, body in named.items():
                if not is_name(name):
                    self._report(
                        source,
                        document,
                        Problem("invalid-name", f"expected a name: {NAME_RULE}", hint=_name_hint(name), on_key=True),
                        (plural, name),
                    )
                    continue
                inner: list[Problem] = []
                at = (plural, name)
                varies = document.has_variables and at not in document.plain
                value = substitution.apply(body, inner) if varies else body
                address = Address(tenant, kind.name, name)
                layer = Layer(source, document.index, at, value, alike.get(at) if value is body else None)
                for problem in inner:
                    draft = Draft(address, [layer], NOWHERE, True)
                    self._problems.append(draft.locate(replace(problem, address=str(address))))
                self._layer(address, layer, document, number)
        for key in LISTS:
            self._list(source, document, substitution, tenant, key)

    def _layer(self, address: Address, layer: Layer, document: Document, number: int) -> None:
        line, column = document.key_places.get((str(layer.at[0]), str(layer.at[1])), (None, None))
        place = Place(layer.source.name, line, column)
        known = self.drafts.get(address)
        if known is None:
            self.drafts[address] = Draft(address, [layer], place, number == 0, {layer.source.path})
        elif self._layer_of[address][0] == number:
            other = self._layer_of[address][1]
            first = other.source.place(other.index, other.at, on_key=True)
            problem = Problem(
                "duplicate-address",
                f"{address} is declared twice",
                str(address),
                on_key=True,
                hint="keep one of the two, or rename one",
                related=(("declared first", first),),
            )
            self._problems.append(Draft(address, [layer], place, False).locate(problem))
            return
        else:
            known.layers.append(layer)
            known.files.add(layer.source.path)
        self._layer_of[address] = (number, layer)

    def _list(self, source: Source, document: Document, substitution: Substitution, tenant: str, key: str) -> None:
        items = document.value.get(key)
        if items is None:
            return
        if not isinstance(items, list):
            self._report(source, document, Problem("wrong-type", f"expected a list, found {type_of(items)}"), (key,))
            return
        for position, item in enumerate(items):
            inner: list[Problem] = []
            value = substitution.apply(item, inner, (key, position)) if document.has_variables else item
            for problem in inner:
                self._report(source, document, problem, problem.path)
            self.entries.append(Entry(key, tenant, value, source, document.index, (key, position)))

    def __iter__(self) -> Iterator[Draft]:
        return iter(self.drafts.values())


def _alike(value: Any) -> Alike:
    """Return the texts of a document's entries, which are the same for all of its tenants."""
    sections = ((key, value[key]) for key in BY_PLURAL if isinstance(value.get(key), dict))
    return {(key, name): written(body) for key, named in sections for name, body in named.items()}


def _name_hint(value: Any) -> str | None:
    """Return the name that was probably meant; no value that is not a name already, but for its signs."""
    if isinstance(value, str):
        near = re.sub("[ _.-]+", "-", value.lower()).strip("-")
        return f"write `{near}`" if is_name(near) else None
    return "put it in quotes" if isinstance(value, int | Decimal) and not isinstance(value, bool) else None
