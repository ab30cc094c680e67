"""Command lines as processes forked from one that has imported the program: real ones, without the half second of imports.

A test's worker starts the parent once (this file), a process with a single thread that runs no command
itself. Each request brings arguments, environment, folder and files for the three standard streams; the answer is the
exit status, negative for a signal, as subprocess says it. ``TEST_SPAWN=1`` starts every command line anew instead.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

_OWN = ("PYTHON", "LC_", "LANG", "LD_")
"""What an interpreter reads when it starts; who sets these gets one of their own."""
_ALSO = (
    *("load.load", "load.gather", "planner.make", "planner.against", "plan.indented", "plan.file"),
    *("apply.execute", "store.reading", "store.history", "render.problems", "render.markdown", "render.html.page"),
    *("kinds.template.statement", "kinds.template.sql", "kinds.template.http", "secrets.resolve", "drift.find"),
)


def may_fork(extra: Mapping[str, str] | None) -> bool:
    return "TEST_SPAWN" not in os.environ and not any(name.startswith(_OWN) for name in extra or ())


def run(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Raises TimeoutExpired after so many seconds, and has ended the process then."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        status = _Parent.here().request(arguments, cwd, environment, (given, out, err), timeout)
        return subprocess.CompletedProcess(arguments, status, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n").replace("\r", "\n")  # as subprocess does with text=True


class _Parent:
    """The process that forks, of this worker."""

    _one: _Parent | None = None

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="fork-", dir="/tmp")
        self._address = f"{self._folder}/socket"
        # -P: the program that is installed, which need not be the one beside the tests; its stdin's end is its own end
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).resolve()), self._address],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        atexit.register(self._end)

    @classmethod
    def here(cls) -> _Parent:
        if cls._one is None:
            cls._one = cls()
        return cls._one

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        for name in os.listdir(self._folder):
            os.unlink(f"{self._folder}/{name}")
        os.rmdir(self._folder)

    def request(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        streams: Sequence[IO[bytes]],
        timeout: float,
    ) -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(self._address)
            wanted = {"arguments": [*arguments], "cwd": str(cwd), "environment": dict(environment)}
            data = json.dumps(wanted).encode()
            head = len(data).to_bytes(4, "little")
            socket.send_fds(connection, [head], [stream.fileno() for stream in streams])
            connection.sendall(data)
            answers = connection.makefile()
            process = int(answers.readline())
            connection.settimeout(timeout)
            try:
                return int(answers.readline())
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired([*arguments], timeout) from None


def _serve(address: str) -> None:
    for module in _modules():
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that answer
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen(64)
        os.set_blocking(0, False)
        print("ready", flush=True)
        import select

        while True:
            ready, _, _ = select.select([listener, 0], [], [])
            if 0 in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(connection)
            connection.close()


def _modules() -> list[str]:
    from reconciler.cli import COMMANDS

    return [*(f"reconciler.cli.{name}" for name in COMMANDS if name != "serve"), *(f"reconciler.{m}" for m in _ALSO)]


def _answer(connection: socket.socket) -> None:
    """In a process of its own: starts the command, tells its number, and how it ended. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    size = int.from_bytes(head, "little")
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data))
    wanted: dict[str, Any] = json.loads(data)
    process = os.fork()
    if process == 0:
        connection.close()
        _become(wanted, streams)
    try:
        connection.sendall(f"{process}\n".encode())
        _, status = os.waitpid(process, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    finally:
        os._exit(0)


def _become(wanted: dict[str, Any], streams: Sequence[int]) -> None:
    """The command line itself, as if it had been started so. Does not return."""
    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.set_blocking(0, True)
        os.chdir(wanted["cwd"])
        os.environ.clear()
        os.environ.update(wanted["environment"])
        sys.argv = ["reconciler", *wanted["arguments"]]
        random.seed()
        sys.stdin = _reopened(0, "r", sys.stdin)
        sys.stdout = _reopened(1, "w", sys.stdout)
        sys.stderr = _reopened(2, "w", sys.stderr, line_buffering=True)
        from reconciler.cli import main

        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _reopened(number: int, mode: str, like: Any, line_buffering: bool = False) -> io.TextIOWrapper:
    file = os.fdopen(number, f"{mode}b", closefd=False)
    return io.TextIOWrapper(file, encoding=like.encoding, errors=like.errors, line_buffering=line_buffering)


if __name__ == "__main__":
    _serve(sys.argv[1])
