"""The last line of defence: whatever is written, in whatever form, is masked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.secrets.canaries import CANARIES, ENCODINGS, found_in

CHILD = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from tests.secrets.canaries import CANARIES, ENCODINGS
from reconciler.cli.output import scrub_output
from reconciler.secrets.scrub import quieten
from reconciler.secrets.secret import Secret
scrub_output()
quieten()
secrets = [Secret(value) for value in CANARIES]
print(*secrets, repr(secrets), f"{secrets[0]:>20}", "%s" % secrets[1])
for value in CANARIES:
    for name, encode in ENCODINGS.items():
        print(name.upper(), "before", encode(value), "after")
        print(encode("user:" + value + "@host/ more"))
        sys.stderr.write(encode(value) + "\\n")
        logging.getLogger("any").debug("%s and %r", encode(value), value)
    try:
        raise ValueError(value)
    except ValueError:
        logging.exception("failed")
raise RuntimeError(" ".join(CANARIES))
"""


def test_no_encoding_of_any_canary_gets_out(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, check=False)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 1
    assert out.count("(secret)") > 2 * 50 * len(ENCODINGS) * 0.8  # the control: all of it was written
    assert "Traceback" in err
    assert "RuntimeError" in err
    assert found_in(out) == []
    assert found_in(err) == []


@pytest.mark.parametrize("value", ["", "a", "12345"])
def test_what_is_no_secret_worth_the_name_garbles_nothing(value: str) -> None:
    code = f"from reconciler.secrets.scrub import *; remember({value!r}); print(scrub('a 12345 text'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "a 12345 text\n"


def test_the_canaries_would_be_found() -> None:
    for value in CANARIES:
        for encode in ENCODINGS.values():
            assert found_in(f"x {encode(value)} y", (value,))


def test_a_secret_is_in_no_copy_and_no_serialisation() -> None:
    code = """
import copy, json, pickle, orjson
from reconciler.secrets.secret import Secret
secret = Secret("canary-123")
for act in (copy.copy, copy.deepcopy, pickle.dumps, json.dumps, orjson.dumps, vars, bytes, int, iter, len):
    try:
        act(secret)
    except TypeError as error:
        assert "canary" not in str(error)
    else:
        raise SystemExit(act.__name__)
assert "canary" not in str(secret) + repr(secret) + format(secret, "") + f"{secret!r:>40}"
assert not hasattr(secret, "__dict__")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_noisy_clients_say_no_more_than_warnings() -> None:
    code = """
import logging
logging.basicConfig(level=logging.DEBUG)
from reconciler.secrets.scrub import NOISY, quieten
quieten()
for name in NOISY:
    logging.getLogger(name + ".child").info("loud")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loud" not in done.stderr
