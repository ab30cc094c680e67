"""One step of a pipeline; exit 0 where it was done, 1 where the forge refused, 64 for wrong usage."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from reconciler.errors import ReconcilerError
from reconciler.files import write_atomically
from reconciler.forge.client import ForgeError
from reconciler.forge.github import GitHub
from reconciler.forge.gitlab import GitLab
from reconciler.forge.names import PlanName, marker, plan_name


class Forge(Protocol):
    """The service that holds the repository."""

    def comment(self, mark: str, text: str) -> None:
        """Write the one comment of this review with this first line."""

    def keep(self, name: PlanName, plan: bytes) -> None:
        """Keep a plan until it is applied."""

    def find(self, name: PlanName) -> bytes | None:
        """Return a plan that was kept; None where there is none."""

    def open_issue(self, mark: str, title: str, text: str) -> None:
        """Keep one issue open with this text."""

    def close_issue(self, mark: str, text: str) -> None:
        """Close what is open."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit as the program's own command line does: 2 would read as drift."""
        self.print_usage(sys.stderr)
        self.exit(64, f"Error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Return what understands the arguments of a step."""
    found = _Parser(prog="python -m reconciler.forge", description=__doc__)
    steps = found.add_subparsers(dest="step", required=True)
    name = steps.add_parser("name", help="Print the name under which a saved plan is kept.")
    keep = steps.add_parser("keep", help="Keep a saved plan.")
    find = steps.add_parser("find", help="Write the plan that was reviewed for the same configuration to OUT, if any.")
    for one in (name, keep, find):
        one.add_argument("plan", type=Path)
    find.add_argument("out", type=Path)
    comment = steps.add_parser("comment", help="Write FILE as the one comment with KEY.")
    opened = steps.add_parser("open-issue", help="Keep one issue with KEY open; its text is FILE.")
    closed = steps.add_parser("close-issue", help="Close the issue with KEY.")
    for one in (comment, opened, closed):
        one.add_argument("key")
    for one in (comment, opened):
        one.add_argument("file", type=Path)
    return found


def forge_of(environment: Mapping[str, str]) -> Forge:
    """Return the forge that this process runs in a pipeline of. Raises ForgeError."""
    try:
        if environment.get("GITHUB_ACTIONS") == "true":
            return GitHub(environment)
        if environment.get("GITLAB_CI") == "true":
            return GitLab(environment)
    except KeyError as error:
        raise ForgeError(f"the variable {error.args[0]} is not set") from None
    raise ForgeError("this is neither a job of GitHub nor of GitLab: GITHUB_ACTIONS and GITLAB_CI are not `true`")


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Take one step. Raises ForgeError, ReconcilerError, OSError, ValueError."""
    given = parser().parse_args(arguments)
    if given.step == "name":
        sys.stdout.write(f"{plan_name(given.plan)}\n")
        return 0
    forge = forge_of(environment)
    if given.step == "keep":
        forge.keep(plan_name(given.plan), given.plan.read_bytes())
    elif given.step == "find":
        _find(forge, given.plan, given.out)
    elif given.step == "comment":
        forge.comment(marker(given.key), _text(given.key, given.file))
    elif given.step == "open-issue":
        forge.open_issue(marker(given.key), f"Drift: {given.key}", _text(given.key, given.file))
    else:
        forge.close_issue(marker(given.key), "There is no drift any more.")
    return 0


def _find(forge: Forge, plan: Path, out: Path) -> None:
    name = plan_name(plan)
    found = forge.find(name)
    if found is None:
        sys.stdout.write(f"No reviewed plan was found for {name}\n")
        return
    write_atomically(out, found.decode(), 0o600)
    sys.stdout.write(f"Found a reviewed plan for {name}\n")


def _text(key: str, file: Path) -> str:
    body = file.read_text(encoding="utf-8") if file.exists() else ""
    return f"{marker(key)}\n{body.strip() or 'The command ended without a report: see the log of the job.'}\n"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], os.environ))
    except (ForgeError, ReconcilerError, OSError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(1)
