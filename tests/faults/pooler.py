"""A transaction-pooling PgBouncer before a PostgreSQL, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
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
server_idle_timeout = 20
server_login_retry = 1
"""


@contextmanager
def pooling(server_url: str) -> Iterator[Callable[[str], str]]:
    """Yield what turns the URL of a database into one that goes through a pool of five server connections."""
    assert PGBOUNCER is not None
    server = conninfo_to_dict(server_url)
    listen = _free_port()
    folder = Path(tempfile.mkdtemp(prefix="pgb", dir="/tmp"))
    (folder / "pgbouncer.ini").write_text(
        SETTINGS.format(host=server["host"], port=server.get("port", 5432), user=server["user"], listen=listen)
    )
    identity: dict[str, object] = {}
    if os.geteuid() == 0:  # it refuses to run as root, and has to reach the socket
        owner = pwd.getpwuid(os.stat(str(server["host"])).st_uid) if str(server["host"]).startswith("/") else None
        owner = owner if owner is not None and owner.pw_uid else pwd.getpwnam("nobody")
        identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        shutil.chown(folder, owner.pw_uid, owner.pw_gid)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([PGBOUNCER, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, **identity)  # type: ignore[call-overload]
    deadline = time.monotonic() + 10
    try:
        while True:
            try:
                psycopg.connect(f"postgresql://{server['user']}@127.0.0.1:{listen}/postgres").close()
                break
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"pgbouncer did not start: {(folder / 'log').read_text()}") from None
                time.sleep(0.05)
        yield lambda url: f"postgresql://{server['user']}@127.0.0.1:{listen}/{conninfo_to_dict(url)['dbname']}"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
