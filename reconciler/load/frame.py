"""What a file means besides its bytes: the project, its variables, the locks, and which secrets may be referred to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from reconciler.kinds.fit import Fits
from reconciler.load.blocks import Alike
from reconciler.load.mcp_lock import Locks
from reconciler.load.project import Project
from reconciler.secrets.policy import Policy


class Frame(Struct, frozen=True):
    """What the meaning of a chunk depends on besides its bytes and this program."""

    project: Project
    variables: Mapping[str, Any]
    policy: Policy
    alike: Alike = field(default_factory=Alike)
    """What the load has read; it changes no meaning."""
    fits: Fits = field(default_factory=Fits)
    """What the load has judged; it changes no meaning."""
    locks: Locks = Locks()
