"""A question to the person at the terminal, on stderr; only the whole word `yes` is one."""

from __future__ import annotations

import sys

import click

from reconciler.errors import Refused


def says_yes(question: str) -> bool:
    """Ask on stderr; whether the answer on stdin is `yes`."""
    click.echo(f"{question} Only 'yes' is accepted.\n  Enter a value: ", nl=False, err=True)
    return sys.stdin.readline().strip() == "yes"


def approve(question: str) -> None:
    """Ask for a yes. Raises Refused for any other answer."""
    if not says_yes(question):
        raise Refused("approval was declined; nothing was written", code="approval-declined")
