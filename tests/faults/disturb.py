"""Runs one writing command while something disturbs it, and reads what became of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from random import Random
from typing import Any, NamedTuple

import psycopg

from tests import forked
from tests.faults.commands import Case
from tests.faults.judge import Ended
from tests.faults.proxy import Fault, Proxy
from tests.faults.world import NOTIFIED, World

LEASE = 1.5
"""Seconds that a silent writer keeps its locks in these runs; 30 by default."""
TIMEOUT = 10
"""Seconds that a connection may take in all in these runs; 600 by default."""
CHANGING = 30.0
"""Seconds that commands without --lock-timeout wait for a lock."""
LOOK_UP = 15.0
"""Seconds for which a lost reply to COMMIT is looked up."""
GRACE = 10.0
"""Seconds after a command's end in which every session of its has to be gone."""
NOBODY = "http://127.0.0.1:9"


def bound(case: Case) -> float:
    """Return the seconds after which a command has to have ended, its start on a busy machine included."""
    return (3.0 if "--lock-timeout" in case.arguments else CHANGING) + TIMEOUT + LOOK_UP + 10.0


class Disturbance(NamedTuple):
    """What happens to a command, at a share ``moment`` of the time that it takes undisturbed; with a failpoint, a fault of
    the proxy or a hook, shortly after it came there.

    ``signal`` is sent then; SIGSTOP is followed by SIGCONT after twice the lease. ``terminate``: the server ends its
    sessions then. ``stdout``: ``/dev/full``, a pipe that nobody reads, or none. ``disk``: no file grows beyond so many
    bytes. ``hook``: a destination of notifications that answers as slowly as it can.
    """

    fault: Fault | None = None
    signal: signal.Signals | None = None
    terminate: bool = False
    moment: float = 0.5
    failpoint: str = ""
    stdout: str = ""
    disk: int | None = None
    hook: str = ""
    locked: bool = False

    def __str__(self) -> str:
        parts: list[str] = []
        if self.fault:
            default = Fault(self.fault.do)
            told = [f"{n}={v}" for n, v in self.fault._asdict().items() if n != "do" and v != getattr(default, n)]
            parts.append(f"proxy {self.fault.do} {' '.join(told)}".strip())
        if self.signal is not None:
            parts.append(self.signal.name)
        parts += ["sessions terminated"] if self.terminate else []
        if self.signal is not None or self.terminate:
            parts.append(f"at {self.failpoint}" if self.failpoint else f"after {self.moment:.0%}")
        parts += [f"stdout {self.stdout}"] if self.stdout else []
        parts += [f"files end at {self.disk} bytes"] if self.disk is not None else []
        parts += ["slow webhook"] if self.hook else []
        parts += ["file locked by another"] if self.locked else []
        return ", ".join(parts) or "nothing"


class Stage(NamedTuple):
    """Where commands reach the database: through ``proxy``, if there is one; ``server`` to look at it beside them."""

    kind: str
    server: str | None
    url_of: Callable[[World, Fault | None], tuple[str, Proxy | None]]


def run(stage: Stage, case: Case, world: World, what: Disturbance, undisturbed: float) -> tuple[Ended, Any, list[str]]:
    """Return how the command ended, what the oracle reads after it, and what is wrong with what it left behind."""
    if case.notified or what.hook:
        (world.folder / "reconciler.yaml").write_text(NOTIFIED.format(url=what.hook or NOBODY))
    url, proxy = stage.url_of(world, what.fault)
    before = case.written(world)

    def is_there() -> bool:
        """Whether the command has come to where it is to be disturbed, as far as that shows from outside."""
        if proxy is not None and what.fault is not None:
            return proxy.hits > 0
        if what.hook or what.failpoint == "after_commit":
            return case.written(world) != before
        return not what.failpoint or what.failpoint == "before_lock" or _is_writing(world)

    def act(process: forked.Command) -> None:
        while process.poll() is None and not is_there():
            time.sleep(0.02)
        _disturb(process, world, what, 0.3 if is_waited_for else undisturbed * what.moment)

    is_waited_for = what.fault is not None or bool(what.hook or what.failpoint)
    with _locked(world, what):
        ended = _command(case, world, what, url, act if what.signal is not None or what.terminate else _nothing)
    left: list[str] = []
    if stage.server is not None:
        left = _settled(world)
    if proxy is not None:
        proxy.heal()
    return ended, case.written(world), left


