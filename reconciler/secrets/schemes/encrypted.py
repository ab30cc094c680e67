"""``encrypted://NAME[#PART]``: a secret of the same tenant that is kept, sealed, in the database, or one part of it."""

from __future__ import annotations

from reconciler.secrets.fetch import Fetch, Outside, Unreachable


def connect(outside: Outside) -> Fetch:
    """Return the function that opens secrets in this tool's own database."""
    if outside.sealed is None:
        raise Unreachable("encrypted:// needs the database", hint="name it with --database or in reconciler.yaml")
    return outside.sealed
