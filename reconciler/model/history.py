"""What was applied when and by whom: history's rows as values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.body import Body


class Generation(Struct, frozen=True):
    """One apply of one project that wrote something; ``at`` is ISO 8601 in UTC, ``dirty`` 0 or 1."""

    number: int
    apply_id: str
    operation: str
    actor: str
    at: str
    environment: str | None
    commit: str | None
    dirty: int
    tool_version: str
    added: int
    changed: int
    destroyed: int


class PastChange(Struct, frozen=True):
    """One address in one generation; ``uid`` is what lives there after it (or, for a deletion, what lived)."""

    generation: int
    position: int
    address: Address
    action: str
    previous: Address | None
    uid: str
    before: Body | None
    after: Body | None
    cause: str
    explicit: frozenset[Path]
    source: str | None
    spec_version: int = 1
    """Of ``before`` and ``after``."""
    sources: tuple[tuple[Path, str], ...] = ()

    def source_of(self, path: Path) -> str | None:
        """Where the value at ``path`` was written; the resource's own place where nothing nearer is known."""
        near = [s for s in self.sources if s[0] == path[: len(s[0])] or path == s[0][: len(path)]]
        return max(near, key=lambda found: len(found[0]))[1] if near else self.source


class History(Struct, frozen=True, dict=True):
    """What is kept of a project's past, oldest first.

    Up to the generation ``horizon`` (0: none) only those changes were kept that say what was managed at its end.
    """

    generations: tuple[Generation, ...] = ()
    changes: tuple[PastChange, ...] = ()
    horizon: int = 0
    mask_key: bytes = b""
    """Keys the fingerprints of what is masked in the bodies."""

    @cached_property
    def by_number(self) -> Mapping[int, Generation]:
        return {generation.number: generation for generation in self.generations}

    @property
    def newest(self) -> int:
        return self.generations[-1].number if self.generations else 0
