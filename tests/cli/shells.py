"""Real shells at a real terminal: a line typed, the Tab key, and the line as the shell has it then."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import command_environment

# A key that prints the line: it is read after the Tab before it, so nothing here waits by the clock.
_START = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "PS1= PS2= ; bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; bind 'set show-all-if-ambiguous off'; "
        """bind -x '"\\C-xp": printf "\\n<%s>\\n" "$READLINE_LINE"'; """,
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PS1= PS2= ; unsetopt zle_bracketed_paste prompt_cr beep 2>/dev/null; autoload -Uz compinit && compinit -u -D; "
        "printed() { print; print -r -- \"<$BUFFER>\" }; zle -N printed; bindkey '^Xp' printed; ",
    ),
}


def environment(**extra: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return command_environment({"PATH": path, "TERM": "dumb", "RECONCILER_PROJECT": "shop", **extra})


def need(shell: str) -> None:
    """Says, as a skip with its reason, where a shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")


def typed(shell: str, line: str, cwd: Path, keys: str = "\t", **extra: str) -> str:
    """The line after ``keys``; without the blanks at its end."""
    need(shell)
    arguments, setup = _START[shell]
    main, second = pty.openpty()
    process = subprocess.Popen(
        arguments, cwd=cwd, env=environment(**extra), stdin=second, stdout=second, stderr=second, start_new_session=True
    )
    os.close(second)
    try:
        os.write(main, f'{setup} eval "$(reconciler completion {shell})"; echo re""ady\n'.encode())
        _until(main, r"(?m)^ready\r?$")
        os.write(main, f"{line}{keys}\x18p".encode())
        return _until(main, r"(?m)^<(.*)>\r?$").rstrip()
    finally:
        process.kill()
        process.wait()
        os.close(main)


def _until(main: int, pattern: str) -> str:
    seen = ""
    while not (found := re.search(pattern, seen)):
        seen += os.read(main, 65536).decode(errors="replace")
    return found[1] if found.re.groups else ""


def offered_by_fish(line: str, cwd: Path, **extra: str) -> list[str]:
    """What fish would offer: it says so itself."""
    need("fish")
    script = 'reconciler completion fish | source; complete -C "$argv[1]"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", script, line],
        cwd=cwd,
        env=environment(HOME=str(cwd), **extra),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [text.partition("\t")[0] for text in done.stdout.splitlines()]
