"""The same inputs give the same plan, byte for byte, whatever order they come in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.load.load import load
from reconciler.load.project import without_file
from reconciler.model.configuration import Configuration
from reconciler.model.live import Live, frozen
from reconciler.plan.convert import to_document
from tests.conftest import ROOT, command_environment

from .arena import Arena, Sqlite
from .bodies import Pick
from .plans import told
from .story import Story, Want
from .strategies import Desired, dice, direct, examples, loaded, states, write
from .wishes import opening, turn


def _scene(arena: Arena, folder: Path, data: bytes) -> tuple[Want, set[tuple[str, str]]]:
    """Leaves a database with two projects and changes by hand; returns what ours wants next, written to the folder."""
    pick, story = Pick(data, ()), Story(arena, folder)
    want, others = opening(pick, story)
    following, external = turn(pick, story, want, others)
    write(folder, (following.group(external),))
    return following, external


def _shuffled(random: Random, configuration: Configuration, live: Live) -> tuple[Configuration, Live]:
    def mixed(items: Any) -> Any:
        return random.sample(list(items), len(items))

    def mapping(items: Any) -> Any:
        return frozen(dict(mixed(items.items())))

    return (
        replace(
            configuration,
            resources=mapping(configuration.resources),
            moves=tuple(mixed(configuration.moves)),
            removals=tuple(mixed(configuration.removals)),
            adoptions=tuple(mixed(configuration.adoptions)),
            files=tuple(mixed(configuration.files)),
        ),
        replace(
            live,
            rows=mapping(live.rows),
            applied=mapping(live.applied),
            owners=mapping(live.owners),
            deletions=mapping(live.deletions),
        ),
    )


@examples(60)
@given(data=dice(900), random=st.integers(0, 9999).map(Random))
def test_the_order_of_what_was_read_does_not_matter(
    sqlite: Arena, manifests: Path, data: bytes, random: Random
) -> None:
    _scene(sqlite, manifests, data)
    configuration = loaded(manifests)
    live = sqlite.live(configuration)
    plan = told(configuration, live)
    for _ in range(3):
        assert told(*_shuffled(random, configuration, live)) == plan


def _without_places(document: dict[str, Any]) -> dict[str, Any]:
    changes = [{**change, "source": None} for change in document["resource_changes"]]
    document = {**document, "resource_changes": changes}
    del document["sources_digest"]
    return document


@examples(60)
@given(first=states(most=2), second=states(most=2), random=st.integers(0, 9999).map(Random))
def test_the_order_of_files_documents_keys_sets_and_tenants_does_not_matter(
    sqlite: Arena, manifests: Path, first: Desired, second: Desired, random: Random
) -> None:
    """Only the places differ, which a plan names."""
    sqlite.reset()
    sqlite.apply(sqlite.plan(direct(first)))
    write(manifests, second)
    plain = loaded(manifests)
    plan = _without_places(to_document(sqlite.plan(plain)))
    for _ in range(2):
        write(manifests, second, random)
        shuffled = loaded(manifests)
        assert shuffled.digest == plain.digest
        assert _without_places(to_document(sqlite.plan(shuffled))) == plan
    files = random.sample(sorted(manifests.iterdir()), len(list(manifests.iterdir())))
    given_one_by_one = load(without_file(manifests), None, [str(file) for file in files], "shop").configuration
    assert to_document(sqlite.plan(given_one_by_one)) == to_document(sqlite.plan(loaded(manifests)))


@examples(100)
@given(desired=states())
def test_files_and_the_direct_way_agree(manifests: Path, desired: Desired) -> None:
    """What stands in a file and what was meant are the same: values, digests, and what was written out."""
    write(manifests, desired)
    from_files, made = loaded(manifests).resources, direct(desired).resources
    assert dict(from_files) == dict(made)
    assert all(resource.digest == made[address].digest for address, resource in from_files.items())
    assert all(resource.explicit == made[address].explicit for address, resource in from_files.items())


def test_the_hash_seed_does_not_matter(sqlite: Arena, manifests: Path, tmp_path: Path) -> None:
    assert isinstance(sqlite, Sqlite)
    random, plans = Random(7), []
    for number in range(12):
        _scene(sqlite, manifests, random.randbytes(900))
        scene = tmp_path / f"{number:02}"
        shutil.copytree(manifests, scene / "files")
        sqlite.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(sqlite.path, scene / "state.db")
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.properties.plans", str(tmp_path)],
            cwd=ROOT,
            env=command_environment({"PYTHONHASHSEED": seed}),
            capture_output=True,
            text=True,
            check=True,
        )
        plans.append(done.stdout)
    assert plans[0] == plans[1] == plans[2]
    assert sum(len(json.loads(line)["resource_changes"]) for line in plans[0].splitlines() if line[0] == "{") > 40
