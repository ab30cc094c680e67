"""A repository on a git server of this machine, and a person who works in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import command_environment

WHO = {
    "GIT_AUTHOR_NAME": "ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=command_environment(WHO), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Repository:
    """``url`` is what pipelines clone; ``work`` is a person's clone of it."""

    def __init__(self, url: str, work: Path) -> None:
        self.url, self.work = url, work

    def commit(self, files: Mapping[str, str], branch: str = "main") -> str:
        """Push a commit on a branch, which begins at ``main`` where it is new; return its hash."""
        known = git(self.work, "branch", "--list", branch)
        git(self.work, "checkout", "-q", *(() if known else ("-b",)), branch, *(() if known else ("main",)))
        for name, text in files.items():
            (self.work / name).write_text(text)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "--allow-empty", "-m", "change")
        git(self.work, "push", "-qf", "origin", branch)
        return git(self.work, "rev-parse", "HEAD")

    def merge_ref(self, branch: str, ref: str) -> str:
        """Push what a merge of the branch would be as ``ref``, as a forge keeps it for its pull request."""
        git(self.work, "checkout", "-q", "--detach", "main")
        git(self.work, "merge", "-q", "--no-ff", "-m", "merge", branch)
        git(self.work, "push", "-qf", "origin", f"HEAD:{ref}")
        return git(self.work, "rev-parse", "HEAD")

    def merge(self, branch: str) -> str:
        """Merge a branch into ``main``; return the merge's hash."""
        git(self.work, "checkout", "-q", "main")
        git(self.work, "merge", "-q", "--no-ff", "-m", "merge", branch)
        git(self.work, "push", "-q", "origin", "main")
        return git(self.work, "rev-parse", "HEAD")

    def checkout(self, folder: Path, ref: str, whole: bool) -> None:
        """Do what a pipeline does first."""
        folder.mkdir(parents=True)
        git(folder, "init", "-q", "-b", "work")
        git(folder, "remote", "add", "origin", self.url)
        git(folder, "fetch", "-q", *(() if whole else ("--depth=1",)), "origin", ref)
        git(folder, "checkout", "-q", "--detach", "FETCH_HEAD")


@contextmanager
def git_server(folder: Path) -> Iterator[Repository]:
    """Serve an empty repository over git's own protocol until the end of the block."""
    bare, work = folder / "served/shop.git", folder / "ada"
    bare.mkdir(parents=True)
    work.mkdir()
    git(bare, "init", "-q", "--bare", "-b", "main")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(git(folder, "--exec-path")) / "git-daemon"
    if not program.exists():
        pytest.skip("this machine's git has no git-daemon")
    options = ["--reuseaddr", "--export-all", "--enable=receive-pack", "--listen=127.0.0.1", f"--port={port}"]
    server = subprocess.Popen(
        [program, *options, f"--base-path={bare.parent}", str(bare.parent)], env=command_environment(WHO)
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        git(work, "init", "-q", "-b", "main")
        git(work, "remote", "add", "origin", f"git://127.0.0.1:{port}/shop.git")
        git(work, "commit", "-q", "--allow-empty", "-m", "begin")
        yield Repository(f"git://127.0.0.1:{port}/shop.git", work)
    finally:
        server.terminate()
        server.wait(10)


def tools(folder: Path) -> Path:
    """Return a folder with a Python whose ``venv`` makes an environment of this program in no time, and needs no network."""
    folder.mkdir()
    script = f"""#!/bin/sh
if [ "$1 $2 $3" = "-I -m venv" ]; then
  mkdir -p "$4/bin"
  printf '#!/bin/sh\\nexit 0\\n' > "$4/bin/pip"
  printf '#!/bin/sh\\nexec "{sys.executable}" "$@"\\n' > "$4/bin/python"
  printf '#!/bin/sh\\nexec "{sys.executable}" -m reconciler "$@"\\n' > "$4/bin/reconciler"
  chmod +x "$4/bin/pip" "$4/bin/python" "$4/bin/reconciler"
  exit 0
fi
exec "{sys.executable}" "$@"
"""
    for name in ("python", "python3"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder


def path_with(folder: Path) -> str:
    assert shutil.which("git")
    return f"{folder}:{os.environ['PATH']}"
