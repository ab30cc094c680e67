"""Connectors of type `file`: a bucket, a container or a folder."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.connector.common import Connector, NetworkExceptions
from reconciler.kinds.rules import Bytes, Fault, ReadOnly, Seconds, both_or_none, by_cases, only_own, settle
from reconciler.model.fields import BaseUrl, Replacing, Secret, Shaped, ShortText
from reconciler.model.risk import Health, Risk

_FIELDS = {
    "s3": ("bucket", "region", "endpoint_url", "access_key_id", "secret_access_key", "role_arn"),
    "gcs": ("bucket", "project", "endpoint_url", "credential"),
    "azure": ("container", "account", "endpoint_url", "credential"),
    "local": ("root",),
}
_NEEDED = {"s3": ("bucket",), "gcs": ("bucket",), "azure": ("container", "account"), "local": ("root",)}


_ROOT = Shaped(r"^/(?!(?:.*/)?\.\.(?:/|$))")


class File(Connector):
    """Files; each provider has its own fields."""

    type: Annotated[Replacing[Literal["file"]], Health()] = Field(
        description="Files in a bucket, a container or a folder."
    )
    provider: Annotated[Literal["s3", "gcs", "azure", "local"], Risk("endpoint-host-changed"), Health()] = Field(
        description="Where files are: `s3` and `gcs` need `bucket`, `azure` needs `account` and `container`, `local` needs `root`."
    )
    bucket: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None, description="s3 and gcs: the name of the bucket."
    )
    container: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None, description="azure: the name of the container."
    )
    account: Annotated[ShortText | None, Risk("endpoint-host-changed"), Risk("access-widened"), Health()] = Field(
        None, description="azure: the name of the storage account."
    )
    root: Annotated[Annotated[ShortText, _ROOT] | None, Risk("access-widened"), Health()] = Field(
        None,
        description="local: the absolute path of the folder, which `permits.file_roots` of `serve.yaml` has to permit; nothing outside "
        "it is reached.",
    )
    region: Annotated[ShortText | None, Risk("endpoint-host-changed"), Health()] = Field(
        None, description="s3: the region. Without it, `us-east-1`."
    )
    project: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None, description="gcs: the project. Without it, that of the credential."
    )
    endpoint_url: BaseUrl | None = Field(
        None, description="The address of a compatible store in place of the provider's own."
    )
    access_key_id: Secret | None = Field(None, description="s3: a reference to the access key's id.")
    secret_access_key: Secret | None = Field(None, description="s3: a reference to the secret access key.")
    role_arn: Annotated[ShortText | None, Risk("credential-changed"), Health()] = Field(
        None, description="s3: a role to assume with the access key, as an ARN."
    )
    credential: Secret | None = Field(
        None,
        description="gcs: a reference to the service account's key, as JSON. azure: to the account's key or a SAS token.",
    )
    read_only: ReadOnly = Field(
        True, description="Whether only listing and reading is allowed. Writing needs false here."
    )
    max_bytes: Bytes = Field(
        5242880, description="The largest file that is read or written, in bytes. The default is 5 MiB."
    )
    timeout_seconds: Seconds = Field(30, description="How long one operation may take, in seconds (1 to 3600).")
    network_exceptions: NetworkExceptions = ()

    cases: ClassVar = (
        *only_own("provider", _FIELDS, _NEEDED),
        *both_or_none("access_key_id", "secret_access_key", "beside the other half of the key"),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from by_cases(self, self.cases)
        if self.root is not None and (not self.root.startswith("/") or ".." in self.root.split("/")):
            yield Fault(("root",), "invalid-path", "expected an absolute path without `..`")
