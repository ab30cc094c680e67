"""Vault's transit engine as the key that wraps data keys: the key itself never leaves the server.

Only data keys are sent there, with the context as associated data; the wrapped text is the engine's own
(``vault:v3:...``). A key's id is ``transit:mount/name``; its versions are rotated in Vault and need no new id here.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import hvac

from reconciler.errors import CredentialUnresolved, UsageError
from reconciler.secrets.envelope import damaged
from reconciler.secrets.fetch import Outside, Unreachable
from reconciler.secrets.vault_client import REFUSED, Vault

PREFIX = "transit:"
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

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        def work(client: hvac.Client) -> Any:
            return client.secrets.transit.encrypt_data(
                self._key, _coded(data_key), mount_point=self._mount, associated_data=_coded(context)
            )

        return self._field(self._vault.call(work, f"the transit key {self._key}"), "ciphertext").encode()

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        try:
            text = wrapped.decode("ascii")
        except UnicodeDecodeError:
            raise damaged() from None

        def work(client: hvac.Client) -> Any:
            return client.secrets.transit.decrypt_data(
                self._key, text, mount_point=self._mount, associated_data=_coded(context)
            )

        try:
            answer = self._vault.call(work, f"the transit key {self._key}")
        except CredentialUnresolved as error:
            if error.problems[0].code == REFUSED:  # the text, or what it is bound to, is not what was wrapped
                raise damaged() from None
            raise
        try:
            return base64.b64decode(self._field(answer, "plaintext"), validate=True)
        except binascii.Error:
            raise damaged() from None

    @staticmethod
    def _field(answer: Any, name: str) -> str:
        try:
            return str(answer["data"][name])
        except (KeyError, TypeError):
            raise Unreachable("what answers at VAULT_ADDR does not speak Vault's API") from None


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()
