"""The errors for parts of the program that only an extra of the package installs."""

from __future__ import annotations

from reconciler.errors import ReconcilerError
from reconciler.runtime.call import Failed


def not_installed(error: ModuleNotFoundError) -> ReconcilerError:
    """Return the error that names the missing module and the command that installs it."""
    return ReconcilerError(
        f"serving needs more than this installation has: {error.name}",
        code="not-installed",
        hint="pip install 'config-reconciler[serve]'",
    )


def client_not_installed(error: ModuleNotFoundError) -> Failed:
    """Return the failure of a call whose connector needs a client of the extra `systems`."""
    message = (
        f"this connector needs more than this installation has: {error.name}; pip install 'config-reconciler[systems]'"
    )
    return Failed("not-installed", message, "blocked")
