"""``audit``: whether the trail is what was written, and whether one write is in it."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from pathlib import Path

import click
import orjson

from reconciler.cli.options import common_by, print_json
from reconciler.cli.signing import known_keys
from reconciler.cli.workspace import Options, Workspace, now
from reconciler.diff.visible import visible
from reconciler.errors import IntegrityFailed, Problem, ReconcilerError, UsageError
from reconciler.files import write_atomically
from reconciler.history.verify import Checkpoint, Finding, verify

_IDENTITY = re.compile(r"[0-9a-f][0-9a-f-]{7,35}")
_PURPOSE = b"reconciler audit checkpoint, format 1"


@click.group("audit")
def command() -> None:
    """Verify the audit trail; look up one write."""


@command.command("show")
@click.argument("identity", metavar="ID")
@common_by()
def show_command(options: Options, identity: str) -> int:
    """Say whether the write ID is in force: an apply, or another change whose command ended without an answer.

    Exit 1 where there is none of this id: nothing was written by it.
    """
    from reconciler.store.filing import written_entry

    if not _IDENTITY.fullmatch(identity):
        raise UsageError(f"{visible(identity)} is not an id", hint="at least the first 8 of its 36 characters")
    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    entry = written_entry(database, identity)
    if options.format == "json":
        print_json({"format_version": "1.0", "id": identity, "written": entry is not None, "entry": entry})
    elif entry is None:
        click.echo(f"Not written: {database.display} has no write of the id {identity}.")
    else:
        click.echo(f"Written: {identity}")
        for name, value in entry.items():
            if value is not None and name not in {"write", "apply_id"}:
                click.echo(f"  {name}: {visible(str(value))}")
    return 0 if entry is not None else 1


@command.command("verify")
@click.option(
    "--checkpoint",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also hold it against this checkpoint.",
)
@common_by()
def verify_command(options: Options, checkpoint: Path | None) -> int:
    """Recompute the whole chain, and hold history against it; exit 8 and the first bad entry if it does not hold."""
    from reconciler.store.tampered import read_tampered

    workspace = Workspace(options, ())
    keys = known_keys(workspace.project)
    by_id = keys.by_id if keys else {}
    found = _verify(workspace, by_id, read_checkpoint(checkpoint, by_id) if checkpoint else None)
    if found.entry is not None:
        raise IntegrityFailed(
            Problem(
                "audit-broken",
                f"the audit trail does not hold from entry {found.entry} on: {found.reason}",
                hint="see docs/audit.md",
            )
        )
    if tampered := read_tampered(workspace.database(workspace.environment(required=True))):
        raise IntegrityFailed(
            f"the audit trail holds, and history does not: generation {tampered.generation} of the project "
            f"{tampered.project!r} is not what was applied",
            code="history-damaged",
            hint="see docs/audit.md",
        )
    unkeyed = (
        f"; {found.unkeyed} of them without a key, so whoever writes the table could have written them"
        if found.unkeyed
        else ""
    )
    if options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "valid": True,
                "entries": found.entries,
                "unkeyed": found.unkeyed,
                "hash": found.last_hash,
            }
        )
    else:
        click.echo(f"The audit trail holds: {found.entries} entries{unkeyed}.")
    return 0


@command.command("checkpoint")
@click.option(
    "--out", metavar="FILE", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write."
)
@common_by()
def checkpoint_command(options: Options, out: Path) -> int:
    """Verify, then write the newest entry's number and hash to a file; keep it where the database's writers can't reach."""
    workspace = Workspace(options, ())
    keys = known_keys(workspace.project)
    found = _verify(workspace, keys.by_id if keys else {}, None)
    if found.entry is not None:
        raise IntegrityFailed(
            f"the audit trail does not hold from entry {found.entry} on: {found.reason}", code="audit-broken"
        )
    document: dict[str, object] = {
        "format_version": "1.0",
        "seq": found.entries,
        "hash": found.last_hash,
        "at": now().isoformat(timespec="seconds"),
    }
    if keys:
        document |= {
            "key": keys.primary,
            "signature": _signature(keys.by_id[keys.primary], found.entries, found.last_hash),
        }
    write_atomically(out, orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
    click.echo(
        f"Wrote the checkpoint of entry {found.entries} to {out}"
        + ("" if keys else ", unsigned: no key is configured")
        + "."
    )
    return 0


def _verify(workspace: Workspace, keys: dict[str, bytes], checkpoint: Checkpoint | None) -> Finding:
    from reconciler.store.reading import chain_of

    database = workspace.database(workspace.environment(required=True))
    with chain_of(database) as chain:
        if chain is None:
            raise ReconcilerError(f"{database.display} holds no audit trail yet", code="nothing-applied")
        return verify(chain, keys, checkpoint)


def _signature(key: bytes, seq: int, last: str) -> str:
    own = hmac.new(key, _PURPOSE, sha256).digest()
    return hmac.new(own, f"{seq}\n{last}".encode(), sha256).hexdigest()


def read_checkpoint(path: Path, keys: dict[str, bytes]) -> Checkpoint:
    try:
        document = orjson.loads(path.read_bytes())
        seq, last = int(document["seq"]), str(document["hash"])
        key, signature = document.get("key"), document.get("signature")
    except OSError as error:
        raise ReconcilerError(f"can't read {path}: {error.strerror}", code="checkpoint-not-read") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityFailed(f"{path} is not a checkpoint", code="checkpoint-malformed") from None
    if keys and (key not in keys or not hmac.compare_digest(_signature(keys[key], seq, last), str(signature))):
        raise IntegrityFailed(f"the signature of {path} does not match", code="checkpoint-signature")
    return Checkpoint(seq, last)
