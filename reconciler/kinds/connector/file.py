"""Connectors of type `file`: a bucket, a container or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.connector.common import Connector, NetworkExceptions
from reconciler.kinds.rules import Bytes, Fault, Seconds, forbidden, required, settle
from reconciler.model.fields import Secret, ShortText, Url

_FIELDS = {
    "s3": ("bucket", "region", "endpoint_url", "access_key_id", "secret_access_key", "role_arn"),
    "gcs": ("bucket", "project", "endpoint_url", "credential"),
    "azure": ("container", "account", "endpoint_url", "credential"),
    "local": ("root",),
}
_NEEDED = {"s3": ("bucket",), "gcs": ("bucket",), "azure": ("container", "account"), "local": ("root",)}


class File(Connector):
    """Files; each provider has its own fields."""

    type: Literal["file"] = Field(description="Files in a bucket, a container or a folder.")
    provider: Literal["s3", "gcs", "azure", "local"] = Field(
        description="Where files are: `s3` and `gcs` need `bucket`, `azure` needs `account` and `container`, `local` needs `root`."
    )
    bucket: ShortText | None = Field(None, description="s3 and gcs: the name of the bucket.")
    container: ShortText | None = Field(None, description="azure: the name of the container.")
    account: ShortText | None = Field(None, description="azure: the name of the storage account.")
    root: ShortText | None = Field(
        None, description="local: the absolute path of the folder; nothing outside it is reached."
    )
    region: ShortText | None = Field(
        None, description="s3: the region. Without it, that of the machine's configuration."
    )
    project: ShortText | None = Field(None, description="gcs: the project. Without it, that of the credential.")
    endpoint_url: Url | None = Field(
        None, description="The address of a compatible store in place of the provider's own."
    )
    access_key_id: Secret | None = Field(None, description="s3: a reference to the access key's id.")
    secret_access_key: Secret | None = Field(None, description="s3: a reference to the secret access key.")
    role_arn: ShortText | None = Field(None, description="s3: a role to assume before each session, as an ARN.")
    credential: Secret | None = Field(
        None,
        description="gcs: a reference to the service account's key. azure: to the account's key or a SAS token. Without it, "
        "the identity of the machine is used.",
    )
    read_only: bool = Field(True, description="Whether only listing and reading is allowed. Writing needs false here.")
    max_bytes: Bytes = Field(
        5242880, description="The largest file that is read or written, in bytes. The default is 5 MiB."
    )
    timeout_seconds: Seconds = Field(30, description="How long one operation may take, in seconds (1 to 3600).")
    network_exceptions: NetworkExceptions = Field(
        (), description="Private networks and ports that may be reached. All other private addresses are refused."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        where = f"for {self.provider}"
        yield from required(self, _NEEDED[self.provider], where)
        others = {name for names in _FIELDS.values() for name in names} - set(_FIELDS[self.provider])
        yield from forbidden(self, sorted(others), where)
        if self.provider == "s3":
            pair = {name: getattr(self, name) for name in ("access_key_id", "secret_access_key")}
            if any(pair.values()):
                yield from required(self, pair, "beside the other half of the key")
        if self.root is not None and (not self.root.startswith("/") or ".." in self.root.split("/")):
            yield Fault(("root",), "invalid-path", "expected an absolute path without `..`")
