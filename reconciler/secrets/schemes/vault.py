"""``vault://mount/path[?version=N]#key``: one key of a secret in Vault's or OpenBao's KV store, version 1 or 2.

Source: the HTTP API of the KV secrets engines; which version a mount has is asked as Vault's own command line asks it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import hvac

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Fetch, Fetched, Outside, Unreachable
from reconciler.secrets.secret import Secret
from reconciler.secrets.vault_client import Vault


class Mount(NamedTuple):
    """Where a store is mounted (it may have several parts), and its version."""

    path: str
    version: int


def connect(outside: Outside) -> Fetch:
    vault = Vault(outside)
    mounts: dict[str, Mount] = {}

    def mount_of(path: str, reference: SecretRef) -> Mount:
        known = next((mount for prefix, mount in mounts.items() if path.startswith(prefix + "/")), None)
        if known is None:
            known = vault.call(lambda client: _mount(client, path), str(reference))
            mounts[known.path] = known
        return known

    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        path, _, key = reference.rest.partition("#")
        path, _, version = path.partition("?version=")
        mount = mount_of(path, reference)
        inside = path[len(mount.path) + 1 :]
        if mount.version == 1 and version:
            raise CredentialUnresolved(f"{reference} does not resolve: the store at {mount.path} keeps no versions")
        return vault.call(lambda client: _read(client, mount, inside, version, key, reference), str(reference))

    return fetch


def _mount(client: hvac.Client, path: str) -> Mount:
    """Raises Unreachable for an answer that Vault's API doesn't promise."""
    found: Any = client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}")
    try:
        data = found["data"]
        mounted = data["path"].strip("/")
        version = int((data.get("options") or {}).get("version") or 1)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _odd() from None
    if data.get("type") not in ("kv", "generic") or version not in (1, 2) or not f"{path}/".startswith(f"{mounted}/"):
        raise CredentialUnresolved(f"{path} does not lie in a KV store of that Vault")
    return Mount(mounted, version)


def _read(client: hvac.Client, mount: Mount, path: str, version: str, key: str, reference: SecretRef) -> Fetched:
    kv = client.secrets.kv
    try:
        if mount.version == 1:
            answer: Any = kv.v1.read_secret(path, mount_point=mount.path)
            data, number, lease = answer["data"], None, float(answer.get("lease_duration") or 0)
        else:
            answer = kv.v2.read_secret_version(
                path, int(version) if version else None, mount.path, raise_on_deleted_version=True
            )
            data, number, lease = answer["data"]["data"], str(answer["data"]["metadata"]["version"]), 0.0
        value = data.get(key)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _odd() from None
    if value is None:
        raise CredentialUnresolved(f"{reference} does not resolve: the secret has no key {key}")
    if not isinstance(value, str):
        raise CredentialUnresolved(f"{reference} does not resolve: the value of {key} is not text")
    return Fetched(Secret(value), number, lease or None)


def _odd() -> Unreachable:
    return Unreachable("what answers at VAULT_ADDR does not speak Vault's API")
