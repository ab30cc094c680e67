"""Command lines as processes forked from one that has imported the program: real ones, without the half second of imports.

A test's worker starts the parent once (this file), a process with a single thread. It runs a few commands on a
database of its own first, so that what they import and build is there in every child. Each request brings arguments, environment, folder and files for the three standard streams; the answer is the
exit status, negative for a signal, as subprocess says it. ``TEST_SPAWN=1`` starts every command line anew instead.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

_OWN = ("PYTHON", "LC_", "LANG", "LD_")
"""What an interpreter reads when it starts; who sets these gets one of their own."""
_ALSO = (
    *("load.load", "load.gather", "planner.make", "planner.against", "plan.indented", "plan.file"),
    *("apply.execute", "store.reading", "store.history", "render.problems", "render.markdown", "render.html.page"),
    *("kinds.template.statement", "kinds.template.sql", "kinds.template.http", "secrets.resolve", "drift.find"),
    *("runtime.serve", "runtime.setup", "runtime.parts", "runtime.status"),
)
_LIBRARIES = ("psycopg", "psycopg.rows", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite")
_FIRST = (["validate"], ["plan"], ["apply", "--auto-approve"], ["plan"], ["drift"], ["list"], ["history"], ["status"])
"""Commands that the parent runs once."""
_MANIFEST = """
version: 1
tenant: acme
connectors: {warehouse: {type: sql, dialect: postgresql, dsn: "vault://kv/acme/warehouse#dsn"}}
datasources: {sales: {type: database, connector: warehouse, tables: [public.orders]}}
limits: {month: {target: tenant, per: month, cost_usd: 100}}
"""


class How(NamedTuple):
    """How a command line is started, and what runs in its place.

    ``session`` makes it the leader of a process group. ``before`` is code that runs before its streams are opened;
    ``code`` runs in place of the command, with its arguments in ``sys.argv``.
    """

    session: bool = False
    before: str = ""
    code: str = ""


DEFAULT = How()


def may_fork(extra: Mapping[str, str] | None) -> bool:
    return "TEST_SPAWN" not in os.environ and not any(name.startswith(_OWN) for name in extra or ())


def run(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Raises TimeoutExpired after so many seconds, and has ended the process then."""
    return finished(start(arguments, cwd, environment, stdin), timeout)


def finished(command: Command, timeout: float) -> subprocess.CompletedProcess[str]:
    """Return how it ended. Raises TimeoutExpired after so many seconds, and has killed it then."""
    try:
        out, err = command.communicate(timeout)
    except subprocess.TimeoutExpired:
        command.kill()
        raise
    return subprocess.CompletedProcess(command.args, command.wait(), out, err)


def start(
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    stdin: str = "",
    out: IO[Any] | None = None,
    err: IO[Any] | None = None,
    how: How = DEFAULT,
) -> Command:
    """Start a command line; its output goes to ``out`` and ``err``, else to what ``communicate`` reads."""
    given = tempfile.TemporaryFile()  # noqa: SIM115
    given.write(stdin.encode())
    given.seek(0)
    out, err = out or tempfile.TemporaryFile(), err or tempfile.TemporaryFile()  # noqa: SIM115
    connection = _Parent.here().request(arguments, cwd, environment, (given, out, err), how)
    given.close()
    return Command(arguments, connection, out, err)


def fork_parent() -> None:
    """Fork what forks command lines from this process, which has one thread; it imports what the first of them needs."""
    _Parent._one = _Forked()


class Command:
    """A command line that runs, with as much of ``subprocess.Popen`` as tests use."""

    def __init__(self, arguments: Sequence[str], connection: socket.socket, out: IO[Any], err: IO[Any]) -> None:
        self.args = [*arguments]
        self.returncode: int | None = None
        self._connection, self._out, self._err = connection, out, err
        self._answers = connection.makefile()
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status, negative for a signal. Raises TimeoutExpired."""
        if (status := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it wrote to its streams in all. Raises TimeoutExpired."""
        self.wait(timeout)
        out, err = _text(self._out), _text(self._err)
        self._out.close()
        self._err.close()
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._connection.close()
        return self.returncode


def _text(file: IO[Any]) -> str:
    if file.closed:  # a pipe that somebody else reads
        return ""
    file.seek(0)
    return (
        file.read().decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    )  # as subprocess does with text=True


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
        shutil.rmtree(self._folder, ignore_errors=True)

    def request(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        streams: Sequence[IO[Any]],
        how: How,
    ) -> socket.socket:
        """Return where the process's number comes, then its exit status, a line each."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(self._address)
        wanted = {"arguments": [*arguments], "cwd": str(cwd), "environment": dict(environment), **how._asdict()}
        data = json.dumps(wanted).encode()
        head = len(data).to_bytes(4, "little")
        socket.send_fds(connection, [head], [stream.fileno() for stream in streams])
        connection.sendall(data)
        return connection


class _Forked(_Parent):
    """Such a parent forked from this process itself."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="fork-", dir="/tmp")
        self._address = f"{self._folder}/socket"
        listener = _listening(self._address)
        reader, self._writer = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.close(self._writer)
                os.dup2(reader, 0)
                _serve(listener, _import_for)
            finally:
                os._exit(0)
        os.close(reader)
        listener.close()
        atexit.register(self._end)

    def _end(self) -> None:
        os.close(self._writer)
        os.waitpid(self._child, 0)
        shutil.rmtree(self._folder, ignore_errors=True)


