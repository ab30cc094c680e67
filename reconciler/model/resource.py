"""One resource, where it came from, and the state that is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import orjson

from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, digest_of_text
from reconciler.model.spec import Spec, explicit_paths


@dataclass(frozen=True)
class Resource:
    """An address and its normalised body, as canonical JSON. Two resources are equal wherever they were written."""

    address: Address
    text: str
    source: Place | None = field(default=None, compare=False)
    explicit: frozenset[Path] = field(default=frozenset(), compare=False)
    """The paths that the author wrote; what is missing here was filled by a default."""

    @classmethod
    def known(
        cls,
        address: Address,
        text: str,
        source: Place | None,
        explicit: frozenset[Path],
        digest: str,
        body: Body | None = None,
    ) -> Resource:
        """Where ``digest``, and perhaps ``body``, are known to be those of the text: this is done for every resource."""
        made = object.__new__(cls)
        fields = made.__dict__  # what the constructor does, several times as fast
        fields["address"], fields["text"], fields["source"], fields["explicit"] = address, text, source, explicit
        fields["digest"] = digest
        if body is not None:
            fields["body"] = body
        return made

    @cached_property
    def body(self) -> Body:
        """Never change it in place."""
        body: Body = orjson.loads(self.text)
        return body

    @cached_property
    def digest(self) -> str:
        return digest_of_text(self.text)


def resource_of(
    address: Address, spec: Spec, source: Place | None = None, explicit: frozenset[Path] | None = None
) -> Resource:
    """A resource of a validated spec; ``explicit`` where the spec can't tell what was written: it was read back whole."""
    body = spec.normalised()
    written = frozenset(explicit_paths(spec)) if explicit is None else explicit
    made = Resource(address, canonical(body), source, written)
    made.__dict__["body"] = body  # as good as read again
    return made


State: TypeAlias = Mapping[Address, Resource]
