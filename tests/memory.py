"""A folder in memory for the files of tests: what they commit to databases on disk waits longer than they work."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

_FOLDER = Path("/dev/shm")
_ROOM = 4 << 30
"""Bytes that have to be free: a run of all tests writes about half of them."""


@cache
def memory() -> str | None:
    """Return the folder, or None where there is none that is large, writable and may hold programs to start."""
    if not _FOLDER.is_dir() or not os.access(_FOLDER, os.W_OK):
        return None
    if os.statvfs(_FOLDER).f_flag & os.ST_NOEXEC or shutil.disk_usage(_FOLDER).free < _ROOM:
        return None
    return str(_FOLDER)