def _listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(64)
    return listener


def _import_all(address: str) -> None:
    for module in _modules():
        import_module(module)
    _warm()
    listener = _listening(address)
    os.set_blocking(0, False)
    print("ready", flush=True)
    _serve(listener, lambda _arguments: None)


def _import_for(arguments: Sequence[str]) -> None:
    """Import what a command line imports first; one that fails to is for the command itself to report."""
    with suppress(Exception):
        from reconciler.cli import COMMANDS

        names = [f"cli.{name}" for name in arguments if name in COMMANDS]
        needs = ("runtime.serve", "runtime.setup") if "cli.serve" in names else _ALSO[:8]
        for name in (*names, *needs):
            import_module(f"reconciler.{name}")


def _serve(listener: socket.socket, prepare: Callable[[Sequence[str]], None]) -> None:
    running: dict[int, tuple[int, socket.socket]] = {}  # by what becomes readable when the process ends
    while True:
        ready, _, _ = select.select([listener, 0, *running], [], [])
        if 0 in ready:
            return
        for ended in running.keys() & {*ready}:
            _, status = os.waitpid(running[ended][0], 0)
            _answer(running.pop(ended)[1], os.waitstatus_to_exitcode(status), last=True)
            os.close(ended)
        if listener in ready:
            connection, _ = listener.accept()
            wanted, streams = _received(connection)
            prepare(wanted["arguments"])
            process = os.fork()
            if process == 0:
                for number in (listener.fileno(), connection.fileno(), *running):
                    os.close(number)
                for _, other in running.values():
                    other.close()
                _become(wanted, streams)
            for stream in streams:
                os.close(stream)
            running[os.pidfd_open(process)] = process, connection
            _answer(connection, process)


def _modules() -> list[str]:
    from reconciler.cli import COMMANDS

    return [*(f"reconciler.cli.{name}" for name in COMMANDS), *(f"reconciler.{m}" for m in _ALSO), *_LIBRARIES]


def _warm() -> None:
    """Run the first commands in this process, and leave nothing of them but what was imported and built."""
    from reconciler import failpoints
    from reconciler.cli import run

    here, before = os.getcwd(), dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="first-", dir=here) as folder:
        Path(folder, "acme.yaml").write_text(_MANIFEST)
        os.environ["RECONCILER_DATABASE_URL"] = f"sqlite:///{folder}/state.db"
        os.environ["RECONCILER_PROJECT"] = "first"
        os.chdir(folder)
        for arguments in _FIRST:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                code = run(arguments)
            assert code in (0, 2), f"{arguments} ended with {code}"
        os.chdir(here)
    os.environ.clear()
    os.environ.update(before)
    failpoints._hits.clear()
    assert len(os.listdir("/proc/self/task")) == 1, "a command left a thread, which no child would have"
    gc.collect()
    gc.freeze()  # nothing of it is garbage: children do not copy its pages to look


def _answer(connection: socket.socket, number: int, last: bool = False) -> None:
    with suppress(OSError):  # whoever asked may be gone
        connection.sendall(f"{number}\n".encode())
    if last:
        connection.close()


def _received(connection: socket.socket) -> tuple[dict[str, Any], Sequence[int]]:
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    size = int.from_bytes(head, "little")
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data))
    return json.loads(data), streams


def _become(wanted: dict[str, Any], streams: Sequence[int]) -> None:
    """The command line itself, as if it had been started so. Does not return."""
    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.set_blocking(0, True)
        if wanted["session"]:
            os.setsid()
        os.chdir(wanted["cwd"])
        os.environ.clear()
        os.environ.update(wanted["environment"])
        sys.argv = ["reconciler", *wanted["arguments"]]
        random.seed()
        exec(wanted["before"], {"__name__": "before"})
        sys.stdin = _reopened(0, "r", sys.stdin)  # type: ignore[assignment]
        sys.stdout = _reopened(1, "w", sys.stdout)  # type: ignore[assignment]
        sys.stderr = _reopened(2, "w", sys.stderr, line_buffering=True)  # type: ignore[assignment]
        if wanted["code"]:
            sys.argv[0] = "-c"
            exec(wanted["code"], {"__name__": "__main__"})
            code = 0
        else:
            from reconciler.cli import main

            main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        with suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _reopened(number: int, mode: str, like: Any, line_buffering: bool = False) -> io.TextIOWrapper | None:
    try:
        file = os.fdopen(number, f"{mode}b", closefd=False)
    except OSError:  # closed, as an interpreter finds it then
        return None
    return io.TextIOWrapper(file, encoding=like.encoding, errors=like.errors, line_buffering=line_buffering)


if __name__ == "__main__":
    _import_all(sys.argv[1])
