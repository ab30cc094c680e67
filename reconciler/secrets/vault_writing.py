"""One key of a secret in Vault's or OpenBao's KV store, version 2, written with check-and-set: no other write is lost.

Other keys of the secret are neither read nor sent: a key is changed by a JSON merge patch (RFC 7396), inside the server.
Source: the HTTP API of the KV secrets engine, version 2 (`patch`, `options.cas`, `delete`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import uniform
from typing import Any, NamedTuple, TypeVar

import hvac
import orjson
from hvac import exceptions

from reconciler.errors import CredentialUnresolved, ReconcilerError, UsageError
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Outside, bounded
from reconciler.secrets.schemes.vault import Mount, mount_of
from reconciler.secrets.secret import Secret
from reconciler.secrets.vault_client import WRITING, Vault

PATIENCE = 30.0
"""Seconds in which a write has to find its turn among others of the same secret."""
_PATCH = {"Content-Type": "application/merge-patch+json"}
_LOST = "check-and-set parameter did not match"
T = TypeVar("T")


class _Current(NamedTuple):
    """The newest version, 0 where there is none, and its keys; None where it is deleted."""

    version: int
    keys: frozenset[str] | None


class VaultKey:
    """``vault://mount/path#key`` as a place to write to."""

    def __init__(self, outside: Outside, reference: SecretRef) -> None:
        """Take a reference to write to. Raises UsageError where none can be, Unreachable where no Vault is configured."""
        if reference.scheme != "vault" or "?" in reference.rest:
            raise UsageError(
                "expected vault://mount/path#key, without a version",
                code="invalid-reference",
                hint="values of other stores are written by their own tools; without --in the database keeps them",
            )
        self._reference = reference
        self._vault = Vault(outside)

    def put(self, secret: Secret, new: bool) -> int:
        """Write the next value and return the secret's version in Vault; with ``new`` false the key has to be there."""

        def write(client: hvac.Client, mount: Mount, current: _Current) -> int:
            self._require(current, may_be_new=new)
            return self._write(client, mount, current, secret.reveal())

        return self._in_turn(write)

    def remove(self) -> int:
        """Remove the key and return the version without it; where it is the only one, that version is deleted.

        Older versions keep the value until they are destroyed.
        """

        def write(client: hvac.Client, mount: Mount, current: _Current) -> int:
            self._require(current, may_be_new=False)
            if current.keys is not None and len(current.keys) > 1:
                return self._write(client, mount, current, None)
            # this version by its number: one that somebody writes meanwhile is not touched
            client.adapter.post(self._url(mount, "delete"), json={"versions": [current.version]})
            return current.version

        return self._in_turn(write)

    def _require(self, current: _Current, may_be_new: bool) -> None:
        if not may_be_new and self._reference.part not in (current.keys or ()):
            raise UsageError(
                f"there is no {self._reference} in Vault", code="unknown-secret", hint="`secrets set` makes a new one"
            )

    def _in_turn(self, write: Callable[[hvac.Client, Mount, _Current], int]) -> int:
        deadline = time.monotonic() + PATIENCE
        while (written := self._call(lambda client: self._attempt(client, write))) is None:
            if time.monotonic() > deadline:
                raise ReconcilerError(f"others keep changing {self._reference}", code="contended", hint="try again")
            time.sleep(uniform(0, 0.2))  # noqa: S311 - those who lost don't come back all at once
        return written

    def _attempt(self, client: hvac.Client, write: Callable[[hvac.Client, Mount, _Current], int]) -> int | None:
        """None where somebody else wrote a version in between."""
        mount = mount_of(client, self._reference.name, self._reference)
        if mount.version == 1:
            raise CredentialUnresolved(
                f"{self._reference} is not written: the store at {mount.path} is KV version 1, which has no check-and-set",
                code="secret-store-refused",
                hint=f"`bao kv enable-versioning {mount.path}` makes it version 2",
            )
        try:
            return write(client, mount, self._current(client, mount))
        except exceptions.InvalidRequest as error:
            if _LOST in str(error.text):
                return None
            raise

    def _current(self, client: hvac.Client, mount: Mount) -> _Current:
        try:
            data = client.adapter.get(self._url(mount, "data"))["data"]
        except exceptions.InvalidPath as error:
            found = orjson.loads(str(error.text)).get("data") or {}
            return _Current(int((found.get("metadata") or {}).get("version", 0)), None)
        return _Current(int(data["metadata"]["version"]), frozenset(data["data"]))

    def _write(self, client: hvac.Client, mount: Mount, current: _Current, value: str | None) -> int:
        body: dict[str, Any] = {"options": {"cas": current.version}, "data": {self._reference.part: value}}
        is_patch = current.keys is not None
        answer = client.adapter.request(
            "patch" if is_patch else "post", self._url(mount, "data"), headers=_PATCH if is_patch else None, json=body
        )
        return int(answer["data"]["version"])

    def _url(self, mount: Mount, what: str) -> str:
        return f"/v1/{mount.path}/{what}/{self._reference.name.removeprefix(f'{mount.path}/')}"

    def _call(self, work: Callable[[hvac.Client], T]) -> T:
        what = str(self._reference)
        return bounded(lambda: self._vault.call(work, what, WRITING), self._vault.timeout, what)
