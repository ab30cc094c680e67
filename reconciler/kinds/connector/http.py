"""Connectors of type `http`: an API at one base URL."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from reconciler.kinds.connector.common import (
    Auth,
    Connector,
    Headers,
    NetworkExceptions,
    NoAuth,
    RequestsPerMinute,
    header_faults,
)
from reconciler.kinds.rules import Bytes, Retries, Seconds, settle
from reconciler.model.fields import BaseUrl, ItemSet, Replacing
from reconciler.model.judges import grown
from reconciler.model.risk import Health, NoRisk, Risk

Method: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Http(Connector):
    """An API at one base URL; templates add the path."""

    type: Annotated[Replacing[Literal["http"]], Health()] = Field(description="An HTTP API.")
    base_url: BaseUrl = Field(
        description="The address that every path is added to, e.g. `https://api.example.com/v1`; no query, no user."
    )
    auth: Auth = Field(
        NoAuth(type="none"), description="How requests authenticate. `none` (the default) sends no credential."
    )
    headers: Headers = Field(
        default_factory=dict,
        description="Headers of every request. One that looks secret, such as `Authorization`, needs a reference or `{plain: …}`.",
    )
    allowed_methods: Annotated[
        ItemSet[Method], Field(min_length=1), Risk("access-widened", by=grown(empty_is_all=False))
    ] = Field(
        ("GET", "HEAD"),
        description="The methods that templates may use. The default only reads (GET and HEAD): whoever wants to write says so.",
    )
    timeout_seconds: Seconds = Field(30, description="How long one request may take in all, in seconds (1 to 3600).")
    max_response_bytes: Bytes = Field(
        5242880, description="The largest response, in bytes after decompression. The default is 5 MiB."
    )
    rate_limit: RequestsPerMinute = 60
    retries: Annotated[Retries, NoRisk("only requests that may be repeated safely are sent again")] = Field(
        2,
        description="How often a request that may be repeated safely is sent again after a passing failure (0 to 10).",
    )
    network_exceptions: NetworkExceptions = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, header_faults(self.headers)) if self.headers else self
