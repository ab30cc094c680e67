"""What a command says that was asked to end, wherever its process was at that moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SWALLOWED = """
import os, signal
from reconciler import cli

def command(**_):
    try:
        os.kill(os.getpid(), signal.{name})
    except BaseException:
        pass
    raise RuntimeError("half done")

signal.signal(signal.{name}, signal.SIG_DFL)  # whoever runs the tests may ignore it, as nohup does
cli.cli.main = command
cli.main()
"""


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("SIGINT", 130, "Interrupted"), ("SIGTERM", 143, "Terminated"), ("SIGHUP", 129, "Terminated")],
)
def test_a_signal_that_a_library_swallowed_is_still_the_reason(name: str, code: int, said: str) -> None:
    """What a handler raises inside of an import or a destructor gets lost there; the failure that follows is no defect."""
    ended = subprocess.run(
        [sys.executable, "-c", SWALLOWED.format(name=name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (code, f"{said}; nothing was written.\n")


LOADING = """
import os, pathlib, signal, sys
pathlib.Path({folder!r}, "half_made.py").write_text(
    "import os, signal\\n"
    "try:\\n    os.kill(os.getpid(), signal.{name})\\nfinally:\\n    os.abort()\\n"
)
sys.path.insert(0, {folder!r})
from reconciler import cli

def command(**_):
    import half_made

signal.signal(signal.{name}, signal.SIG_DFL)
cli.cli.main = command
cli.main()
"""


@pytest.mark.parametrize(("name", "code", "said"), [("SIGINT", 130, "Interrupted"), ("SIGTERM", 143, "Terminated")])
def test_no_exception_comes_out_of_a_module_that_is_loading(tmp_path: Path, name: str, code: int, said: str) -> None:
    """Extension modules that load others crash of it: one of 300 commands ended by SIGSEGV."""
    source = LOADING.format(folder=str(tmp_path), name=name)
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert (ended.returncode, ended.stderr) == (code, f"{said}; nothing was written.\n")
