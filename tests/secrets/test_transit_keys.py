"""Keys of a real OpenBao's transit engine: made by a command, left for another one, and never taken for one of the same name."""

from __future__ import annotations

import os

import pytest

from tests.secrets.openbao import ROOT_TOKEN, OpenBao
from tests.secrets.support import VALUE, Kept, clear

ENGINE = "teams/transit"


@pytest.fixture
def name() -> str:
    return f"key-{os.urandom(4).hex()}"


def settings(bao: OpenBao, **more: str) -> dict[str, str]:
    """Of an installation without a key file, unless ``more`` names one."""
    return {"VAULT_ADDR": bao.url, "VAULT_TOKEN": ROOT_TOKEN, "RECONCILER_KEY_FILE": "", **more}


def keys_of(bao: OpenBao) -> list[str]:
    listed = bao.admin().list(f"{ENGINE}/keys")
    return list(listed["data"]["keys"]) if listed else []


def test_a_command_makes_a_transit_key(here: Kept, openbao: OpenBao, name: str) -> None:
    own = settings(openbao)
    made = here("keys", "create", "--transit", f"{ENGINE}/{name}", **own).ok().out
    assert (
        made == f"Made the transit key {ENGINE}/{name} in Vault.\nNext: export RECONCILER_TRANSIT_KEY={ENGINE}/{name}\n"
    )
    document = openbao.admin().read(f"{ENGINE}/keys/{name}")["data"]
    assert (document["type"], document["exportable"]) == ("aes256-gcm96", False)
    own["RECONCILER_TRANSIT_KEY"] = f"{ENGINE}/{name}"
    here("set", "acme/openai", stdin=VALUE, **own).ok()
    assert (
        "exists already" in clear(here("keys", "create", "--transit", f"{ENGINE}/{name}", **own), 6, "key-exists").err
    )
    nowhere = clear(here("keys", "create", "--transit", f"none/{name}", **own), 7, "secret-store-refused").err
    assert "next: enable it with `vault secrets enable -path=none transit`" in nowhere
    own["VAULT_TOKEN"] = openbao.token(f"{ENGINE}/encrypt/*: update")
    denied = clear(here("keys", "create", "--transit", f"{ENGINE}/other", **own), 7, "secret-store-denied").err
    assert "does the token's policy allow to read and update this path" in denied


@pytest.mark.parametrize("given", [(), ("--out", "keys.json", "--transit", "transit/a")])
def test_a_key_is_made_in_one_place(here: Kept, given: tuple[str, ...]) -> None:
    assert "expected --out FILE or --transit MOUNT/NAME" in here("keys", "create", *given).ok(64).err


def test_a_typo_makes_no_key(here: Kept, openbao: OpenBao, name: str) -> None:
    own = settings(openbao, RECONCILER_TRANSIT_KEY=f"{ENGINE}/{name}")
    for command in (("set", "acme/openai"), ("reencrypt",)):
        refused = clear(here(*command, stdin=VALUE, **own), 7, "secret-store-refused").err
        assert f"there is no transit key {name} in {ENGINE}, and none is made by its use" in refused
        assert f"`reconciler secrets keys create --transit {ENGINE}/{name}`" in refused
    assert name not in keys_of(openbao)


@pytest.mark.parametrize("with_file", [True, False], ids=["with-a-key-file", "transit-alone"])
def test_secrets_move_from_one_transit_key_to_another(here: Kept, openbao: OpenBao, name: str, with_file: bool) -> None:
    first, second = (f"{ENGINE}/{name}-{one}" for one in "ab")
    own = settings(openbao, **({"RECONCILER_KEY_FILE": str(here.key_file)} if with_file else {}))
    for one in (first, second):
        here("keys", "create", "--transit", one, **own).ok()
    here("set", "acme/openai", stdin=VALUE, RECONCILER_TRANSIT_KEY=first, **own).ok()
    moved = {"RECONCILER_TRANSIT_KEY": second, **own}
    assert "key-unknown" in here("reencrypt", **moved).ok(8).err
    here("reencrypt", RECONCILER_TRANSIT_OLD=first, **moved).ok()
    openbao.write(f"{first.replace('/key', '/keys/key')}/config", deletion_allowed=True)
    openbao.admin().delete(f"{first.replace('/key', '/keys/key')}")
    (here.folder / "acme.yaml").write_text(
        "version: 1\ntenant: acme\nintegrations:\n  openai: {provider: openai, credential: encrypted://openai}\n"
    )
    here.command("validate", "--check", **moved).ok()
    here.command("audit", "verify", **moved).ok()


@pytest.mark.parametrize("with_file", [True, False], ids=["with-a-key-file", "transit-alone"])
def test_another_server_s_key_of_the_same_name_is_refused(
    here: Kept, openbao: OpenBao, name: str, with_file: bool
) -> None:
    own = settings(openbao, **({"RECONCILER_KEY_FILE": str(here.key_file)} if with_file else {}))
    own["RECONCILER_TRANSIT_KEY"] = f"{ENGINE}/{name}"
    here("keys", "create", "--transit", f"{ENGINE}/{name}", **own).ok()
    here("set", "acme/openai", stdin=VALUE, **own).ok()
    here("set", "acme/openai", stdin=VALUE, **own).ok()
    openbao.write(f"{ENGINE}/keys/{name}/config", deletion_allowed=True)
    openbao.admin().delete(f"{ENGINE}/keys/{name}")
    openbao.write(f"{ENGINE}/keys/{name}", type="aes256-gcm96")
    for command in (("set", "acme/other"), ("rotate", "acme/openai"), ("reencrypt",)):
        refused = clear(here(*command, stdin="sk-another-value", **own), 8, "key-differs").err
        assert f"the key 'transit:{ENGINE}/{name}' is another one" in refused
        assert "next: does VAULT_ADDR" in refused


def test_a_version_that_is_used_no_more_is_no_other_key(here: Kept, openbao: OpenBao, name: str) -> None:
    own = settings(openbao, RECONCILER_TRANSIT_KEY=f"{ENGINE}/{name}", RECONCILER_KEY_FILE=str(here.key_file))
    here("keys", "create", "--transit", f"{ENGINE}/{name}", **own).ok()
    here("set", "acme/openai", stdin=VALUE, **own).ok()
    openbao.write(f"{ENGINE}/keys/{name}/rotate")
    here("reencrypt", **own).ok()
    openbao.write(f"{ENGINE}/keys/{name}/config", min_decryption_version=2)
    here("rotate", "acme/openai", stdin="sk-another-value", **own).ok()
