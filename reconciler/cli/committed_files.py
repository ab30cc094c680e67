"""Files compared with a commit by their bytes: no index, no filter and no time of change has a say in it."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.load.discover import SUFFIXES

MOST_LINKS = 40
_LINK = "120000"
_FILES = ("100644", "100755", "100664", _LINK)


class _Blob(NamedTuple):
    digest: str
    is_link: bool


class CommittedFiles(NamedTuple):
    """The files and links of a commit below a folder, by their absolute paths; no files of a submodule."""

    blobs: Mapping[Path, _Blob]

    def has(self, path: Path) -> bool:
        """Whether a file, and each link that leads to it, is as committed."""
        for _ in range(MOST_LINKS):
            place = path.parent.resolve() / path.name
            blob = self.blobs.get(place)
            if blob is None or not _is(place, blob):
                return False
            if not blob.is_link:
                return True
            path = place.parent / os.readlink(place)
        return False

    def lacks_manifest(self) -> bool:
        """Whether a committed manifest has been deleted."""
        return any(path.suffix in SUFFIXES and not os.path.lexists(path) for path in self.blobs)


def committed_files(top: Path, listing: str) -> CommittedFiles:
    """Parse `git ls-tree -r -z --full-name` for a repository whose working tree is ``top``."""
    root, blobs = top.resolve(), dict[Path, _Blob]()
    for entry in listing.split("\0"):
        about, _, name = entry.partition("\t")
        mode, _, digest = about.partition(" blob ")
        if mode in _FILES:
            blobs[root / name] = _Blob(digest, mode == _LINK)
    return CommittedFiles(blobs)


def _is(path: Path, blob: _Blob) -> bool:
    try:
        if path.is_symlink() is not blob.is_link:
            return False
        data = os.fsencode(os.readlink(path)) if blob.is_link else path.read_bytes()
    except OSError:
        return False
    # git may check files out with CRLF; YAML reads both as one line break
    return (
        _digest(data, blob.digest) == blob.digest or _digest(data.replace(b"\r\n", b"\n"), blob.digest) == blob.digest
    )


def _digest(data: bytes, like: str) -> str:
    """Return git's name for these bytes, by the hash that the repository uses."""
    made = hashlib.sha256() if len(like) == 64 else hashlib.sha1(usedforsecurity=False)
    made.update(b"blob %d\0" % len(data) + data)
    return made.hexdigest()
