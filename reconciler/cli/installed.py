"""Whether another distribution is installed over this one.

The name ``reconciler`` on PyPI belongs to a library for data frames, whose import package has our name too.
Installed into the same environment, its files replace some of ours.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.patterns import regex

DISTRIBUTION = "config-reconciler"
_METADATA = regex(r"(?:__editable__\.)?reconciler(?:-.*)?\.(?:dist-info|egg-info|egg|egg-link|pth)", re.IGNORECASE)
"""Names of what installers leave beside a package: wheels, eggs, editable installations."""


def foreign_distribution(packages: Path) -> str | None:
    """Return the name of the metadata folder of a distribution called ``reconciler`` beside this package, if any."""
    try:
        names = os.listdir(packages)
    except OSError:
        return None
    return next((name for name in sorted(names) if _is_foreign(name)), None)


def _is_foreign(name: str) -> bool:
    return _METADATA.fullmatch(name) is not None


def require_own(packages: Path) -> None:
    """Raise ReconcilerError where the files of this program may be another distribution's."""
    if found := foreign_distribution(packages):
        raise ReconcilerError(
            f"another distribution called `reconciler` is installed over this program: {packages / found}",
            code="shadowed",
            hint=f"pip uninstall -y reconciler {DISTRIBUTION}, then pip install {DISTRIBUTION}",
        )
