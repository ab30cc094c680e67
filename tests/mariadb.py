"""MariaDB for tests: Debian's packages unpacked into a folder, one server for a session's worker, stopped by its process id."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("mariadb-server-core", "liburing2", "libaio1", "libaio1t64")
"""What the server needs beyond a small installation; releases of Debian have one of the two last names."""
KEPT = Path(tempfile.gettempdir()) / f"mariadb-{os.getuid()}"
"""Where the packages are unpacked, once for all sessions of a machine."""


class Mariadb(NamedTuple):
    """A running server: root comes in by the socket, others by the port."""

    port: int
    socket: str
    folder: Path


def unpacked() -> Path | None:
    """Return the folder of the packages' files; None where there is no apt, or it has none."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return None
    KEPT.mkdir(exist_ok=True)
    with open(KEPT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = KEPT / "root"
        if not root.exists():
            made = KEPT / "made"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            for package in PACKAGES:
                subprocess.run(
                    ["apt-get", "download", "-qq", package], cwd=made, capture_output=True, timeout=120, check=False
                )
            for file in made.glob("*.deb"):
                subprocess.run(["dpkg", "-x", file.name, "root"], cwd=made, timeout=60, check=True)
            if not (made / "root/usr/sbin/mariadbd").exists():
                return None
            (made / "root").rename(root)
        return root


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Mariadb | None]:
    """Run a server with its files in a folder; None where there is none."""
    root = unpacked()
    if root is None:
        yield None
        return
    data, share = folder / "data", root / "usr/share/mysql"
    data.mkdir(parents=True)
    libraries = ":".join(str(one.parent) for one in {*root.rglob("*.so.*")})
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
    common = [
        str(root / "usr/sbin/mariadbd"),
        "--no-defaults",
        f"--datadir={data}",
        f"--lc-messages-dir={share}",
        f"--character-sets-dir={share / 'charsets'}",
        f"--plugin-dir={root / 'usr/lib/mysql/plugin'}",
        "--user=root",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=4M",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    files = [(share / f"mysql_system_tables{kind}.sql").read_text() for kind in ("", "_data")]
    script = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n" + "\n".join(files)
    subprocess.run(
        [*common, "--bootstrap"], input=script.encode(), env=environment, capture_output=True, timeout=120, check=True
    )
    place = tempfile.mkdtemp(prefix="m")  # the name of a socket has 107 bytes at most
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [
                *common,
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--socket={place}/s",
                "--skip-name-resolve",
                *options,
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, f"{place}/s", folder / "log")
        yield Mariadb(port, f"{place}/s", folder)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(place, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], path: str, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as tried:
            if tried.connect_ex(path) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text(errors="replace")[-2000:])