def arguments_of(case: Case, world: World) -> list[str]:
    own = [argument.format(**world.ids) for argument in case.arguments]
    return [*case.path.split(), *own]


Act = Callable[[forked.Command], None]


def _command(case: Case, world: World, what: Disturbance, url: str, act: Act) -> Ended:
    more = {"RECONCILER_LOCK_LEASE": str(LEASE), "RECONCILER_TIMEOUT": str(TIMEOUT)}
    if what.failpoint:
        more["RECONCILER_FAILPOINT"] = f"{what.failpoint}:sleep:{_pause(what)}"
    out, err = _Heard(), _Heard()
    full = open("/dev/full", "wb") if what.stdout == "/dev/full" else None  # noqa: SIM115
    started = time.monotonic()
    process = forked.start(
        arguments_of(case, world),
        world.folder,
        world.environment(url, **more),
        case.stdin,
        out=full or out.writer,
        err=err.writer,
        how=forked.How(before=_beginning(what)),
    )
    if full is not None:
        full.close()
    out.listen(to_nobody=what.stdout == "a closed pipe")
    err.listen()
    act(process)
    late = False
    try:
        process.wait(max(1.0, bound(case) - (time.monotonic() - started)))
    except subprocess.TimeoutExpired:
        late = True
        process.kill()
        process.wait()
    seconds = time.monotonic() - started
    return Ended(process.wait(), out.text(), err.text(), seconds, late)


class _Heard:
    """A pipe, and what comes out of it; a file would be bounded by the bytes that a disk has left."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self.writer = os.fdopen(writer, "wb")
        self._reader = os.fdopen(reader, "rb")
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def listen(self, to_nobody: bool = False) -> None:
        """Give the writing end up to the child, and read until it is closed there too."""
        self.writer.close()
        if to_nobody:
            self._reader.close()
        else:
            self._thread.start()

    def _listen(self) -> None:
        with self._reader as stream:
            self._parts.append(stream.read())

    def text(self) -> str:
        if self._thread.is_alive():
            self._thread.join(5)
        return b"".join(self._parts).decode(errors="replace")


def _beginning(what: Disturbance) -> str:
    """Return what runs in the child first: signals as a terminal leaves them, and no more disk than there is."""
    lines = ["import os, resource, signal", "signal.signal(signal.SIGINT, signal.SIG_DFL)"]
    if what.disk is not None:
        lines += [f"resource.setrlimit(resource.RLIMIT_FSIZE, ({what.disk}, {what.disk}))"]
        lines += ["signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"]
    if what.stdout == "none":
        lines += ["os.close(1)"]
    return "\n".join(lines)


def _pause(what: Disturbance) -> float:
    return 1.5 if what.signal is not None or what.terminate else 0.3


def _nothing(_process: forked.Command) -> None:
    return None


def _disturb(process: forked.Command, world: World, what: Disturbance, seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return
    if what.terminate:
        own = "datname = current_database() AND pid <> pg_backend_pid() AND application_name NOT LIKE 'test%'"
        world.db.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own.replace('%', '%%')}")
    if what.signal is not None:
        os.kill(process.pid, what.signal)
        if what.signal is signal.SIGSTOP:
            time.sleep(2 * LEASE)
            os.kill(process.pid, signal.SIGCONT)


def _is_writing(world: World) -> bool:
    if not world.db.is_sqlite:
        sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
        return bool(world.db.sql(f"{sql} AND pid <> pg_backend_pid()"))
    if not world.db.path.exists():
        return False
    connection = sqlite3.connect(world.db.path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


@contextmanager
def _locked(world: World, what: Disturbance) -> Any:
    """Another program holds the SQLite file for as long as the command runs."""
    if not what.locked:
        yield
        return
    connection = sqlite3.connect(world.db.path, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.rollback()
        connection.close()


def _settled(world: World) -> list[str]:
    """Wait until no session of the command's does anything."""
    deadline = time.monotonic() + GRACE
    held = (
        "SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.mode ~ '^(Row|Access)(Share|Exclusive)Lock$'"
    )
    held += " AND l.mode <> 'AccessShareLock'"
    busy = f"datname = current_database() AND pid <> pg_backend_pid() AND (state = 'active' OR EXISTS ({held}))"
    sql = f"SELECT state, left(query, 60) FROM pg_stat_activity a WHERE {busy} AND backend_type = 'client backend'"
    while rows := world.db.sql(sql):
        if time.monotonic() > deadline:
            with suppress(psycopg.Error):
                world.db.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity a WHERE {busy}")
            return [f"LOCK: a session is {rows[0][0]} {GRACE:.0f} s after the end: {rows[0][1]!r}"]
        time.sleep(0.05)
    return []


