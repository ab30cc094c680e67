"""Ids of evidence: they differ, also in a process that was forked, and sort by time."""

from __future__ import annotations

import subprocess
import sys

from reconciler.runtime.ledger.entries import new_id

FORKED = """
import os
from reconciler.runtime.ledger.entries import new_id

new_id()  # from now on, digits are kept
back, out = os.pipe()
if os.fork() == 0:
    os.write(out, " ".join(new_id()[14:] for _ in range(40)).encode())
    os._exit(0)
os.wait()
theirs = os.read(back, 10_000).decode().split()
ours = [new_id()[14:] for _ in range(40)]
print(len({*theirs, *ours}))
"""


def test_they_differ_and_have_one_form() -> None:
    found = [new_id() for _ in range(1_000)]
    assert len({one[14:] for one in found}) == 1_000  # by their random digits alone
    assert all(len(one) == 32 and int(one, 16) for one in found)
    assert [one[:14] for one in found] == sorted(one[:14] for one in found)


def test_a_forked_process_draws_its_own() -> None:
    told = subprocess.run([sys.executable, "-c", FORKED], check=True, capture_output=True, text=True, timeout=120)
    assert int(told.stdout) == 80
