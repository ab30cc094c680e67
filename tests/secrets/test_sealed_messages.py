"""A key that seals messages which wait to be delivered is not retired."""

from __future__ import annotations

import asyncio
from pathlib import Path

from reconciler.secrets.keys import add_key, create_keys, promote_key, read_keys
from reconciler.secrets.ring import ring_of
from tests.conftest import Db
from tests.runtime.posting import World
from tests.runtime.slack import receiving, slack_at
from tests.store.support import cli_on


def test_a_key_that_seals_a_message_is_not_retired(db: Db, folder: Path, tmp_path: Path) -> None:
    file, store = tmp_path / "keys.json", Db(f"sqlite:///{tmp_path}/runtime.db")
    create_keys(file)
    old = read_keys(file).primary
    with receiving() as slack:
        world = World(store, slack_at(slack), ring_of(read_keys(file), None))
        world.calls({"id": 1})
        promote_key(file, add_key(file))
        command = cli_on(db.url, folder)
        command("db", "upgrade").ok()
        retire = ("secrets", "keys", "retire", old, "--store", store.url)
        refused = command(*retire, RECONCILER_KEY_FILE=str(file)).ok(6)
        assert f"the key {old} still seals 1 messages that wait to be delivered" in refused.err
        assert read_keys(file).state(old) == "decrypt-only"
        assert world.deliver() == []
        assert asyncio.run(world.messages.due()) == []
        command(*retire, RECONCILER_KEY_FILE=str(file)).ok()
