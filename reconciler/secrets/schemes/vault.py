"""``vault://mount/path[?version=N]#key``: one key of a secret in Vault's or OpenBao's KV store, version 1 or 2.

Source: the HTTP API of the KV secrets engines; which version a mount has is asked as Vault's own command line asks it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import hvac
import orjson
from hvac import exceptions

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Fetch, Fetched, Outside
from reconciler.secrets.parsers import as_text
from reconciler.secrets.secret import Secret
from reconciler.secrets.vault_client import Vault


class Mount(NamedTuple):
    """Where a store is mounted (it may have several parts, and begin with a namespace), and its version."""

    path: str
    version: int


def connect(outside: Outside) -> Fetch:
    """Return the function that reads from Vault or OpenBao."""
    vault = Vault(outside)
    mounts: dict[str, Mount] = {}

    def known_mount(path: str, reference: SecretRef) -> Mount:
        known = next((mount for mount in [*mounts.values()] if path.startswith(f"{mount.path}/")), None)
        if known is None:
            known = vault.call(lambda client: mount_of(client, path, reference), str(reference))
            mounts[known.path] = known
        return known

    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        path, _, key = reference.rest.partition("#")
        path, _, version = path.partition("?version=")
        mount = known_mount(path, reference)
        if mount.version == 1 and version:
            raise CredentialUnresolved(f"{reference} does not resolve: the store at {mount.path} keeps no versions")
        inside = path.removeprefix(f"{mount.path}/")
        try:
            return vault.call(lambda client: _read(client, mount, inside, version, key, reference), str(reference))
        except CredentialUnresolved as error:
            if error.problems[0].code == CredentialUnresolved.code:  # not there: it may be mounted anew by now
                mounts.pop(mount.path, None)
            raise

    return fetch


def mount_of(client: hvac.Client, path: str, reference: SecretRef) -> Mount:
    """Ask where the store of a path is mounted. Raises CredentialUnresolved where it lies in none."""
    found: Any = client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}")
    data = found["data"]
    mounted = data["path"].strip("/")
    if not path.startswith(f"{mounted}/"):  # of a namespace below the client's own, it is named from the root on
        mounted = mounted.removeprefix(f"{(client.adapter.namespace or '').strip('/')}/")
    version = int((data.get("options") or {}).get("version") or 1)
    if data.get("type") not in ("kv", "generic") or version not in (1, 2) or not path.startswith(f"{mounted}/"):
        raise CredentialUnresolved(f"{reference} does not resolve: {path} does not lie in a KV store of that Vault")
    return Mount(mounted, version)


def _read(client: hvac.Client, mount: Mount, path: str, version: str, key: str, reference: SecretRef) -> Fetched:
    kv = client.secrets.kv
    if mount.version == 1:
        answer: Any = kv.v1.read_secret(path, mount_point=mount.path)
        # no lease: how long the writer advises to keep it
        data, number, seconds = answer["data"], None, float(answer.get("lease_duration") or 0) or None
        ends = None
    else:
        try:
            answer = kv.v2.read_secret_version(
                path, int(version) if version else None, mount.path, raise_on_deleted_version=True
            )
        except exceptions.InvalidPath as error:
            raise CredentialUnresolved(f"{reference} does not resolve: {_gone(error.text)}") from None
        data, metadata = answer["data"]["data"], answer["data"]["metadata"]
        number, seconds, ends = str(int(metadata["version"])), None, _end(metadata.get("deletion_time"))
    if data.get(key) is None:
        raise CredentialUnresolved(f"{reference} does not resolve: the secret has no key {key}")
    value = as_text(data[key])
    if value is None:
        raise CredentialUnresolved(f"{reference} does not resolve: the value of {key} is neither text nor a number")
    return Fetched(Secret(value), number, seconds, ends)


def _end(deletion_time: Any) -> datetime | None:
    """When Vault will delete the version (its ``delete_version_after``). Raises ValueError for what is no time."""
    if not deletion_time:
        return None
    ends = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(deletion_time)))
    return ends if ends.tzinfo else ends.replace(tzinfo=UTC)


def _gone(text: Any) -> str:
    """Return what Vault's 404 tells of a version that is gone."""
    try:
        metadata = orjson.loads(text)["data"]["metadata"]
        number = int(metadata["version"])
        return f"its version {number} is {'destroyed' if metadata['destroyed'] else 'deleted'} in Vault"
    except (LookupError, TypeError, ValueError):
        return "Vault has no such secret, or no such version of it"
