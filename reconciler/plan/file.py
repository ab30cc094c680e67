"""Save a plan in a file and read it back: canonical JSON, written atomically, mode 0600, signed where there is a key."""

from __future__ import annotations

import hmac
import json
import os
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from reconciler.committed import written
from reconciler.errors import IntegrityFailed, ReconcilerError
from reconciler.failpoints import hit
from reconciler.model.plan import Plan
from reconciler.plan import codec
from reconciler.plan.convert import believed
from reconciler.plan.document import SignatureDocument
from reconciler.plan.version import of_another_format
from reconciler.strict_json import NotStrict, unique_keys

MAX_BYTES = 2 * 1024**3
_PURPOSE = b"reconciler plan file, format 1"


def _mac(key: bytes, digests: Iterable[str]) -> str:
    own = hmac.new(key, _PURPOSE, sha256).digest()  # a key of its own, so that no other use of the key can forge a plan
    return hmac.new(own, "".join(digests).encode(), sha256).hexdigest()


def write_plan(plan: Plan, path: Path, key: tuple[str, bytes] | None = None) -> None:
    """Write the plan; ``key`` is an id and 32 bytes. A process that is killed leaves the new file or the old one, whole.

    Raises ReconcilerError where it can't be written, also where ``path`` is a device or a folder.
    """
    try:
        if path.exists() and not path.is_file():
            # a rename would put a file in place of /dev/null
            raise ReconcilerError(f"can't write the plan to {path}: it is not a file", code="plan-not-written")
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                digests, offsets = codec.write(plan, file, key[0] if key else None)
                stated = {"digest": digests.content, "sources_digest": digests.sources}
                if key:
                    stated["hmac"] = _mac(key[1], digests)
                for field, text in stated.items():
                    file.seek(offsets[field])
                    file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            hit("before_plan_rename")
            os.replace(name, path)
            written(f"the plan {path}")
        except BaseException:
            os.unlink(name)
            raise
        hit("after_plan_rename")
    except OSError as error:
        raise ReconcilerError(f"can't write the plan to {path}: {error.strerror}", code="plan-not-written") from None


def read_plan(path: Path, keys: dict[str, bytes] | None = None) -> Plan:
    """Return the plan of a file. ``keys`` are the known ones by id; where there are any, an unsigned plan is refused.

    Raises IntegrityFailed, PlanStale for a plan of another format, ReconcilerError where the file can't be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise IntegrityFailed(f"{path} is too large for a plan", code="plan-malformed")
        data = path.read_bytes()
        found = _as_written(data)
        document: Any = None if found else orjson.loads(data)
    except OSError as error:
        raise ReconcilerError(f"can't read the plan {path}: {error.strerror}", code="plan-not-read") from None
    except (orjson.JSONDecodeError, RecursionError):
        raise IntegrityFailed(
            f"{path} is not a plan: it is not complete JSON",
            code="plan-malformed",
            hint="make the plan again with `reconciler plan --out FILE`",
        ) from None
    if found is None:
        if keys and of_another_format(document):
            _check_other(document, keys)
        found = believed(document)
        _require_unique_keys(data)
    if keys:
        _check(found.signature, keys, found.digests)
    return found.plan


def _as_written(data: bytes) -> codec.Believed | None:
    """Return the plan of a file that has the bytes that ``write_plan`` writes; None for any other, which may still hold one."""
    try:
        return codec.read(data).believed()
    except (ValueError, RecursionError, IntegrityFailed):
        return None


def _require_unique_keys(data: bytes) -> None:
    """Raise IntegrityFailed where an object has a key twice: other readers may take the other value."""
    try:
        json.loads(data, object_pairs_hook=unique_keys)
    except NotStrict:
        raise codec.contradictory() from None


def _check(signature: SignatureDocument | None, keys: dict[str, bytes], digests: Iterable[str]) -> None:
    """Raise IntegrityFailed unless a known key has signed these digests."""
    if signature is None:
        raise IntegrityFailed(
            "the plan is not signed, and a key is configured",
            code="plan-unsigned",
            hint="make the plan where the same key is configured",
        )
    key = keys.get(signature.key)
    if key is None or not hmac.compare_digest(_mac(key, digests), signature.value):
        raise IntegrityFailed(
            "the plan's signature does not match",
            code="plan-signature",
            hint="make the plan again with a known key",
        )


def _check_other(document: Any, keys: dict[str, bytes]) -> None:
    """Judge the signature of a plan of another format as far as it can be known how that one is made."""
    signature = document.get("hmac")
    is_like_ours = isinstance(signature, dict) and all(type(signature.get(n)) is str for n in ("key", "value"))
    if signature is not None and not (is_like_ours and signature["value"].isascii()):
        return
    digests = (document["digest"], str(document.get("sources_digest", "")))
    if signature is None or signature["key"] not in keys or document["format_version"] in _FORMATS_BEFORE:
        _check(SignatureDocument(signature["key"], signature["value"]) if signature else None, keys, digests)


_FORMATS_BEFORE = ("1.0", "1.1", "1.2", "1.3")
"""Their signatures cover both digests, or the only one that they have."""
