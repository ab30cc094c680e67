"""Connectors of type `sql`: a database that speaks SQL."""

from typing import Annotated, ClassVar, Literal, Self, TypeAlias, get_args

from pydantic import Field, model_validator

from reconciler.kinds.connector.common import Connector, Encryption, NetworkExceptions
from reconciler.kinds.rules import GIVEN, Bytes, Case, ReadOnly, Rows, Seconds, by_cases, settle, unique
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
    "db2",
]

FILES = frozenset({"sqlite", "duckdb"})
_SERVERS = tuple(one for one in get_args(Dialect) if one not in {*FILES, "bigquery"})
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

    cases: ClassVar = (
        Case({"dsn": (GIVEN,)}, "beside `dsn`, which holds it", barred=_ADDRESS),
        *(
            Case(
                {"dsn": (None,), "dialect": (one,)},
                f"for {one}: the path of the file (or give `dsn`)",
                needed=("database",),
            )
            for one in sorted(FILES)
        ),
        *(
            Case({"dsn": (None,), "dialect": (one,)}, f"for {one}", barred=("host", "port", "username", "password"))
            for one in sorted(FILES)
        ),
        Case(
            {"dsn": (None,), "dialect": ("bigquery",)},
            "for bigquery: the project (or give `dsn`)",
            needed=("database",),
        ),
        Case(
            {"dialect": _SERVERS},
            some=("dsn", *_ADDRESS),
            says="give either `dsn`, or `host`, `database` and what else it needs",
        ),
        *(
            Case(
                {"dsn": (None,), "dialect": _SERVERS, one: (GIVEN,)},
                "where there is no `dsn`",
                needed=tuple(name for name in ("host", "database") if name != one),
            )
            for one in _ADDRESS
        ),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, unique(by_cases(self, self.cases)))
