"""The examples of all kinds turned into a manifest, and into its parts."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.kinds.table import KINDS
from reconciler.model.kind import Kind


def example(kind: Kind, variant: str) -> Iterator[str]:
    """Yield the lines of a manifest's part: the kind, the variant's name as that of the resource, and its body."""
    yield f"{kind.plural}:"
    yield f"  {(variant or 'example').replace('_', '-')}:"
    if kind.discriminator:
        yield f"    {kind.discriminator}: {variant}"
    yield from (f"    {line}" for line in kind.examples[variant].splitlines())


def manifest() -> str:
    """All of them in one."""
    lines = ["version: 1", "tenant: acme"]
    for kind in KINDS.values():
        lines.append(f"{kind.plural}:")
        for variant in kind.variants:
            lines += [*example(kind, variant)][1:]
    return "\n".join(lines) + "\n"
