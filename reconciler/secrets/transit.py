"""Vault's transit engine as the key that wraps data keys: the key itself never leaves the server.

Only data keys are sent there, with the context as associated data; the wrapped text is the engine's own
(``vault:v3:...``). A key's id is ``transit:mount/name``; its versions are rotated in Vault and need no new id here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import hvac
from hvac import exceptions

from reconciler.errors import CredentialUnresolved, Refused, UsageError
from reconciler.secrets.envelope import damaged
from reconciler.secrets.fetch import Outside, bounded
from reconciler.secrets.vault_client import READING, Purpose, Vault

PREFIX = "transit:"
MOST_TEXT = 4096
"""Characters of a wrapped data key; Vault's have about a hundred."""
CREATING = Purpose("is not made", "read and update")
T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)+\Z")


class TransitKey:
    """A key of the transit engine, as ``envelope.Wrapper``."""

    def __init__(self, name: str, outside: Outside) -> None:
        """``name`` is mount/key. Raises UsageError, CredentialUnresolved."""
        if not _NAME.match(name):
            raise UsageError("expected mount/name of a transit key, e.g. transit/reconciler", code="unknown-key")
        self.key_id = PREFIX + name
        self._mount, _, self._key = name.rpartition("/")
        self._vault = Vault(outside)
        self._is_known = False

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """Return the wrapped data key. Raises CredentialUnresolved, also where Vault has no such key: it would make one."""

        def work(client: hvac.Client) -> str:
            self._require_known(client)
            try:
                answer = client.secrets.transit.encrypt_data(
                    self._key, _coded(data_key), mount_point=self._mount, associated_data=_coded(context)
                )
            except exceptions.InvalidRequest as error:
                raise CredentialUnresolved(
                    f"the transit key {self._key} does not encrypt: {_reason(str(error.text))}",
                    code="secret-store-refused",
                    hint="make one with `reconciler secrets keys create --transit MOUNT/NAME`; its type must be one with associated data",
                ) from None
            text = _field(answer, "ciphertext")
            if not text.isascii() or not 0 < len(text) <= MOST_TEXT:
                raise ValueError(text)
            return text

        return self._call(work).encode()

    def create(self) -> None:
        """Make the key in Vault. Raises Refused where it is there already, CredentialUnresolved."""

        def work(client: hvac.Client) -> None:
            with suppress(exceptions.InvalidPath):
                client.secrets.transit.read_key(self._key, mount_point=self._mount)  # type: ignore[no-untyped-call]
                raise Refused(
                    f"the transit key {self._key} in {self._mount} exists already",
                    code="key-exists",
                    hint="name it in RECONCILER_TRANSIT_KEY, or make one of another name",
                )
            try:
                client.secrets.transit.create_key(self._key, key_type="aes256-gcm96", mount_point=self._mount)  # type: ignore[no-untyped-call]
            except exceptions.InvalidPath:
                raise CredentialUnresolved(
                    f"there is no transit engine at {self._mount}",
                    code="secret-store-refused",
                    hint=f"enable it with `vault secrets enable -path={self._mount} transit`",
                ) from None

        self._call(work, CREATING)

    def _require_known(self, client: hvac.Client) -> None:
        """Ask Vault to decrypt what nobody encrypted: it takes no further rights, and makes no key.

        Encrypting with a name that is not there makes a key of that name, so that a typo would seal secrets with it.
        """
        if self._is_known:
            return
        try:
            client.secrets.transit.decrypt_data(self._key, _NOBODYS, mount_point=self._mount)
        except (exceptions.InvalidRequest, exceptions.InternalServerError) as error:
            if "not found" in str(error.text):
                raise CredentialUnresolved(
                    f"there is no transit key {self._key} in {self._mount}, and none is made by its use",
                    code="secret-store-refused",
                    hint=f"correct the name, or make it with `reconciler secrets keys create --transit {self._mount}/{self._key}`",
                ) from None
        except exceptions.VaultError:
            pass  # a token that may not decrypt can't look; whatever else is wrong, the request itself will tell
        self._is_known = True

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        if not wrapped or not wrapped.isascii():
            raise damaged()
        text = wrapped.decode()

        def work(client: hvac.Client) -> bytes:
            try:
                answer = client.secrets.transit.decrypt_data(
                    self._key, text, mount_point=self._mount, associated_data=_coded(context)
                )
            except (exceptions.InvalidRequest, exceptions.InternalServerError) as error:
                said = str(error.text)
                if _DAMAGED.search(said):  # some releases answer 500 and not 400
                    raise damaged() from None
                if isinstance(error, exceptions.InternalServerError):
                    raise
                raise CredentialUnresolved(
                    f"the transit key {self._key} does not decrypt: {_reason(said)}", code="secret-store-refused"
                ) from None
            return base64.b64decode(_field(answer, "plaintext"), validate=True)

        return self._call(work)

    def counted_as(self, wrapped: bytes) -> str:
        """With the version by which Vault wrapped it, so that one can see when an older version holds nothing any more."""
        version = wrapped.split(b":", 2)[1:2]
        return f"{self.key_id}:{version[0].decode('ascii', 'replace')}" if version else self.key_id

    def _call(self, work: Callable[[hvac.Client], T], purpose: Purpose = READING) -> T:
        what = f"the transit key {self._key}"
        return bounded(lambda: self._vault.call(work, what, purpose), self._vault.timeout, what)


_NOBODYS = "vault:v1:" + base64.b64encode(bytes(48)).decode()
_DAMAGED = re.compile(r"message authentication failed|invalid ciphertext(?!: version is too new)")
"""What Vault and OpenBao say of a text that is not what was wrapped, or is bound to another place."""


def _reason(said: str) -> str:
    if "too old" in said:
        return "the key's min_decryption_version leaves out the version that this secret was sealed with; lower it"
    if "version is too new" in said:
        return "Vault does not know the version that this secret was sealed with; was it restored from an older copy?"
    if "not found" in said:
        return "there is no such key"
    return "Vault refuses the request as malformed"


def _field(answer: Any, name: str) -> str:
    """Return a field of transit's response. Raises LookupError, TypeError for what is none."""
    found = answer["data"][name]
    if not isinstance(found, str):
        raise TypeError(name)
    return found


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()
