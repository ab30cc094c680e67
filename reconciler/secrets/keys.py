"""Key files: JSON with one or more 32-byte keys by id, readable by its owner alone."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path
from typing import NamedTuple

import orjson

from reconciler.errors import IntegrityFailed, ReconcilerError, Refused

FORMAT_VERSION = "1"


class Keys(NamedTuple):
    """All keys by id, and the id of the one that new things are made with."""

    by_id: dict[str, bytes]
    primary: str


def create_keys(path: Path) -> str:
    """Writes a new file with one random key, mode 0600; returns the key's id. Raises Refused if the file exists."""
    identity = "k-" + secrets.token_hex(4)
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    document = {"format_version": FORMAT_VERSION, "primary": identity, "keys": {identity: key}}
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(f"{path} exists already; a key is never overwritten", code="key-exists") from None
    except OSError as error:
        raise ReconcilerError(f"can't write {path}: {error.strerror}", code="key-not-written") from None
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return identity


def read_keys(path: Path) -> Keys:
    """Raises Refused where others may read the file, IntegrityFailed where it is not a key file."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise ReconcilerError(
            f"can't read the key file {path}: {error.strerror}",
            code="key-not-read",
            hint="make one with `reconciler secrets keys create --out FILE`",
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise Refused(f"others may read the key file {path}", code="key-permissions", hint=f"chmod 600 {path}")
    try:
        document = orjson.loads(data)
        by_id = {str(name): base64.b64decode(text, validate=True) for name, text in document["keys"].items()}
        keys = Keys(by_id, str(document["primary"]))
    except (orjson.JSONDecodeError, binascii.Error, KeyError, TypeError, AttributeError, ValueError):
        raise IntegrityFailed(f"{path} is not a key file", code="key-malformed") from None
    if keys.primary not in by_id or any(len(key) != 32 for key in by_id.values()):
        raise IntegrityFailed(f"{path} is not a key file", code="key-malformed")
    return keys
