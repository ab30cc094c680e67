"""An apply that replaces a frozen resource, stopped at one of its points as Ctrl-Z or an evicted runner would stop it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import forked
from tests.conftest import command_environment

POINTS = ("after_lock", "before_stmt:12", "after_stmt:18", "before_audit", "after_audit", "before_commit")
BEFORE = """
version: 1
tenant: acme
connectors: {shop: {type: custom, config: {driver: ours}}, other: {type: custom, config: {driver: ours}}}
callers: {bot: {auth: {api_key: {max_age_days: 30}}}}
"""
AFTER = BEFORE.replace(
    "shop: {type: custom, config: {driver: ours}}", 'shop: {type: http, base_url: "https://shop.example"}'
)


class Stopped:
    """``goes_on`` lets it run to its end and returns its exit code."""

    def __init__(self, process: forked.Command) -> None:
        self._process = process

    def goes_on(self) -> int:
        os.kill(self._process.pid, signal.SIGCONT)
        return self._process.wait(30)


@contextmanager
def stopped_apply(
    url: str, folder: Path, point: str, manifest: str = AFTER, project: str = "shop"
) -> Iterator[Stopped]:
    """Start an apply of ``manifest`` in a process of its own and yield once the process has stopped."""
    (folder / "acme.yaml").write_text(manifest)
    name, _, count = point.partition(":")
    variables = {
        "RECONCILER_DATABASE_URL": url,
        "RECONCILER_PROJECT": project,
        "RECONCILER_FAILPOINT": f"{name}:stop:{count or 1}",
    }
    process = forked.start(["apply", "--auto-approve"], folder, command_environment(variables))
    try:
        until_stopped(process.pid)
        yield Stopped(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def until_stopped(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "it did not come to that point"
        time.sleep(0.02)
