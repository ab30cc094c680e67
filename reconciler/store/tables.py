"""The tables of the database as its newest revision makes them: the one definition of their columns.

Statements, rows and staged copies are made from these. Migrations are texts of their own, since a revision never changes; a
test holds what they make together to these tables, on both databases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    FromClause,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
    text,
    true,
)

from reconciler.store.dialect import COUNTS, ENDING, Blob, Body, Counter, Moment, new_uid, now

METADATA = MetaData()
SQLITE_METADATA = MetaData()
"""The tables that only SQLite has."""


def _text(name: str, *more: Any, **options: Any) -> Column[Any]:
    return Column(name, Text, *more, **{"nullable": False, **options})


def _key(name: str, of: Any = Text, *more: Any) -> Column[Any]:
    """Return a part of a table's key."""
    return Column(name, of, *more, primary_key=True, nullable=False, autoincrement=False)


def _lone_key(name: str, of: Any = Text) -> Column[Any]:
    """Return the key of a table by itself, in which SQLite's tables allow NULL."""
    return Column(name, of, primary_key=True, nullable=True, autoincrement=False)


def _note(name: str, *more: Any) -> Column[Any]:
    """Return a text that may be missing."""
    return Column(name, Text, *more)


def _number(name: str, of: Any = BigInteger, **options: Any) -> Column[Any]:
    return Column(name, of, **{"nullable": False, **options})


def _since(name: str) -> Column[Any]:
    """Return a moment, by default that of the row's INSERT."""
    return Column(name, Moment, nullable=False, server_default=now())


def _owner() -> ForeignKey:
    return ForeignKey("projects.name", onupdate="CASCADE")


def _table(name: str, *parts: Any, **options: Any) -> Table:
    return Table(name, METADATA, *parts, implicit_returning=False, **options)


