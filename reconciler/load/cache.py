"""What was read and validated before, kept by the content that it was made of; whoever deletes it loses nothing but time.

A pack is one file for a project and an environment: a magic line, the length and CRC-32 of an index, the index (JSON:
where each extract lies, by its chunk's key), then the extracts. It counts only for the very program and settings that it
was made with. It is data, never code; and whoever may write into it may say what a file means, so it lies in the user's
own folder and nowhere in a project, where a pull request could bring one along.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

import msgspec
import orjson

from reconciler.load.extract import Extract, checksums
from reconciler.model.settings import Settings

VARIABLE = "RECONCILER_CACHE_DIR"
"""Names the folder; an empty text turns the cache off."""
MAGIC = b"reconciler extracts 1\n"
KEEP_DAYS = 30
_LEAD = len(MAGIC) + 12
_ROOMS = ("errors.py", "remembered.py", "kinds", "load", "model", "secrets/policy.py")
"""What decides how a file is read: a change in any of these makes a new cache."""
_LIBRARIES = {"pydantic": "version.py", "yaml": "__init__.py", "sqlglot": "_version.py", "orjson": "__init__.py"}

Ruling = list[str]
"""What a rule judged: the resource's digest, then each name that it looked up, with its digest ("" for what is not there)."""


class Pack(NamedTuple):
    """What is known of earlier loads: extracts by the key of their chunk, and what the rules have let pass by name."""

    extracts: Mapping[str, Extract]
    rulings: Mapping[str, Ruling]


EMPTY = Pack({}, {})


def folder() -> Path | None:
    """Where packs lie; None where there is to be no cache, or no folder that only this user can write to."""
    given = os.environ.get(VARIABLE)
    if given is None:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        given = os.path.join(base, "reconciler") if os.path.isabs(base) else ""
    if not given:
        return None
    path = Path(given)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path if _is_private(path.stat()) else None
    except OSError:
        return None


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def remembered_settings(data: bytes) -> Settings | None:
    """Return what was validated before of a file with this content; None where that is not known, or damaged."""
    if (file := _settings_file(data)) is None:
        return None
    with suppress(OSError, ValueError):  # msgspec's errors are ValueErrors
        with _opened(file) as stream:
            whole = stream.read()
        if whole[:4] == crc32(whole[4:]).to_bytes(4, "little"):
            return msgspec.json.decode(whole[4:], type=Settings)
    return None


def remember_settings(data: bytes, settings: Settings) -> None:
    """Keep what a file with this content says, where there is a folder for it."""
    if (file := _settings_file(data)) is not None:
        whole = msgspec.json.encode(settings)
        _replace(file, [crc32(whole).to_bytes(4, "little"), whole])


def _settings_file(data: bytes) -> Path | None:
    where = folder()
    return where / f"{_version(data)}.settings" if where is not None else None


def pack_file(root: str, settings: bytes, environment: str | None) -> Path | None:
    """Return the pack of a project's folder and environment; ``settings`` is the project's own file."""
    where = folder()
    if where is None:
        return None
    about = orjson.dumps([os.path.realpath(root), environment], option=orjson.OPT_PASSTHROUGH_DATETIME)
    identity = blake2b(about, digest_size=10)
    return where / f"{identity.hexdigest()}-{_version(settings)}.pack"


def _version(settings: bytes) -> str:
    """Of this program, what it reads with, and the settings that files are read by."""
    return blake2b(_program() + settings, digest_size=10).hexdigest()


@cache
def _program() -> bytes:
    found = blake2b(sys.version.encode(), digest_size=16)
    top = Path(__file__).resolve().parent.parent
    for name in _ROOMS:
        place = top / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found.update(file.read_bytes())
    for library, name in _LIBRARIES.items():
        spec = find_spec(library)
        with suppress(OSError):
            found.update(Path(spec.origin).with_name(name).read_bytes() if spec and spec.origin else b"-")
    return found.digest()


def read_pack(file: Path | None) -> Pack:
    """Read a pack; treat a damaged file as empty."""
    if file is None:
        return EMPTY
    try:
        with _opened(file) as stream:
            whole = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):
        return EMPTY
    length, check = int.from_bytes(whole[len(MAGIC) : _LEAD - 4], "little"), whole[_LEAD - 4 : _LEAD]
    index = whole[_LEAD : _LEAD + length]
    # a file that was cut short may have a check of no bytes, which is that of no index
    is_whole = len(index) == length > 0 and bytes(whole[: len(MAGIC)]) == MAGIC
    if not is_whole or crc32(index) != int.from_bytes(check, "little"):
        return EMPTY
    document = orjson.loads(index)
    return Pack(_Extracts(whole, _LEAD + length, document["extracts"]), document["rulings"])


def _opened(file: Path) -> BinaryIO:
    """Open a file to read. Raises OSError for one that is not there, or that others can write to."""
    stream = file.open("rb")
    if _is_private(os.fstat(stream.fileno())):
        return stream
    stream.close()
    raise PermissionError(file)


class _Extracts(Mapping[str, Extract]):
    """Of a pack: each is looked at when it is asked for, and is not there if it is damaged."""

    def __init__(self, whole: memoryview, start: int, entries: dict[str, list[int]]) -> None:
        self._whole, self._start, self._entries = whole, start, entries

    def __getitem__(self, key: str) -> Extract:
        at, *lengths, first, second = self._entries[key]
        at, parts = at + self._start, []
        for length in lengths:
            parts.append(self._whole[at : at + length])
            at += length
        found = Extract(*parts)
        if checksums(found) != (first, second):
            raise KeyError(key)
        return found

    def __iter__(self) -> Any:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def write_pack(file: Path, extracts: Mapping[str, Extract], rulings: Mapping[str, Ruling]) -> None:
    """Whole or not at all; where it can't be written there is no cache. Packs that nobody used for a month are removed."""
    at, entries = 0, {}
    for key, extract in extracts.items():
        lengths = [len(part) for part in extract.parts]
        entries[key] = [at, *lengths, *checksums(extract)]
        at += sum(lengths)
    index = orjson.dumps({"extracts": entries, "rulings": rulings})
    lead = MAGIC + len(index).to_bytes(8, "little") + crc32(index).to_bytes(4, "little") + index
    if _replace(file, [lead, *(part for extract in extracts.values() for part in extract.parts)]):
        with suppress(OSError):
            _remove_old(file)


def _replace(file: Path, parts: Iterable[bytes | memoryview]) -> bool:
    """Write a file whole or not at all, and say whether it was."""
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.writelines(parts)
            os.replace(name, file)
        except BaseException:
            os.unlink(name)
            raise
    except OSError:
        return False
    return True


def used(file: Path) -> None:
    """Note that a pack is of use, so that it stays."""
    with suppress(OSError):
        os.utime(file)


def _remove_old(kept: Path) -> None:
    """Remove what older programs or settings left for the same project, and what has lain unused."""
    identity = kept.name.partition("-")[0]
    for one in kept.parent.iterdir():
        if one == kept or one.suffix not in {".pack", ".settings", ".part"}:
            continue
        try:
            age = time.time() - one.stat().st_mtime
        except OSError:  # another process has removed it
            continue
        same = one.suffix == ".pack" and one.name.startswith(f"{identity}-")
        if same or age > (3600 if one.suffix == ".part" else KEEP_DAYS * 86400):
            with suppress(OSError):
                one.unlink()
