"""Connectors of type `vector`: a store that searches by similarity."""

from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from reconciler.kinds.connector.common import (
    Connector,
    Encryption,
    NetworkExceptions,
    RequestSeconds,
    RequestsPerMinute,
)
from reconciler.kinds.rules import Bytes, Cap, Case, ReadOnly, by_cases, settle
from reconciler.model.fields import BaseUrl, Replacing, Secret, ShortText
from reconciler.model.judges import sinks
from reconciler.model.risk import Health, NoRisk, Risk


class Vector(Connector):
    """A vector store; each engine needs its own fields."""

    type: Annotated[Replacing[Literal["vector"]], Health()] = Field(description="A store that searches by similarity.")
    engine: Annotated[
        Literal["pgvector", "qdrant", "chroma", "pinecone", "weaviate"], Risk("endpoint-host-changed"), Health()
    ] = Field(
        description="The store: `pgvector` needs `dsn`; `qdrant`, `chroma` and `weaviate` need `url`; `pinecone` needs `api_key` and `index` and is contract-tested only."
    )
    dsn: Secret | None = Field(None, description="pgvector: a reference to the whole connection string.")
    url: BaseUrl | None = Field(
        None, description="The store's address. pinecone finds it by `index` if this is left out."
    )
    ssl: Annotated[
        Encryption | None, Risk("encryption-weakened", by=sinks(get_args(Encryption), absent="require")), Health()
    ] = Field(
        None,
        description="pgvector: how the connection is encrypted. Without it, as `require`; `verify-full` also checks the server's "
        "name.",
    )
    api_key: Secret | None = Field(None, description="A reference to the API key. Without it, requests carry none.")
    index: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None, description="pinecone: the name of the index."
    )
    tenant: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None, description="chroma: the store's own tenant. Without it, `default_tenant`."
    )
    database: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None, description="chroma: the database inside of that tenant. Without it, `default_database`."
    )
    dimensions: Annotated[
        Annotated[int, Field(ge=1, le=65536)] | None, NoRisk("a search with another length finds nothing")
    ] = Field(None, description="The length of the vectors. Without it, the store's own setting counts.")
    metric: Annotated[Literal["cosine", "euclidean", "dot"], NoRisk("it orders the same matches")] = Field(
        "cosine",
        description="How similarity is measured, for pgvector; the other stores have that in their collection.",
    )
    read_only: ReadOnly = Field(
        True, description="Whether only searching is allowed. Writing vectors needs false here."
    )
    max_results: Cap[Annotated[int, Field(ge=1, le=10_000)]] = Field(
        100, description="The most matches that a search may return."
    )
    max_response_bytes: Bytes = Field(5242880, description="The largest response in bytes. The default is 5 MiB.")
    timeout_seconds: RequestSeconds = 30
    rate_limit: RequestsPerMinute = 60
    network_exceptions: NetworkExceptions = ()

    cases: ClassVar = (
        Case({"engine": ("pgvector",)}, "for pgvector", needed=("dsn",), barred=("url", "api_key", "index")),
        Case({"engine": ("pinecone",)}, "for pinecone", needed=("api_key", "index"), barred=("dsn",)),
        *(
            Case({"engine": (one,)}, f"for {one}", needed=("url",), barred=("dsn", "index"))
            for one in ("qdrant", "chroma", "weaviate")
        ),
        *(
            Case({"engine": (one,)}, f"for {one}", barred=("tenant", "database"))
            for one in ("pgvector", "qdrant", "pinecone", "weaviate")
        ),
        *(
            Case({"engine": (one,)}, f"for {one}", barred=("ssl",))
            for one in ("qdrant", "chroma", "pinecone", "weaviate")
        ),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, by_cases(self, self.cases))