projects = _table(
    "projects",
    _lone_key("name"),
    _text("lineage", unique=True),
    _note("environment"),
    _number("generation", server_default=text("0")),
    _note("git_commit"),
    _note("locked_by"),
    _since("created_at"),
    _number("horizon", server_default=text("0")),
)
resources = _table(
    "resources",
    *(_key("tenant"), _key("kind"), _key("name")),
    Column("spec", Body, nullable=False),
    _number("spec_version", Integer, server_default=text("1")),
    _text("uid", server_default=new_uid()),
    *(_note("project"), _note("digest"), _note("digest_of")),
    _number("row_version", server_default=text("0")),
    *(_since("created_at"), _note("created_by")),
    *(Column("changed_at", Moment), _note("changed_by")),
    UniqueConstraint("tenant", "uid"),
    CheckConstraint("json_valid(spec)").ddl_if(dialect="sqlite"),
)
applied = _table(
    "applied",
    _key("project", Text, _owner()),
    *(_key("tenant"), _key("kind"), _key("name")),
    *(_text("uid"), _text("spec"), _number("spec_version", Integer), _text("digest"), _text("explicit")),
    *(_number("generation"), _note("moved_from"), _note("source"), _note("digest_of"), _note("mac")),
    Index("applied_by_address", "tenant", "kind", "name"),
)
generations = _table(
    "generations",
    *(_key("project", Text, _owner()), _key("number", BigInteger)),
    *(_text("apply_id", unique=True), _text("operation"), _text("actor"), _since("at")),
    *(_note("environment"), _note("git_commit"), _number("git_dirty", Integer, server_default=text("0"))),
    *(_text("tool_version"), _text("configuration")),
    *(_number("added", Integer), _number("changed", Integer), _number("destroyed", Integer)),
)
changes = _table(
    "changes",
    *(_key("project"), _key("generation", BigInteger), _key("position", Integer)),
    *(_text("tenant"), _text("kind"), _text("name"), _text("action"), _note("previous"), _text("uid")),
    *(_note("before"), _note("after"), _note("explicit"), _note("source"), _text("cause")),
    *(_number("spec_version", Integer, server_default=text("1")), _note("sources")),
    ForeignKeyConstraint(["project", "generation"], ["generations.project", "generations.number"], onupdate="CASCADE"),
    Index("changes_by_address", "tenant", "kind", "name"),
)
statuses = _table(
    "statuses",
    *(_key("tenant"), _key("uid")),
    *(_note("suspended_by"), _note("suspended_reason"), Column("suspended_at", Moment)),
    *(_note("error"), Column("error_at", Moment)),
)
tombstones = _table(
    "tombstones",
    *(_key("tenant"), _key("kind"), _key("name"), _key("uid"), _key("row_version", BigInteger)),
    *(_note("project"), Column("deleted_at", Moment, nullable=False), _text("deleted_by")),
)
announcements = _table(
    "announcements",
    _lone_key("apply_id"),
    *(_text("project"), _text("actor"), _text("host"), _number("pid", Integer), _since("at")),
)
audit = _table("audit", _lone_key("seq", BigInteger), _text("body"), _note("key_id"), _text("hash"))
audit_head = _table("audit_head", _lone_key("one", Integer), _number("seq"), _text("hash"), CheckConstraint("one = 1"))
trail_keys = _table("trail_keys", _lone_key("key_id"), _text("wrapped_by"), Column("wrapped", Blob, nullable=False))
outbox = _table(
    "outbox",
    Column("seq", Counter().with_variant(Integer, "sqlite"), primary_key=True, nullable=True, autoincrement=False),
    *(_text("id", unique=True), _text("project", _owner()), _text("destination"), _text("event")),
    *(_since("created_at"), _number("attempts", Integer, server_default=text("0"))),
    *(Column("claimed_until", Moment), _note("last_error")),
    Index("outbox_by_destination", "project", "destination", "seq"),
    info={COUNTS: True},
)
secrets = _table(
    "secrets",
    *(_key("tenant"), _key("name"), _text("uid", unique=True), _number("version"), _text("type")),
    *(_text("description"), Column("blob", Blob, nullable=False), _text("key_id")),
    *(_since("created_at"), _text("created_by"), _since("changed_at"), _text("changed_by")),
    *(Column("expires_at", Moment), Column("rotate_days", Integer)),
    Index("secrets_by_key", "key_id", "uid"),
)
secret_keys = _table("secret_keys", _lone_key("key_id"), _number("wraps"), Column("retired_at", Moment))
fingerprints = _table(
    "fingerprints", *(_key("tenant"), _key("uid"), _key("path"), _text("reference"), _text("fingerprint"))
)
bindings = _table(
    "bindings",
    *(_key("tenant"), _key("uid"), _key("name"), _text("secret_uid")),
    Index("bindings_by_name", "tenant", "name", "secret_uid"),
)
caller_keys = _table(
    "caller_keys",
    *(_lone_key("id"), _text("tenant"), _text("caller"), _text("uid"), _text("digest")),
    *(_since("created_at"), _text("created_by"), Column("expires_at", Moment, nullable=False)),
    *(Column("revoked_at", Moment), _note("revoked_by")),
    Index("caller_keys_by_caller", "tenant", "caller"),
    Index("caller_keys_by_uid", "tenant", "uid"),
)
freezes = _table(
    "freezes",
    *(_lone_key("id"), _text("target"), _text("reason"), _since("frozen_at"), _text("frozen_by")),
    *(Column("lifted_at", Moment), _note("lifted_by"), _note("tenant"), _note("uid"), _note("origin")),
)
Index(
    "freezes_in_force",
    freezes.c.tenant,
    freezes.c.uid,
    info={ENDING: " WHERE lifted_at IS NULL"},
)
status_counter = _table("status_counter", _number("n"))
key_checks = _table("key_checks", _lone_key("key_id"), _text("check_value"))
mask_key = _table("mask_key", _lone_key("one", Integer), _text("key"), CheckConstraint("one = 1"))
switch = _table("switch", _lone_key("id"), _text("decision"))
lives = _table(
    "lives",
    *(_number("n"), _text("tenant"), _text("uid_before"), _text("uid_after"), _text("names_left")),
    Column("at", Moment, nullable=False),
    Index("lives_by_n", "n"),
)
row_counter = Table("row_counter", SQLITE_METADATA, _number("n", Integer))
"""The last ``row_version``; PostgreSQL has a sequence."""
writer = Table("writer", SQLITE_METADATA, _text("actor"))
"""Who applies, for triggers; PostgreSQL has settings of a session."""

ADDRESS = ("tenant", "kind", "name")
LIFE = (*ADDRESS, "uid")


def columns(table: FromClause, names: Iterable[str]) -> list[ColumnElement[Any]]:
    """Return columns by name."""
    return [table.c[name] for name in names]


def same(one: FromClause, other: FromClause, names: Iterable[str]) -> ColumnElement[bool]:
    """Whether the rows of two tables agree in these columns."""
    return and_(*(one.c[name] == other.c[name] for name in names))


def equal(table: FromClause, values: Mapping[str, Any]) -> ColumnElement[bool]:
    """Whether a row has all of these values."""
    return and_(true(), *(table.c[name] == value for name, value in values.items()))
