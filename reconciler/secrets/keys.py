"""Key files: JSON with one or more 32-byte keys by id, readable by its owner alone.

A key is *primary* (new things are made with it), *decrypt-only* (known everywhere before it becomes primary, or kept
after) or *retired*: it opens no secret any more, and still verifies what it signed.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from reconciler.committed import written
from reconciler.errors import IntegrityFailed, ReconcilerError, Refused, UsageError
from reconciler.files import write_atomically

FORMAT_VERSION = "1"
MOST_BYTES = 1 << 20
PERIOD = 8
"""Bytes after which a key may not repeat itself all along: zeros and one byte repeated do so too."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
"""No colon: what begins with ``transit:`` is a key of Vault."""


class Keys(NamedTuple):
    """All keys by id, and the id of the one that new things are made with."""

    by_id: dict[str, bytes]
    primary: str
    retired: frozenset[str] = frozenset()

    def state(self, key_id: str) -> str:
        if key_id == self.primary:
            return "primary"
        return "retired" if key_id in self.retired else "decrypt-only"


def create_keys(path: Path) -> str:
    """Write a new file with one random key, mode 0600; returns the key's id. Raises Refused if the file exists."""
    identity, key = _new_key()
    document = {"format_version": FORMAT_VERSION, "primary": identity, "keys": {identity: key}}
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(f"{path} exists already; a key is never overwritten", code="key-exists") from None
    except OSError as error:
        raise ReconcilerError(f"can't write {path}: {error.strerror}", code="key-not-written") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # a part of a key is none
        raise ReconcilerError(f"can't write {path}: {error.strerror}", code="key-not-written") from None
    written(f"the key file {path}")
    return identity


def add_key(path: Path) -> str:
    """Add a random key, decrypt-only; returns its id."""
    with _changing(path) as document:
        identity, key = _new_key()
        document["keys"][identity] = key
    return identity


def promote_key(path: Path, key_id: str) -> None:
    """Make a key primary. Raises UsageError for one that isn't there, Refused for one that is retired."""
    with _changing(path) as document:
        _known(document, key_id)
        if key_id in document.get("retired", []):
            raise Refused(f"the key {key_id} is retired", code="key-retired", hint="add a new one instead")
        document["primary"] = key_id


def retire_key(path: Path, key_id: str) -> None:
    """Retire a key that opens no secret any more. Raises UsageError, and Refused for the primary one."""
    with _changing(path) as document:
        _known(document, key_id)
        if key_id == document["primary"]:
            raise Refused(
                f"the key {key_id} is primary", code="key-primary", hint="`reconciler secrets keys promote` another one"
            )
        document["retired"] = sorted({*document.get("retired", []), key_id})


def _new_key() -> tuple[str, str]:
    return "k-" + secrets.token_hex(4), base64.b64encode(secrets.token_bytes(32)).decode()


def _known(document: dict[str, Any], key_id: str) -> None:
    if key_id not in document["keys"]:
        raise UsageError(
            f"the key file has no key {key_id!r}", code="unknown-key", hint=f"it has: {', '.join(document['keys'])}"
        )


@contextmanager
def _changing(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the document, to be changed in place and written whole; one process at a time."""
    read_keys(path)  # with all of its checks
    path = path.resolve()
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise ReconcilerError(f"can't write {path}: {error.strerror}", code="key-not-written") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        read_keys(path)
        document: dict[str, Any] = orjson.loads(path.read_bytes())
        yield document
        write_atomically(path, orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n", 0o600)
    finally:
        os.close(folder)


def read_keys(path: Path) -> Keys:
    """Read a key file. Raises Refused where others may read it, IntegrityFailed where it is no key file."""
    try:
        data = _read(path)
    except OSError as error:
        raise ReconcilerError(
            f"can't read the key file {path}: {error.strerror}",
            code="key-not-read",
            hint="make one with `reconciler secrets keys create --out FILE`",
        ) from None
    try:
        document = orjson.loads(data)
        by_id = {name: base64.b64decode(text, validate=True) for name, text in document["keys"].items()}
        retired = document.get("retired", [])
        keys = Keys(by_id, document["primary"], frozenset(retired))
        sound = isinstance(retired, list) and keys.primary in by_id and keys.primary not in keys.retired
    except (orjson.JSONDecodeError, binascii.Error, KeyError, TypeError, AttributeError, ValueError):
        sound = False
    if not sound or not all(_ID.match(name) and len(key) == 32 for name, key in by_id.items()):
        raise IntegrityFailed(f"{path} is not a key file", code="key-malformed", hint=_MALFORMED)
    _require_strong(path, data, by_id)
    if document.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        raise Refused(f"{path} has a newer format", code="key-newer", hint="upgrade this reconciler")
    return keys


def _require_strong(path: Path, data: bytes, by_id: dict[str, bytes]) -> None:
    """Raise Refused for a key that nobody drew at random, and for an id that stands twice: the last key would win unseen."""
    for name, key in by_id.items():
        if key == key[:PERIOD] * (len(key) // PERIOD):
            raise Refused(
                f"the key {name} in {path} is no random one: it repeats itself",
                code="key-weak",
                hint="make one with `reconciler secrets keys create --out FILE`; what this one sealed has to be set again",
            )
    pairs: list[str] = []
    json.loads(data, object_pairs_hook=lambda found: pairs.extend(name for name, _ in found))
    if double := sorted({name for name in pairs if pairs.count(name) > 1}):
        raise Refused(
            f"{path} has {double[0]!r} twice", code="key-malformed", hint="restore the file from where you keep a copy"
        )


_MALFORMED = "restore it from where you keep a copy; without its keys, what they sealed does not open"


def _read(path: Path) -> bytes:
    """Of a regular file of sane size: a pull request may name the file. Raises OSError, Refused, IntegrityFailed."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            raise IntegrityFailed(f"{path} is not a key file", code="key-malformed")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise Refused(f"others may read the key file {path}", code="key-permissions", hint=f"chmod 600 {path}")
        if found.st_uid != os.geteuid():
            raise Refused(
                f"the key file {path} belongs to another user, who may change it",
                code="key-permissions",
                hint=f"chown {os.geteuid()} {path}, or run the command as its owner",
            )
        return file.read(MOST_BYTES)
