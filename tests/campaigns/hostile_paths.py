"""Hostile values for the paths of file templates: nothing outside of the datasource is read, listed, written or deleted.

    python -m tests.campaigns.hostile_paths [--count 5000] [--seed 1]

Half of the calls go the way of a caller (values are judged first), half straight to the connector, as if that judge were gone.
Prints JSON; exits 1 if anything outside changed or showed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from reconciler.access.resource import Resource
from reconciler.kinds.template.file_path import unfit
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.model.target import Bound, Identity
from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.file import judge_file, open_file
from tests.runtime.calls import call_of, resource
from tests.runtime.connectors.file_support import permits

CANARY = "CANARY-OUTSIDE"
PIECES = [
    "..", ".", "/", "\\", "//", "a", "in", "secret.txt", "link", "folder", "%2e%2e", "%2f", "..%00", "\x00", "\n", "\u202e", "\u2024",
    "\uff0e\uff0e", "\uff0f", "\u2215", "~", "~root", "$HOME", "*", "?", "**", "{n}", "C:", "con", "-rf", " ", "", "a" * 300, "é", "é",
    ".reconciler-x", "/etc/passwd", "/proc/self/environ", "file:///etc/passwd", "....//", "..;/", ";", "|id", "`id`", "\ud800", "\U0001f600",
]  # fmt: skip
PATHS = ["{n}", "x/{n}", "{n}/secret.txt", "{n}{m}", "{n}/{m}", "{n}.txt", "folder/{n}"]


def world(folder: Path) -> Path:
    """Make a root with files in and beside the datasource, links that lead out of it, and files outside of it."""
    root, outside = folder / "root", folder / "outside"
    for one in (root / "in" / "folder", root / "beside", outside):
        one.mkdir(parents=True)
        (one / "secret.txt").write_text("inside" if "in" in one.relative_to(folder).parts else CANARY)
    (root / "secret.txt").write_text(CANARY)
    (root / "in" / "link").symlink_to(outside)
    (root / "in" / "link.txt").symlink_to(outside / "secret.txt")
    return root


def outside_of(folder: Path) -> dict[str, Any]:
    """What is outside of the datasource: names, kinds, contents and times of change."""
    found = {}
    for one in sorted(folder.rglob("*")):
        name = str(one.relative_to(folder))
        if not name.startswith("root/in/"):
            facts = one.lstat()
            found[name] = (
                facts.st_mode,
                facts.st_mtime_ns if one.is_file() else 0,
                one.read_bytes() if one.is_file() else b"",
            )
    return found


def value(chance: random.Random) -> str:
    return "".join(chance.choices(PIECES, k=chance.randint(1, 5)))


async def campaign(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Make so many calls, and say what came of them and whether anything outside changed or showed."""
    root, chance, codes, shown = world(folder), random.Random(seed), Counter[str](), 0
    before = outside_of(folder)
    reaches = resource("connector", {"type": "file", "provider": "local", "root": str(root), "read_only": False})
    source = resource("datasource", {"type": "file", "connector": "it", "prefix": "in"}, "d")
    templates = [
        *map(_template, (path for path in PATHS for _ in range(4)), ["list", "read", "write", "delete"] * len(PATHS))
    ]
    connection = await open_file("acme", reaches, permits(root))
    for number in range(count):
        template = chance.choice(templates)
        values: dict[str, Any] = {name: value(chance) for name in template.body["parameters"]}
        if "text" in values:
            values["text"] = "x"
        call = call_of((template, source, reaches), values)
        try:
            judged = ParameterInputs(template.body, reaches.body, unfit)
            if number % 2 and not isinstance(judged.bind(values, Identity("a")), Bound):
                codes["invalid-values"] += 1
                continue
            await judge_file(call)
            answer = await connection.run(call)
            shown += CANARY in json.dumps(answer.content)
            codes["success"] += 1
        except Failed as error:
            codes[error.code] += 1
    await connection.close()
    return {"calls": count, "codes": dict(codes), "shown": shown, "unchanged": outside_of(folder) == before}


def _template(path: str, operation: str) -> Resource:
    names = [name for name in ("n", "m") if f"{{{name}}}" in path] + (["text"] if operation == "write" else [])
    more = {"content": "{text}", "if_exists": "replace"} if operation == "write" else {}
    parameters = {name: {"type": "string"} for name in names}
    raw = {"type": "file", "datasource": "d", "operation": operation, "path": path, "parameters": parameters}
    return resource("template", {**raw, **more})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(campaign(Path(os.path.realpath(folder)), arguments.count, arguments.seed))
    print(json.dumps(result, indent=2))
    return 0 if result["unchanged"] and not result["shown"] else 1


if __name__ == "__main__":
    sys.exit(main())
