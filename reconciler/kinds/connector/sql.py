"""Connectors of type `sql`: a database that speaks SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import Field, model_validator

from reconciler.kinds.connector.common import Connector, NetworkExceptions
from reconciler.kinds.rules import Bytes, Fault, ReadOnly, Rows, Seconds, forbidden, required, settle
from reconciler.model.fields import FreeMap, Host, Port, Replacing, Secret, ShortText
from reconciler.model.judges import PLACES, PROTECTIONS, differs_in, sinks
from reconciler.model.risk import Health, NoRisk, Risk

Dialect: TypeAlias = Literal[
    "postgresql",
    "mysql",
    "sqlite",
    "mssql",
    "oracle",
    "snowflake",
    "bigquery",
    "redshift",
    "clickhouse",
    "databricks",
    "duckdb",
    "trino",
]

Encryption: TypeAlias = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
FILES = frozenset({"sqlite", "duckdb"})
_ADDRESS = ("host", "port", "database", "username", "password")


class Sql(Connector):
    """A database, by one secret `dsn` or by its parts."""

    type: Annotated[Replacing[Literal["sql"]], Health()] = Field(description="A database that speaks SQL.")
    dialect: Annotated[Dialect, Risk("endpoint-host-changed"), Health()] = Field(
        description="The database's dialect of SQL; statements are checked in it."
    )
    dsn: Secret | None = Field(
        None,
        description="A reference to the whole connection string, password included. Either this, or `host` and the rest.",
    )
    host: Host | None = Field(None, description="The server's name or address, without scheme and port.")
    port: Annotated[Port | None, Risk("endpoint-host-changed"), Health()] = Field(
        None, description="The server's port. Without it, the dialect's usual one."
    )
    database: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None,
        description="The database's name: the catalog (trino, databricks), the project (bigquery), or the path of the file "
        "(sqlite, duckdb).",
    )
    username: Annotated[ShortText | None, Risk("credential-changed"), Health()] = Field(
        None, description="The user, as plain text. Without it, the driver decides."
    )
    password: Secret | None = Field(
        None, description="A reference to the password (bigquery: to the service account's key)."
    )
    ssl: Annotated[Encryption, Risk("encryption-weakened", by=sinks(get_args(Encryption))), Health()] = Field(
        "require",
        description="How the connection is encrypted. The default `require` encrypts; `verify-full` also checks the server's "
        "name. It means nothing for sqlite and duckdb.",
    )
    pool_size: Annotated[int, Field(ge=1, le=100), NoRisk("more connections reach nothing more")] = Field(
        5, description="How many connections are kept at most (1 to 100)."
    )
    read_only: ReadOnly = Field(
        True, description="Whether only reading is allowed. Templates that write need false here."
    )
    max_rows: Rows = Field(1000, description="The most rows that one statement may return.")
    max_result_bytes: Bytes = Field(5242880, description="The largest result in bytes. The default is 5 MiB.")
    timeout_seconds: Seconds = Field(30, description="How long one statement may take, in seconds (1 to 3600).")
    options: Annotated[
        FreeMap,
        Risk("credential-changed"),
        Risk("access-widened"),
        Risk("endpoint-host-changed", by=differs_in(PLACES)),
        Risk("encryption-weakened", by=differs_in(PROTECTIONS)),
        Health(),
    ] = Field(
        default_factory=dict,
        description="Options of the driver, e.g. `warehouse` and `role` for snowflake, or `http_path` for databricks.",
    )
    network_exceptions: NetworkExceptions = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if self.dsn is not None:
            yield from forbidden(self, _ADDRESS, "beside `dsn`, which holds it")
        elif self.dialect in FILES:
            yield from forbidden(self, ("host", "port", "username", "password"), f"for {self.dialect}")
            yield from required(self, ("database",), f"for {self.dialect}: the path of the file (or give `dsn`)")
        elif self.dialect == "bigquery":
            yield from required(self, ("database",), "for bigquery: the project (or give `dsn`)")
        elif all(getattr(self, name) is None for name in _ADDRESS):
            yield Fault(("dsn",), "missing-field", "give either `dsn`, or `host`, `database` and what else it needs")
        else:
            yield from required(self, ("host", "database"), "where there is no `dsn`")
