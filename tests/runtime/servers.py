"""A real `reconciler serve` in a process of its own, over a project that was applied, and its clients."""

from __future__ import annotations

import copy
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import yaml

from tests import forked
from tests.conftest import PATIENCE, ROOT, Db, command_environment
from tests.runtime.worlds import WORLD, apply
from tests.store.support import cli_on

OPERATOR = "operators-token"
Process: TypeAlias = "subprocess.Popen[str] | forked.Command"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Served:
    process: Process
    folder: Path
    db: Db
    agents: str
    operators: str
    key: str
    log: Path

    def client(self, key: str | None = None, **more: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.key}", **more.pop("headers", {})}
        return httpx.Client(base_url=self.agents, headers=headers, timeout=20, **more)

    def call(self, tool: str, **arguments: Any) -> httpx.Response:
        with self.client() as client:
            return client.post(f"/v1/tools/{tool}/call", json={"arguments": arguments})

    def until(self, true: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait for what a quiet machine does within so many seconds."""
        ends = time.monotonic() + PATIENCE * seconds
        while not true():
            assert time.monotonic() < ends, "it did not come to that"
            time.sleep(0.05)

    def operator(self, path: str, token: str = OPERATOR) -> httpx.Response:
        return httpx.get(f"{self.operators}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=20)

    def metrics(self) -> dict[tuple[str, ...], float]:
        from tests.runtime.scraped import samples

        return samples(self.operator("/metrics").text)

    def command(self, *arguments: str) -> Any:
        return cli_on(self.db.url, self.folder)(*arguments).ok()

    def evidence(self, tenant: str = "acme") -> list[dict[str, Any]]:
        time.sleep(0.1)
        found: list[dict[str, Any]] = self.operator(f"/v1/tenants/{tenant}/evidence").json()["evidence"]
        return found


def world_with_data(folder: Path) -> dict[str, Any]:
    import sqlite3

    (folder / "data").mkdir(exist_ok=True)
    with sqlite3.connect(folder / "data" / "sales.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS customers (name TEXT, region TEXT)")
        connection.executemany("INSERT INTO customers VALUES (?, ?)", [("Ann", "eu"), ("Bob", "us")])
    connection.close()
    document = copy.deepcopy(WORLD)
    document["connectors"]["warehouse"]["database"] = str(folder / "data" / "sales.db")
    return document


def settings(folder: Path, agents_port: int, operators_port: int, **more: Any) -> Path:
    digest = hashlib.sha256(OPERATOR.encode()).hexdigest()
    file = folder / "serve.yaml"
    document = {
        "version": 1,
        "agents": {"port": agents_port, **more.pop("agents", {})},
        "operators": {
            "port": operators_port,
            "tokens": {"ops": {"sha256": digest, "scopes": ["evidence", "operate", "metrics"]}},
        },
        "permits": {"sqlite_roots": ["data"], "networks": ["127.0.0.0/8"]},
        **more,
    }
    file.write_text(yaml.safe_dump(document))
    return file


def start(
    folder: Path,
    db: Db,
    agents: int,
    operators: int,
    env: Mapping[str, str] | None = None,
    store: str = "",
    module: str = "reconciler",
) -> Process:
    own = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop", **(env or {})}
    arguments = ["serve", "--config", "serve.yaml", "--store", store or f"sqlite:///{folder}/runtime.db"]
    with (folder / "serve.log").open("a") as log:
        if module == "reconciler" and forked.may_fork(own):
            process: Process = forked.start(
                arguments, folder, command_environment(own), out=log, err=log, how=forked.How(session=True)
            )
        else:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=folder,
                env=command_environment({"PYTHONPATH": str(ROOT), **own}),
                stderr=log,
                stdout=log,
                text=True,
                start_new_session=True,
            )
    for port in (agents, operators):
        wait_for(f"http://127.0.0.1:{port}", process)
    return process


def wait_for(url: str, process: subprocess.Popen[Any], path: str = "/readyz", seconds: float = 20) -> None:
    """Wait until a server answers 200 at a path. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "it ended"
        try:
            if httpx.get(f"{url}{path}", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError("it did not start")


@contextmanager
def served(
    folder: Path,
    db: Db,
    document: dict[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    module: str = "reconciler",
    **more: Any,
) -> Iterator[Served]:
    apply(db, folder, document or world_with_data(folder))
    agents, operators = free_port(), free_port()
    settings(folder, agents, operators, **more)
    key = cli_on(db.url, folder)("keys", "issue", "acme/bot").ok().out.strip()
    process = start(folder, db, agents, operators, env, module=module)
    try:
        yield Served(
            process,
            folder,
            db,
            f"http://127.0.0.1:{agents}",
            f"http://127.0.0.1:{operators}",
            key,
            folder / "serve.log",
        )
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
