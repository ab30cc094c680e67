"""Finds the key file that signs plans: RECONCILER_KEY_FILE, or the project's ``secrets.keys``."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.load.project import Project
from reconciler.secrets.keys import Keys, read_keys


def known_keys(project: Project | None) -> Keys | None:
    """None where no key is configured."""
    given = os.environ.get("RECONCILER_KEY_FILE")
    if given:
        return read_keys(Path(given))
    if project is not None and project.settings.secrets.keys:
        return read_keys(project.root / project.settings.secrets.keys)
    return None


def signing_key(project: Project) -> tuple[str, bytes] | None:
    """The primary key and its id."""
    keys = known_keys(project)
    return (keys.primary, keys.by_id[keys.primary]) if keys else None
