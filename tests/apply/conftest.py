"""A transaction-pooling PgBouncer before the tests' PostgreSQL, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
SETTINGS = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: str) -> Iterator[Callable[[str], str]]:
    """Turns the URL of a database into one that goes through a pool of five server connections."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed: nothing is tested through a transaction-pooling proxy")
    server = conninfo_to_dict(postgres_server)
    listen = free_port()
    folder = Path(tempfile.mkdtemp(prefix="pgb", dir="/tmp"))
    (folder / "pgbouncer.ini").write_text(
        SETTINGS.format(host=server["host"], port=server.get("port", 5432), user=server["user"], listen=listen)
    )
    owner = pwd.getpwuid(os.stat(str(server["host"])).st_uid)  # it refuses to run as root, and has to reach the socket
    identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    if identity:
        shutil.chown(folder, owner.pw_uid, owner.pw_gid)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([PGBOUNCER, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, **identity)  # type: ignore[arg-type]
    deadline = time.monotonic() + 10
    try:
        while True:
            try:
                psycopg.connect(f"postgresql://{server['user']}@127.0.0.1:{listen}/postgres").close()
                break
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"pgbouncer did not start: {(folder / 'log').read_text()}")
                time.sleep(0.05)
        yield lambda url: f"postgresql://{server['user']}@127.0.0.1:{listen}/{conninfo_to_dict(url)['dbname']}"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
