"""File trees that are broken on purpose, with a secret in many places, and what must be true of whatever comes of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from reconciler.errors import Problem, Problems, ReconcilerError
from reconciler.load.documents import read_documents
from reconciler.load.load import load
from reconciler.load.project import FILE_NAME, read_project, without_file
from reconciler.render.problems import errors_json, problems_text
from reconciler.render.style import Style

CANARY = "c4n4ry5up3rs3cr3t"
URL = f"https://u:{CANARY}@h.example"
DSN = "vault://kv/acme/db#dsn"

# Wherever the canary stands, somebody has put a secret: where references belong, and where nothing of the sort does.
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("integrations", {"provider": "openai", "credential": CANARY, "models": ["a", "b"], "default_model": "a"}),
    ("integrations", {"provider": "ollama", "base_url": URL, "labels": {"team": "a"}, "config": {"keep_alive": "5m"}}),
    ("integrations", {"provider": "custom", "base_url": "https://h", "config": {"api_key": CANARY, "x": [{"token": CANARY}]}}),
    ("integrations", {"provider": "custom", "base_url": f"https://h/?key={CANARY}", "credential": [CANARY], "enabled": "yes"}),
    ("integrations", {"provider": "openai", "credential": "env://KEY", "api_key": CANARY, "secrets": {"a": [CANARY, CANARY]}}),
    ("connectors", {"type": "http", "base_url": "https://h", "auth": {"type": "bearer", "token": CANARY}, "timeout_seconds": 5}),
    ("connectors", {"type": "http", "base_url": URL, "auth": {"type": "basic", "username": "u", "password": CANARY}}),
    ("connectors", {"type": "http", "base_url": "https://h", "headers": {"Authorization": f"Bearer {CANARY}", "X-A": "a"}}),
    ("connectors", {"type": "http", "base_url": "https://h", "auth": {"type": "oauth2", "token_url": URL, "client_id": "c", "client_secret": CANARY}}),
    ("connectors", {"type": "sql", "dialect": "postgresql", "dsn": f"postgresql://u:{CANARY}@h/d", "pool_size": 5}),
    ("connectors", {"type": "sql", "dialect": "mysql", "host": "h", "database": "d", "username": "u", "password": CANARY, "options": {"passphrase": CANARY}}),
    ("connectors", {"type": "mcp", "transport": "stdio", "command": "npx", "args": ["--token", CANARY, f"--key={CANARY}"], "env": {"TOKEN": CANARY}}),
    ("connectors", {"type": "mcp", "transport": "sse", "url": URL, "headers": {"X-Auth-Token": {"plain": CANARY}}, "tools": {"t": {"risk": "low"}}}),
    ("connectors", {"type": "custom", "config": {"password": CANARY, "a": {"b": {"dsn": f"mysql://u:{CANARY}@h"}}, "n": 1}}),
    ("templates", {"type": "http", "connector": "api", "method": "GET", "path": "/a", "query": {"api_key": CANARY}, "headers": {"Authorization": CANARY}}),
    ("limits", {"target": "tenant", "per": "day", "requests": 1, "password": CANARY}),
    ("datasources", {"type": "database", "connector": "db", "tables": ["a"], "options": {"password": CANARY}, "token": CANARY}),
]  # fmt: skip
WRONG: list[Any] = [
    None,
    True,
    5,
    -1,
    10**30,
    "",
    "x",
    "No Name",
    "${var.x}",
    "${",
    "50_000",
    [],
    ["a", "a"],
    {},
    {"a": {"b": "c"}},
]
OTHER_KEYS = ["x", "typ", "credentials", "Description", "labels", "a b", "é", "${tenant}"]
SNIPPETS = ["{", "}", "[", "]", "'", '"', "#", " ", "\n", "\t", "-", "- ", "&a ", "*a", "!", "!!int ", "|", ">", ",", "\\", "%", "@", "---\n", "...\n", "\x00", "\ufeff", "\u2028", "~"]  # fmt: skip


def _leaf(dice: random.Random, body: dict[str, Any]) -> tuple[Any, Any]:
    """A random map or list inside of a body, and a key of it."""
    here: Any = body
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = dice.choice(keys)
        below = here[key]
        if not isinstance(below, dict | list) or not below or dice.random() < 0.3:
            return here, key
        here = below


def _holds_canary(value: Any) -> bool:
    return CANARY in json.dumps(value)


def _mutated(dice: random.Random, body: dict[str, Any]) -> dict[str, Any]:
    """Other types, missing and unknown fields; a canary stays a value of some field."""
    body = json.loads(json.dumps(body))
    for _ in range(dice.randrange(4)):
        if not body:
            break
        here, key = _leaf(dice, body)
        what = dice.randrange(5)
        if what == 0 and isinstance(here, dict):
            here[dice.choice(OTHER_KEYS)] = here.pop(key)
        elif what == 1 and not _holds_canary(here[key]):
            here[key] = deepcopy(dice.choice(WRONG))
        elif what == 2:
            here[key] = dice.choice([[here[key]], {"plain": here[key]}, {"a": here[key]}])
        elif what == 3 and not _holds_canary(here[key]):
            here.pop(key)
        elif isinstance(here, dict) and not isinstance(here.get("labels"), str) and here is body:
            here[dice.choice(OTHER_KEYS)] = deepcopy(dice.choice([*WRONG, CANARY]))
    return _without_public_canaries(body)


def _without_public_canaries(body: dict[str, Any]) -> dict[str, Any]:
    """A label or a description is public: nobody can know that it holds a secret."""
    if "labels" in body and _holds_canary(body["labels"]):
        body["labels"] = {"team": 5}
    return body


def _written(dice: random.Random, document: Any) -> str:
    """One of the many forms of the same document."""
    form = dice.randrange(5)
    if form == 0:
        return json.dumps(document, ensure_ascii=False) + "\n"
    if form == 1:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    text: str = yaml.safe_dump(
        document,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=[False, True, None][form - 2],
        default_style=dice.choice([None, None, "'", '"', "|", ">"]) if form == 2 else None,
        width=dice.choice([20, 80, 2000]),
    )
    if dice.random() < 0.2:
        text = re.sub(rf"^(.*{CANARY}.*)$", rf"\1 # {CANARY}", text, flags=re.MULTILINE) if form == 2 else text
    if dice.random() < 0.2:  # the same secret by an anchor and an alias
        text = text.replace(f": {CANARY}\n", f": &a {CANARY}\n", 1).replace(f": {CANARY}\n", ": *a\n")
    return text


def _broken(dice: random.Random, text: str) -> str:
    """Something inserted, deleted or swapped, anywhere but inside of a canary (a part of it is not looked for)."""
    for _ in range(dice.randrange(3)):
        at = dice.randrange(len(text) + 1)
        if any(found.start() < at < found.end() for found in re.finditer(CANARY, text)):
            continue
        what = dice.randrange(4)
        if what == 0:
            text = text[:at] + dice.choice(SNIPPETS) + text[at:]
        elif what == 1 and CANARY not in text[at : at + 3] and ":" not in text[max(0, at - 3) : at + 6]:
            text = text[:at] + text[at + dice.randrange(1, 4) :]
        elif what == 2:
            text = (
                text[:at] if not any(found.start() < at for found in re.finditer(CANARY, text[at - 20 : at])) else text
            )
        else:
            lines = text.split("\n")
            one = dice.randrange(len(lines))
            lines.insert(one, lines[dice.randrange(len(lines))])
            text = "\n".join(lines)
    return text


def tree(dice: random.Random) -> dict[str, str | bytes]:
    """Manifests of a tenant or two, perhaps a project with an overlay, defaults and variables around them."""
    documents = []
    for _ in range(dice.randrange(1, 4)):
        document: dict[str, Any] = {"version": 1, "tenant": dice.choice(["acme", "acme", "globex", "No Name"])}
        for _ in range(dice.randrange(4)):
            plural, body = dice.choice(BODIES)
            document.setdefault(plural, {})[dice.choice("abc")] = _mutated(dice, body)
        if dice.random() < 0.3:
            entry = dice.choice(
                [{"from": "limit/x", "password": CANARY}, {"from": "limit/x"}, 5, "limit/a", {"to": [CANARY]}]
            )
            document[dice.choice(["moved", "removed", "adopt", "external"])] = [entry]
        documents.append(document)
    files: dict[str, str | bytes] = {"a.yaml": "---\n".join(_broken(dice, _written(dice, one)) for one in documents)}
    if dice.random() < 0.5:
        plural, body = dice.choice(BODIES)
        over = {"version": 1, "tenant": "acme", plural: {dice.choice("abc"): _mutated(dice, body)}}
        files["over/b.yaml"] = _broken(dice, _written(dice, over))
        files[FILE_NAME] = _broken(dice, _written(dice, _settings(dice)))
    return files


def _settings(dice: random.Random) -> dict[str, Any]:
    settings: dict[str, Any] = {"version": 1, "environments": {"e": {"overlays": ["over"]}}}
    plural, body = dice.choice(BODIES)
    more: dict[str, Any] = {
        "project": dice.choice(["shop", "No Name"]),
        "variables": dice.choice(
            [{"x": CANARY}, {"password": CANARY}, {"a": {"token": [CANARY]}}, {"1": CANARY}, {"u": URL}]
        ),
        "database": f"postgresql://u:{CANARY}@h/d",
        "defaults": {plural: {k: v for k, v in _mutated(dice, body).items() if k not in ("type", "provider", "a b")}},
        "guards": {"max_deletes": dice.choice([1, -1, "x"]), "token": CANARY},
        "api_key": CANARY,
        "external": [{"address": "acme/connector/x", "password": CANARY}],
        "include": ["*.yaml", {"path": "x.yaml", "token": CANARY}],
        "ignore": dice.choice([5, [{"address": "*"}]]),
    }
    for key in dice.sample(sorted(more), dice.randrange(4)):
        settings[key] = more[key]
    if dice.random() < 0.3:
        settings["environments"]["e"]["variables"] = {"x": CANARY, "api_key": dice.choice([CANARY, 5])}
        settings["environments"]["e"]["database"] = dice.choice([f"mysql://u:{CANARY}@h/d", "sqlite:///x", 5])
    return settings


def problems_of(folder: Path, files: Mapping[str, str | bytes]) -> list[Problem]:
    """What is wrong with the files; raises only what is a defect."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    try:
        if FILE_NAME not in files:
            load(without_file(folder), None, [str(folder)])
            return []
        problems = Problems()
        project = read_project(folder / FILE_NAME, problems)
        problems.raise_if_any()
        assert project is not None
        load(project, next(iter(project.settings.environments), None))
    except ReconcilerError as error:
        return list(error.problems)
    return []


def is_fair(files: Mapping[str, str | bytes]) -> bool:
    """Whether the canary is a value everywhere. Keys and names are shown, also where a broken file makes them of one."""
    for name, text in files.items():
        data = text.encode() if isinstance(text, str) else text
        if re.search(rb"(?m)^[ -]*" + CANARY.encode() + rb":", data):
            return False
        for document in read_documents(data, name)[0]:
            value = document.value if isinstance(document.value, dict) else {}
            names = [value.get("tenant"), value.get("tenants"), value.get("version")]
            # a line that a mutation moved may leave a secret where names of folders stand, which are shown
            environments = value.get("environments")
            found = environments.values() if isinstance(environments, dict) else ()
            names += [one.get("overlays") for one in found if isinstance(one, dict)]
            if CANARY in repr(names) or any(CANARY in key for key in _keys(value)):
                return False
    return True


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(item)


def leaks(problems: list[Problem]) -> list[str]:
    """Every text that people or programs would read and that holds the canary."""
    texts = [repr(problems), problems_text(problems, Style(True)), json.dumps(errors_json(problems))]
    return [text for text in texts if CANARY in text]
