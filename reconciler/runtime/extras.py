"""The error for a part of the program that only `pip install 'config-reconciler[serve]'` installs."""

from __future__ import annotations

from reconciler.errors import ReconcilerError


def not_installed(error: ModuleNotFoundError) -> ReconcilerError:
    """Return the error that names the missing module and the command that installs it."""
    return ReconcilerError(
        f"serving needs more than this installation has: {error.name}",
        code="not-installed",
        hint="pip install 'config-reconciler[serve]'",
    )
