"""The table of commands that write has every one of them: they are found in the source."""

from __future__ import annotations

from tests.faults.commands import CASES, DATABASE, ELSEWHERE, FILES
from tests.faults.reach import commands, makers, reaching

DATABASES = {("reconciler.store.connect", "writing"), ("reconciler.runtime.parts", "prepare")}
NO_RESULTS = {
    ("reconciler.load.cache", "_replace"),
    ("reconciler.cli.pipeline", "_append"),
    ("reconciler.store.url", "Database.make_folder"),
    ("reconciler.runtime.ledger.sqlite", "opened"),
}
"""They make files that are no result of a command: a cache, outputs of a step of a pipeline, databases."""


def test_every_command_that_writes_to_a_database_is_driven() -> None:
    assert reaching(DATABASES) - {case.path for case in CASES} == {*ELSEWHERE}


def test_every_command_that_makes_a_file_is_driven() -> None:
    assert makers() >= NO_RESULTS
    assert reaching(makers() - NO_RESULTS) - ELSEWHERE.keys() <= {case.path for case in CASES}


def test_the_table_names_commands_that_write() -> None:
    assert {case.path for case in CASES} <= commands().keys()
    assert {case.path for case in DATABASE} <= reaching(DATABASES)
    assert {case.path for case in FILES} <= reaching(makers() | DATABASES)
