"""The first schema: resources, what was last applied, projects, generations, changes, status, and their triggers.

Columns with defaults let people insert (tenant, kind, name, spec) by plain SQL. ``row_version`` is drawn by triggers
from a counter that never repeats; ``changed_by`` and tombstones say who and when where nothing else does.
"""

from sqlalchemy import Connection

_NOW = {"postgresql": "now()", "sqlite": "(strftime('%Y-%m-%dT%H:%M:%SZ','now'))"}
_UID = {
    "postgresql": "gen_random_uuid()::text",
    "sqlite": "(lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-a'||"
    "substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6))))",
}

_TABLES = """
CREATE TABLE projects (
  name TEXT PRIMARY KEY, lineage TEXT NOT NULL UNIQUE, environment TEXT, generation BIGINT NOT NULL DEFAULT 0,
  git_commit TEXT, locked_by TEXT, created_at {moment} NOT NULL DEFAULT {now});
CREATE TABLE resources (
  tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, spec {json} NOT NULL{valid},
  spec_version INTEGER NOT NULL DEFAULT 1, uid TEXT NOT NULL DEFAULT {uid}, project TEXT, digest TEXT, digest_of TEXT,
  row_version BIGINT NOT NULL DEFAULT 0,
  created_at {moment} NOT NULL DEFAULT {now}, created_by TEXT,
  changed_at {moment}, changed_by TEXT,
  PRIMARY KEY (tenant, kind, name), UNIQUE (tenant, uid));
CREATE TABLE applied (
  project TEXT NOT NULL REFERENCES projects (name) ON UPDATE CASCADE,
  tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL,
  spec TEXT NOT NULL, spec_version INTEGER NOT NULL, digest TEXT NOT NULL, explicit TEXT NOT NULL,
  generation BIGINT NOT NULL, moved_from TEXT, source TEXT,
  PRIMARY KEY (project, tenant, kind, name));
CREATE INDEX applied_by_address ON applied (tenant, kind, name);
CREATE TABLE generations (
  project TEXT NOT NULL REFERENCES projects (name) ON UPDATE CASCADE, number BIGINT NOT NULL,
  apply_id TEXT NOT NULL UNIQUE, operation TEXT NOT NULL, actor TEXT NOT NULL, at {moment} NOT NULL DEFAULT {now},
  environment TEXT, git_commit TEXT, git_dirty INTEGER NOT NULL DEFAULT 0, tool_version TEXT NOT NULL,
  configuration TEXT NOT NULL, added INTEGER NOT NULL, changed INTEGER NOT NULL, destroyed INTEGER NOT NULL,
  PRIMARY KEY (project, number));
CREATE TABLE changes (
  project TEXT NOT NULL, generation BIGINT NOT NULL, position INTEGER NOT NULL,
  tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, action TEXT NOT NULL, previous TEXT, uid TEXT NOT NULL,
  before TEXT, after TEXT, explicit TEXT, source TEXT, cause TEXT NOT NULL,
  PRIMARY KEY (project, generation, position),
  FOREIGN KEY (project, generation) REFERENCES generations (project, number) ON UPDATE CASCADE);
CREATE INDEX changes_by_address ON changes (tenant, kind, name);
CREATE TABLE statuses (
  tenant TEXT NOT NULL, uid TEXT NOT NULL, suspended_by TEXT, suspended_reason TEXT, suspended_at {moment},
  error TEXT, error_at {moment}, PRIMARY KEY (tenant, uid));
CREATE TABLE tombstones (
  tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, row_version BIGINT NOT NULL,
  project TEXT, deleted_at {moment} NOT NULL, deleted_by TEXT NOT NULL, PRIMARY KEY (tenant, kind, name, uid, row_version));
CREATE TABLE announcements (
  apply_id TEXT PRIMARY KEY, project TEXT NOT NULL, actor TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
  at {moment} NOT NULL DEFAULT {now});
"""

_POSTGRESQL = [
    "CREATE SEQUENCE resource_row_version",
    """CREATE FUNCTION reconciler_stamp() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.uid IS DISTINCT FROM OLD.uid THEN
    RAISE EXCEPTION 'uid is immutable' USING ERRCODE = 'check_violation';
  END IF;
  NEW.row_version := nextval('resource_row_version');
  NEW.changed_at := clock_timestamp();
  NEW.changed_by := COALESCE(NULLIF(current_setting('reconciler.actor', true), ''), session_user);
  RETURN NEW;
END $$""",
    """CREATE FUNCTION reconciler_bury() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO tombstones (tenant, kind, name, uid, row_version, project, deleted_at, deleted_by)
  VALUES (OLD.tenant, OLD.kind, OLD.name, OLD.uid, nextval('resource_row_version'), OLD.project, clock_timestamp(),
          COALESCE(NULLIF(current_setting('reconciler.actor', true), ''), session_user));
  RETURN OLD;
END $$""",
    "CREATE TRIGGER resources_stamp BEFORE INSERT OR UPDATE ON resources FOR EACH ROW EXECUTE FUNCTION reconciler_stamp()",
    "CREATE TRIGGER resources_bury AFTER DELETE ON resources FOR EACH ROW EXECUTE FUNCTION reconciler_bury()",
]

_STAMP = """BEGIN
  UPDATE row_counter SET n = n + 1;
  UPDATE resources SET row_version = (SELECT n FROM row_counter), changed_at = strftime('%Y-%m-%dT%H:%M:%SZ','now'),
    changed_by = COALESCE((SELECT actor FROM writer), 'unknown') WHERE rowid = NEW.rowid;
END"""
_SQLITE = [
    "CREATE TABLE row_counter (n INTEGER NOT NULL)",
    "INSERT INTO row_counter VALUES (0)",
    # SQLite has no session variables: the transaction of an apply says here who writes, and says so no longer at its end
    "CREATE TABLE writer (actor TEXT NOT NULL)",
    f"CREATE TRIGGER resources_stamp_insert AFTER INSERT ON resources {_STAMP}",
    "CREATE TRIGGER resources_stamp_update AFTER UPDATE OF tenant, kind, name, spec, spec_version, project, digest, "
    f"digest_of, created_at, created_by ON resources {_STAMP}",
    "CREATE TRIGGER resources_uid BEFORE UPDATE OF uid ON resources WHEN NEW.uid IS NOT OLD.uid BEGIN "
    "SELECT RAISE(ABORT, 'uid is immutable'); END",
    """CREATE TRIGGER resources_bury AFTER DELETE ON resources BEGIN
  UPDATE row_counter SET n = n + 1;
  INSERT INTO tombstones (tenant, kind, name, uid, row_version, project, deleted_at, deleted_by)
  VALUES (OLD.tenant, OLD.kind, OLD.name, OLD.uid, (SELECT n FROM row_counter), OLD.project,
          strftime('%Y-%m-%dT%H:%M:%SZ','now'), COALESCE((SELECT actor FROM writer), 'unknown'));
END""",
]


def upgrade(connection: Connection) -> None:
    dialect = connection.dialect.name
    words = {
        "now": _NOW[dialect],
        "uid": _UID[dialect],
        "json": "JSONB" if dialect == "postgresql" else "TEXT",
        "moment": "TIMESTAMPTZ" if dialect == "postgresql" else "TEXT",
        "valid": "" if dialect == "postgresql" else " CHECK (json_valid(spec))",
    }
    statements = [part for part in _TABLES.format(**words).split(";\n") if part.strip()]
    for statement in statements + (_POSTGRESQL if dialect == "postgresql" else _SQLITE):
        connection.exec_driver_sql(statement.rstrip().rstrip(";"))
