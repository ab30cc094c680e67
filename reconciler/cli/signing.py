"""Finds the keys that sign plans and hold secrets: the environment's, or the project's ``secrets``."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import Refused
from reconciler.load.project import Project
from reconciler.secrets.keys import Keys, read_keys

if TYPE_CHECKING:
    from reconciler.secrets.ring import Ring
    from reconciler.secrets.transit import TransitKey

NO_KEY = (
    "make one with `reconciler secrets keys create --out FILE`, then name it in RECONCILER_KEY_FILE; "
    "or name a Vault transit key in RECONCILER_TRANSIT_KEY (mount/name)"
)


def key_file(project: Project | None) -> Path | None:
    """RECONCILER_KEY_FILE, or ``secrets.keys``; None where neither is said."""
    given = os.environ.get("RECONCILER_KEY_FILE")
    if given:
        return Path(given)
    if project is not None and project.settings.secrets.keys:
        return project.root / project.settings.secrets.keys
    return None


def known_keys(project: Project | None) -> Keys | None:
    """None where no key file is configured."""
    file = key_file(project)
    if file is None:
        return None
    require_outside_of_git(file)
    return read_keys(file)


@functools.lru_cache(maxsize=8)
def require_outside_of_git(file: Path) -> None:
    """Raise Refused for a key file that the next `git add` may publish, or for which git can't be asked."""
    if not any((folder / ".git").exists() for folder in file.resolve().parents):
        return
    from reconciler.cli.git import Unavailable, work_tree_of

    try:
        top = work_tree_of(file)
    except Unavailable as error:
        raise Refused(
            f"whether git ignores the key file {file} is not known: {error.reason}", code="key-in-git", hint=error.hint
        ) from None
    if top is not None:
        raise Refused(
            f"the key file {file} lies in the git work tree {top}, which does not ignore it",
            code="key-in-git",
            hint=f"move it out of {top}, or name it in .gitignore; if it was committed, rotate the key (docs/secrets.md)",
        )


def signing_key(project: Project) -> tuple[str, bytes] | None:
    """Return the primary key and its id."""
    keys = known_keys(project)
    return (keys.primary, keys.by_id[keys.primary]) if keys else None


def ring(project: Project) -> Ring | None:
    """Return the keys that hold secrets; None where none is configured. Raises CredentialUnresolved, UsageError."""
    from reconciler.secrets.ring import ring_of

    return ring_of(known_keys(project), transit_key(project), _old_transit_keys(project))


def _old_transit_keys(project: Project) -> list[TransitKey]:
    """Those of RECONCILER_TRANSIT_OLD (mount/name, separated by commas): never named by the database, where anybody may write."""
    names = [name.strip() for name in os.environ.get("RECONCILER_TRANSIT_OLD", "").split(",") if name.strip()]
    if not names:
        return []
    from reconciler.secrets.fetch import Outside
    from reconciler.secrets.transit import TransitKey

    outside = Outside(os.environ, float(project.settings.secrets.timeout_seconds))
    return [TransitKey(name, outside) for name in names]


@functools.lru_cache(maxsize=1)
def transit_key(project: Project) -> TransitKey | None:
    """Return the key of Vault's transit engine, logged in once; None where none is named. Raises CredentialUnresolved, UsageError."""
    name = os.environ.get("RECONCILER_TRANSIT_KEY") or project.settings.secrets.transit
    if not name:
        return None
    from reconciler.secrets.fetch import Outside
    from reconciler.secrets.transit import TransitKey

    return TransitKey(name, Outside(os.environ, float(project.settings.secrets.timeout_seconds)))


def needed_ring(project: Project) -> Ring:
    """Return the keys that hold secrets. Raises Refused where none is configured."""
    found = ring(project)
    if found is None:
        raise Refused("there is no key to seal secrets with", code="key-missing", hint=NO_KEY)
    return found
