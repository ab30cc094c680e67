"""Runs the README's sessions and help, to compare them or (``python tests/docs/readme.py``) to write them anew."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"

SESSIONS = [
    [
        "reconciler init shop && cd shop",
        "reconciler plan --out first.plan | tail -n 19",
        "reconciler apply first.plan --auto-approve | tail -n 2",
        "sed -i 's/max: 100/max: 50/' manifests/acme.yaml",
        "reconciler plan",
        "reconciler apply --auto-approve --quiet && reconciler plan",
    ],
    [
        "sed -i 's/provider: openai/provider: opnai/; s,encrypted://openai,sk-live-12345,' manifests/acme.yaml",
        "reconciler validate",
    ],
]


def sessions() -> list[str]:
    """What a person would see: each command behind ``$``, then its output; one folder for all of them."""
    bin_folder = str(Path(sys.executable).parent)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RECONCILER_")}
    env = {**kept, "PATH": f"{bin_folder}:{os.environ['PATH']}", "RECONCILER_ACTOR": "you", "NO_COLOR": "1"}
    env["RECONCILER_CACHE_DIR"] = ""
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        where = folder
        for commands in SESSIONS:
            lines = []
            for command in commands:
                script = f"{command}\ncode=$?; pwd > {folder}/.where; exit $code"
                done = subprocess.run(
                    ["bash", "-c", script], cwd=where, env=env, capture_output=True, text=True, check=False
                )
                where = Path(folder, ".where").read_text().strip()
                lines += [f"$ {command}", *(done.stdout + done.stderr).rstrip().splitlines()]
                lines = [line.rstrip() for line in lines]
            shown.append("\n".join(lines))
    return shown


def help_text() -> str:
    env = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "--help"], capture_output=True, text=True, check=True, env=env
    )
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())


def fresh() -> str:
    """The README with its blocks as they are now."""
    text = README.read_text()
    blocks = iter(sessions())
    text = re.sub(
        r"(<!-- session -->\n```console\n).*?(```)", lambda m: f"{m[1]}{next(blocks)}\n{m[2]}", text, flags=re.DOTALL
    )
    helped = help_text()
    return re.sub(r"(<!-- help -->\n```text\n).*?(```)", lambda m: f"{m[1]}{helped}\n{m[2]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(fresh())
