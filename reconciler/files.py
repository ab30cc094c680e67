"""Writes a file whole or not at all, also if the process is killed on the way."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reconciler.committed import written
from reconciler.errors import ReconcilerError


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises ReconcilerError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "name a folder that can be written to"
        raise ReconcilerError(
            f"can't make the folder {folder}: {error.strerror}", code="file-not-written", hint=hint
        ) from None


def write_atomically(path: Path, text: str, mode: int = 0o644, between: Callable[[], None] = lambda: None) -> None:
    """Write beside the target, syncs, renames; ``between`` runs just before the rename. Raises ReconcilerError."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), mode)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            between()
            os.replace(name, path)
            written(str(path))
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise ReconcilerError(f"can't write {path}: {error.strerror}", code="file-not-written") from None
