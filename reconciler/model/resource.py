"""One resource, where it came from, and the state that is made of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

import orjson
from msgspec import Struct
from msgspec.structs import force_setattr

from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, digest_of_text

if TYPE_CHECKING:
    from reconciler.model.spec import Spec


class Resource(Struct, frozen=True, eq=False):
    """An address and its normalised body, as canonical JSON. Two resources are equal wherever they were written."""

    address: Address
    text: str
    source: Place | None = None
    explicit: frozenset[Path] = frozenset()
    """The paths that the author wrote; what is missing here was filled by a default."""
    known_digest: str | None = None
    known_body: Body | None = None

    @property
    def body(self) -> Body:
        """Read once; never change it in place."""
        if self.known_body is None:
            force_setattr(self, "known_body", orjson.loads(self.text))
        return cast(Body, self.known_body)

    @property
    def digest(self) -> str:
        if self.known_digest is None:
            force_setattr(self, "known_digest", digest_of_text(self.text))
        return cast(str, self.known_digest)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Resource):
            return NotImplemented
        return (self.address, self.text) == (other.address, other.text)

    def __hash__(self) -> int:
        return hash((self.address, self.text))


def resource_of(
    address: Address, spec: Spec, source: Place | None = None, explicit: frozenset[Path] | None = None
) -> Resource:
    """Return a resource of a validated spec; ``explicit`` where the spec can't tell what was written: it was read back whole."""
    from reconciler.model.spec import (
        explicit_paths,  # a configuration that is settled needs no spec, and so no pydantic
    )

    body = spec.normalised()
    written = explicit_paths(spec) if explicit is None else explicit
    return Resource(address, canonical(body), source, written, known_body=body)


State: TypeAlias = Mapping[Address, Resource]


class IndexedState(Mapping[Address, Resource]):
    """A State that knows digests and references without reading any body."""

    digests: Mapping[str, str]
    """By address as text."""

    @abstractmethod
    def links(self) -> Iterator[tuple[str, str]]:
        """Yield (referring, referred to) as addresses in text; a pair may come twice."""