def random_disturbance(kind: str, seed: int, hook: str, on_database: bool) -> Disturbance:
    """Return one by chance, of those that ``kind`` of database can have."""
    by = Random(seed)
    moment = by.uniform(0.1, 1.05)
    point = by.choice(("before_lock", "after_lock", "before_stmt", "before_audit", "before_commit", "after_commit"))
    failpoint = by.choice(("", point)) if on_database else ""
    sent = by.choice((signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
    choices: list[Callable[[], Disturbance]] = [
        lambda: Disturbance(signal=sent, moment=moment if not failpoint else 0.9, failpoint=failpoint),
        lambda: Disturbance(stdout=by.choice(("/dev/full", "a closed pipe", "none"))),
        lambda: Disturbance(disk=by.choice((0, 1, 4096, by.randrange(60_000)))),
    ]
    if on_database:
        choices += [
            lambda: Disturbance(signal=signal.SIGSTOP, moment=moment if not failpoint else 0.9, failpoint=failpoint),
            lambda: Disturbance(
                hook=hook, signal=by.choice((None, signal.SIGINT, signal.SIGTERM)), moment=by.uniform(0.7, 1.6)
            ),
        ]
    if kind == "sqlite":
        choices += [lambda: Disturbance(locked=on_database)]
    elif on_database:
        choices += [
            *[lambda: Disturbance(random_fault(by))] * 8,
            lambda: Disturbance(random_fault(by), signal=sent, moment=moment),
            lambda: Disturbance(terminate=True, moment=moment if not failpoint else 0.9, failpoint=failpoint),
        ]
    return by.choice(choices)()


def random_fault(by: Random) -> Fault:
    at = by.choice(("connect", "statement", "write", "commit", "commit", "commit"))
    nth = {"connect": by.randint(1, 3), "statement": by.randint(1, 40), "write": by.randint(1, 6), "commit": 1}[at]
    do: Any = by.choice(
        (
            "drop",
            "drop reply",
            "drop reply",
            "late",
            "late and never",
            "hold reply",
            "delay",
            "black hole",
            "deaf",
            "error",
            "error",
        )
    )
    if at == "connect" and do in {"drop reply", "late", "late and never"}:
        do = "drop"
    states = (
        ("53300", "57P03", "57P01")
        if at == "connect"
        else ("40001", "40P01", "57P01", "53100", "08006", "57014", "25P03")
    )
    seconds = by.choice((0.3, 2.0)) if do != "delay" else 1.0
    return Fault(
        do,
        at,
        nth,
        by.choice((1, 1, 2, 50)) if do == "error" else 1,
        by.choice(states),
        seconds,
        by.random() < 0.2 and at == "commit",
    )


def can_be_asked(what: Disturbance) -> bool:
    """Whether the database answers after the fault."""
    fault = what.fault
    if fault is None:
        return True
    return not (fault.refuse or fault.do in {"black hole", "deaf"} or (fault.do == "error" and fault.times > 10))
